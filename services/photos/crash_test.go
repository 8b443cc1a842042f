package photos_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// killsVar says how often TestCrash kills; make crash wants more.
const killsVar = "PORTICO_TEST_PHOTOS_KILLS"

// TestCrash kills the process again and again at a random moment while pictures
// come in, whole ones and ones in parts. What was acknowledged is complete and its
// bytes are what their hash says; after the collector ran nothing is left that no
// row needs.
func TestCrash(t *testing.T) {
	if dir := os.Getenv(serveDir); dir != "" {
		serveUntilKilled(t, dir)
		return
	}
	kills := 4
	if n, err := strconv.Atoi(os.Getenv(killsVar)); err == nil {
		kills = n
	}
	dir := t.TempDir()
	r := &crashRun{t: t, acked: map[string]bool{}}
	for i := range kills {
		r.round(dir, i)
	}
	ageBlobs(t, dir)
	c := startChild(t, dir, "TestCrash")
	r.token(c)
	for id := range r.acked {
		r.check(c, id)
	}
	t.Logf("%d kills, %d pictures acknowledged, %d of them in parts", kills, len(r.acked), r.resumed)
	if len(r.acked) < kills/2 {
		t.Errorf("only %d pictures were acknowledged", len(r.acked))
	}
	c.kill()
	wait.Until(t, "no bytes without a row", func() bool {
		ageBlobs(t, dir)
		c := startChild(t, dir, "TestCrash") // whose collector runs
		wait.Until(t, "the collector ran", func() bool { return collected(t, dir) })
		c.kill()
		return len(orphans(t, dir)) == 0
	})
}

// collected tells whether the number of files rests: the collector is quick.
func collected(t *testing.T, dir string) bool {
	count := func() int {
		names, err := filepath.Glob(filepath.Join(dir, "photos", "blobs", "*", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	before := count()
	time.Sleep(150 * time.Millisecond)
	return count() == before
}

// crashRun is what clients remember over the kills.
type crashRun struct {
	t       *testing.T
	name    string // token
	mu      sync.Mutex
	acked   map[string]bool // ids of pictures
	open    []string        // paths of uploads that are not whole, one for each client
	resumed int
}

func (r *crashRun) token(c *child) string {
	if r.name == "" {
		r.name = c.signUp("ann")
	}
	return r.name
}

func (r *crashRun) ack(id string, parts bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked[id] = true
	if parts {
		r.resumed++
	}
}

func (r *crashRun) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

// round has clients send until the process is killed under their hands.
func (r *crashRun) round(dir string, n int) {
	c := startChild(r.t, dir, "TestCrash")
	token := r.token(c)
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for i := range 2 {
		clients.Go(func() {
			for k := 0; ; k++ {
				typ, body := multipartOf(r.t, "file", [][]byte{jpegOf(340+i, 200+k%50+n%7)})
				var m media
				if ask(ctx, "POST", c.URL+"/api/v2/media", token, typ, body, &m) != nil {
					return
				}
				r.ack(m.ID, false)
			}
		})
	}
	for len(r.open) < 2 {
		r.open = append(r.open, "")
	}
	for i := range r.open {
		clients.Go(func() { r.open[i] = r.sendParts(c, token, r.open[i], i) })
	}
	// The moment of the kill: anywhere in the first uploads, or after some.
	if n%2 == 0 {
		before := r.count()
		wait.Until(r.t, "somebody got an answer", func() bool { return r.count() > before })
	}
	time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
	c.kill()
	cancel()
	clients.Wait()
}

// partFile is what client i sends in parts, over all rounds.
func partFile(i int) []byte { return jpegOf(700+i, 500) }

// sendParts goes on with an upload where the last process was killed, and begins
// others, until this one is. It returns the one that is not whole.
func (r *crashRun) sendParts(c *child, token, path string, i int) string {
	file := partFile(i)
	for {
		if path == "" {
			res, err := tusAsk(c, token, "POST", uploadsPath, nil, "Upload-Length", strconv.Itoa(len(file)))
			if err != nil || res.StatusCode != http.StatusCreated {
				return ""
			}
			path = strings.TrimPrefix(res.Header.Get("Location"), c.URL)
		}
		res, err := tusAsk(c, token, "HEAD", path, nil)
		if err != nil {
			return path
		}
		if res.StatusCode != http.StatusOK {
			r.t.Errorf("upload %s is gone: %s", path, res.Status)
			return ""
		}
		at, _ := strconv.Atoi(res.Header.Get("Upload-Offset"))
		for at < len(file) && res.Header.Get("Portico-Media-Id") == "" {
			end := min(at+4<<10, len(file))
			res, err = tusAsk(c, token, "PATCH", path, file[at:end], "Upload-Offset", strconv.Itoa(at))
			if err != nil {
				return path
			}
			if res.StatusCode != http.StatusNoContent {
				r.t.Errorf("part at %d of %s: %s", at, path, res.Status)
				return ""
			}
			at = end
		}
		if id := res.Header.Get("Portico-Media-Id"); id != "" {
			r.ack(id, true)
		}
		path = ""
	}
}

func tusAsk(c *child, token, method, path string, body []byte, headers ...string) (*http.Response, error) {
	req, err := http.NewRequest(method, c.URL+path, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Client.Do(req)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res, err
}

// check looks at everything there is of a picture.
func (r *crashRun) check(c *child, id string) {
	r.t.Helper()
	var m media
	c.get("/api/v1/media/"+id, r.name).is(200).into(&m)
	if len(m.Sizes) < 2 {
		r.t.Errorf("picture %s has %d sizes", id, len(m.Sizes))
	}
	urls := []string{m.URL}
	for _, s := range m.Sizes {
		urls = append(urls, s.URL)
	}
	for _, u := range urls {
		got := c.get(u, "").is(200)
		sum := sha256.Sum256([]byte(got.body))
		if etag := strings.Trim(got.Header.Get("ETag"), `"`); etag != hex.EncodeToString(sum[:]) {
			r.t.Errorf("%s: the bytes are not those of %s", u, etag)
		}
		if _, _, err := image.Decode(strings.NewReader(got.body)); err != nil {
			r.t.Errorf("%s: %v", u, err)
		}
	}
}

// ageBlobs makes all bytes old enough for the collector.
func ageBlobs(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-48 * time.Hour)
	err := filepath.WalkDir(filepath.Join(dir, "photos", "blobs"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chtimes(path, old, old)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// orphans are the blobs that no row needs. No other process has the store.
func orphans(t *testing.T, dir string) (list []string) {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), filepath.Join(dir, "photos", "photos.db"), zerolog.Nop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	err = filepath.WalkDir(filepath.Join(dir, "photos", "blobs"), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/tmp/put-") {
			return err
		}
		used, err := st.Referenced(t.Context(), d.Name())
		if err == nil && !used {
			list = append(list, d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
