package photos_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/servicetest"
)

// start opens a service on a folder with a server in front of it. The returned
// function ends both.
func start(t *testing.T, k service.Kind, people *account.Directory, dir string) (*site, func()) {
	t.Helper()
	env := servicetest.NewEnvAt(t, "photos", "test", dir)
	ctx, cancel := context.WithCancel(context.Background())
	svc, err := servicetest.MustDecode(t, k, "").Open(ctx, env.Env)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s := &site{HTTPServer: servicetest.HTTP(t, svc.(http.Handler)), t: t, people: people, svc: svc, env: env}
	return s, func() {
		t.Helper()
		s.Close()
		cancel()
		if err := svc.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReopen(t *testing.T) {
	k, people := kind(t)
	dir := filepath.Join(t.TempDir(), "photos")
	s, stop := start(t, k, people, dir)
	ann := s.signUp("ann")
	p, hidden := s.post(ann, "public"), s.post(ann, "private")
	loose := s.picture(ann, small)
	stop()
	s, stop = start(t, k, people, dir)
	defer stop()
	var got status
	s.get("/api/v1/statuses/"+p.ID, "").is(200).into(&got)
	if got.CreatedAt != p.CreatedAt || got.Content != p.Content || got.Account.Statuses != 2 {
		t.Errorf("after a restart: %+v, before: %+v", got, p)
	}
	here := func(u string) string { // the port is another one
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.RequestURI()
	}
	s.get(here(p.Media[0].URL), "").is(200)
	s.get(here(hidden.Media[0].URL), "").is(200) // signed before
	var next status
	s.call("POST", "/api/v1/statuses", ann, url.Values{"media_ids[]": {loose.ID}}).is(200).into(&next)
	if len(next.ID) != len(loose.ID) || next.ID <= loose.ID {
		t.Errorf("id %s after %s", next.ID, loose.ID)
	}
}

// TestKilled copies the data of a running service, as a kill would leave it,
// between upload and post, and opens the copy.
func TestKilled(t *testing.T) {
	k, people := kind(t)
	s, stop := start(t, k, people, filepath.Join(t.TempDir(), "photos"))
	defer stop()
	ann := s.signUp("ann")
	m := s.picture(ann, jpegOf(2400, 300))
	copied := filepath.Join(t.TempDir(), "copy")
	copyTree(t, s.env.Dir, copied)
	for _, name := range []string{"blobs/tmp/put-1", "spool/upload-1"} { // half-written
		if err := os.WriteFile(filepath.Join(copied, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	s2, stop2 := start(t, k, people, copied)
	defer stop2()
	var p status
	s2.call("POST", "/api/v1/statuses", ann, url.Values{"media_ids[]": {m.ID}}).is(200).into(&p)
	wait.Until(t, "the ladder is complete after the restart", func() bool {
		s2.get("/api/v1/statuses/"+p.ID, "").is(200).into(&p)
		return len(p.Media[0].Sizes) == 4
	})
	for _, size := range p.Media[0].Sizes {
		s2.get(size.URL, "").is(200)
	}
	if n := s2.pictures(); n != 5 {
		t.Errorf("%d blobs instead of an original and four sizes", n)
	}
	left, err := os.ReadDir(filepath.Join(copied, "spool"))
	if err != nil || len(left) != 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
}

// copyTree copies what is there, the database before its log, and bytes after the rows
// that are about them: the service goes on meanwhile.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	for _, blobs := range []bool{false, true} {
		copySome(t, from, to, func(rel string) bool { return strings.HasPrefix(rel, "blobs") == blobs })
	}
}

// copySome copies what is wanted; what goes meanwhile is not there.
func copySome(t *testing.T, from, to string, wanted func(rel string) bool) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(dest, 0o700)
		}
		if strings.HasSuffix(path, ".lock") || strings.HasSuffix(path, "-shm") || strings.Contains(rel, "tmp") || !wanted(rel) {
			return nil
		}
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		return os.WriteFile(dest, raw, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSweep: bytes whose row was never written go when they are old enough, at
// the next start.
func TestSweep(t *testing.T) {
	k, people := kind(t)
	dir := filepath.Join(t.TempDir(), "photos")
	s, stop := start(t, k, people, dir)
	p := s.post(s.signUp("ann"), "public")
	stop()
	before := s.pictures()
	orphan := filepath.Join(dir, "blobs", "ab", "cd", "abcd"+strings.Repeat("0", 60))
	if err := os.MkdirAll(filepath.Dir(orphan), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(orphan, []byte("nobody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chtimes(path, old, old)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s, stop = start(t, k, people, dir)
	defer stop()
	wait.Until(t, "the orphan is swept", func() bool { return s.pictures() == before })
	var got status
	s.get("/api/v1/statuses/"+p.ID, "").is(200).into(&got)
	s.get(got.Media[0].URL, "").is(200)
}

// TestAccountDeleted: what an account leaves is erased, also where it was deleted
// while the service was not open.
func TestAccountDeleted(t *testing.T) {
	k, people := kind(t)
	dir := filepath.Join(t.TempDir(), "photos")
	s, stop := start(t, k, people, dir)
	ann, eve := s.signUp("ann"), s.signUp("eve")
	p, q := s.post(ann, "public"), s.post(eve, "public")
	s.picture(ann, jpegOf(100, 100))
	remove := func(name string) {
		t.Helper()
		u, err := people.UserByName(t.Context(), name)
		if err == nil {
			err = people.Delete(t.Context(), u.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	remove("ann")
	s.get("/api/v1/statuses/"+p.ID, "").is(404) // at once
	s.get(p.Media[0].URL, "").is(404)
	s.get("/api/v1/timelines/home", ann).is(401)
	wait.Until(t, "only eve's picture is left", func() bool { return s.pictures() == 2 })
	s.get("/api/v1/statuses/"+q.ID, "").is(200)
	stop()
	remove("eve")
	s, stop = start(t, k, people, dir)
	defer stop()
	wait.Until(t, "nothing is left", func() bool { return s.blobs() == 0 })
}

// TestLostOriginal: where bytes are gone from the disk, the worker gives up on
// that picture, says so, and goes on with others.
func TestLostOriginal(t *testing.T) {
	k, people := kind(t)
	s, stop := start(t, k, people, filepath.Join(t.TempDir(), "photos"))
	ann := s.signUp("ann")
	copied := filepath.Join(t.TempDir(), "copy")
	lost := s.picture(ann, jpegOf(2400, 300))
	copyTree(t, s.env.Dir, copied)
	stop()
	if err := os.RemoveAll(filepath.Join(copied, "blobs")); err != nil {
		t.Fatal(err)
	}
	s, stop = start(t, k, people, copied)
	defer stop()
	good := s.picture(ann, jpegOf(2400, 400))
	wait.Until(t, "the other picture is complete", func() bool {
		var m media
		s.get("/api/v1/media/"+good.ID, ann).is(200).into(&m)
		return len(m.Sizes) == 4
	})
	plain, query, _ := strings.Cut(lost.URL, "?")
	parsed, err := url.Parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	s.get(parsed.Path+"?"+query, "").is(404)
}
