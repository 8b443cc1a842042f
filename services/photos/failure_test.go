package photos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
	accountstore "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// A flaw makes a store fail for as long as it holds an error.
type flaw struct{ err atomic.Pointer[error] }

func (f *flaw) set(err error) { f.err.Store(&err) }

func (f *flaw) get() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

type badRows struct {
	store.Store
	before, after, check, sizes, part *flaw
}

func (b badRows) AddMedia(ctx context.Context, m store.Media, quota int64) (store.Media, error) {
	if err := b.before.get(); err != nil {
		return m, err
	}
	m, err := b.Store.AddMedia(ctx, m, quota)
	return m, errors.Join(err, b.after.get())
}

func (b badRows) AddStatus(ctx context.Context, d store.Draft) (store.Status, bool, error) {
	if err := b.before.get(); err != nil {
		return store.Status{}, false, err
	}
	s, created, err := b.Store.AddStatus(ctx, d)
	return s, created, errors.Join(err, b.after.get())
}

func (b badRows) Check() error { return b.check.get() }

type badBytes struct {
	blob.Store
	put *flaw
}

func (b badBytes) Put(ctx context.Context, r io.Reader, limit int64) (blob.ID, int64, error) {
	if err := b.put.get(); err != nil {
		return blob.ID{}, 0, err
	}
	return b.Store.Put(ctx, r, limit)
}

// broken is a service whose parts can be made to fail.
type broken struct {
	*Photos
	t                                      *testing.T
	before, after, check, sizes, part, put flaw
	token                                  string
	log                                    bytes.Buffer
}

func openBroken(t *testing.T) *broken {
	t.Helper()
	b := &broken{t: t}
	dir := t.TempDir()
	people := account.New()
	people.Configure(account.Options{
		Open: func(ctx context.Context) (account.Store, error) {
			return accountstore.Open(ctx, filepath.Join(dir, "accounts.db"), zerolog.Nop())
		}, Registration: account.Open,
	})
	st, err := sqlstore.Open(t.Context(), filepath.Join(dir, "photos.db"), zerolog.Nop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	ty := Type{Accounts: people, Pictures: picture.NewPool(picture.Options{})}
	env := service.Env{Kind: "photos", Name: "test", Dir: dir, Log: zerolog.New(zerolog.SyncWriter(&b.log))}
	b.Photos, err = ty.start(t.Context(), env, ty.Default(),
		parts{badRows{st, &b.before, &b.after, &b.check, &b.sizes, &b.part}, badBytes{blobs, &b.put}, new(bus.Local).Node()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), people.Close()); err != nil {
			t.Error(err)
		}
	})
	u, err := people.SignUp(t.Context(), account.NewUser{Username: "ann", Password: "correct horse"})
	if err == nil {
		b.token, _, err = people.NewSession(t.Context(), account.Session{UserID: u.ID, Service: "photos.test"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broken) do(method, path, typ string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, body)
	r.Header.Set("Authorization", "Bearer "+b.token)
	r.Header.Set("Content-Type", typ)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func (b *broken) upload() *httptest.ResponseRecorder {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "a.png")
	if err == nil {
		err = png.Encode(part, image.NewRGBA(image.Rect(0, 0, 30, 20)))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		b.t.Fatal(err)
	}
	return b.do("POST", "/api/v2/media", w.FormDataContentType(), &body)
}

// TestFailures: where the disk or the database fails, before or after the fact,
// nobody is told that something was stored, and afterwards all is well.
func TestFailures(t *testing.T) {
	b := openBroken(t)
	for name, c := range map[string]struct {
		flaw   *flaw
		err    error
		status int
		retry  bool
	}{
		"rows: full":  {&b.before, sqldb.ErrFull, http.StatusInsufficientStorage, false},
		"rows: busy":  {&b.before, sqldb.ErrBusy, http.StatusServiceUnavailable, true},
		"rows: disk":  {&b.before, sqldb.ErrIO, http.StatusInternalServerError, false},
		"rows: late":  {&b.after, sqldb.ErrIO, http.StatusInternalServerError, false},
		"bytes: disk": {&b.put, errors.New("secret detail"), http.StatusInternalServerError, false},
		"bytes: gone": {&b.put, context.Canceled, http.StatusServiceUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.flaw.set(c.err)
			defer c.flaw.set(nil)
			w := b.upload()
			if w.Code != c.status || (w.Header().Get("Retry-After") != "") != c.retry || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("upload: %d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
	if !strings.Contains(b.log.String(), "secret detail") {
		t.Error("the cause is not in the log")
	}
	w := b.upload()
	if w.Code != http.StatusOK {
		t.Fatalf("afterwards: %d %s", w.Code, w.Body)
	}
	id := strings.Split(w.Body.String(), `"`)[3]
	b.after.set(sqldb.ErrIO)
	post := func() *httptest.ResponseRecorder {
		return b.do("POST", "/api/v1/statuses", "application/json", strings.NewReader(`{"media_ids":["`+id+`"]}`))
	}
	if w := post(); w.Code != http.StatusInternalServerError {
		t.Errorf("post: %d %s", w.Code, w.Body)
	}
}

func (b badRows) AddSizes(ctx context.Context, id int64, sizes []store.File, blurhash string, complete bool) error {
	if err := b.sizes.get(); err != nil {
		return err
	}
	return b.Store.AddSizes(ctx, id, sizes, blurhash, complete)
}

func (b badRows) AddPart(ctx context.Context, id int64, part store.Part, expires time.Time) error {
	if err := b.part.get(); err != nil {
		return err
	}
	return b.Store.AddPart(ctx, id, part, expires)
}

// TestPending: where too much else goes on the answer is 202; the picture cannot
// be posted until its sizes are there, which come by themselves.
func TestPending(t *testing.T) {
	b := openBroken(t)
	b.pictures = picture.NewPool(picture.Options{Workers: 1, Wait: 20 * time.Millisecond})
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewRGBA(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	working, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := b.pictures.Make(context.Background(), bytes.NewReader(file.Bytes()), picture.Job{
			Specs: []picture.Spec{{Width: 10}},
			Each:  func(picture.Variant) error { close(working); <-release; return nil },
		})
		done <- err
	}()
	<-working
	w := b.upload()
	if w.Code != http.StatusAccepted || !strings.Contains(w.Body.String(), `"url":null`) {
		t.Errorf("busy: %d %s", w.Code, w.Body)
	}
	id := strings.Split(w.Body.String(), `"`)[3]
	see := func() *httptest.ResponseRecorder { return b.do("GET", "/api/v1/media/"+id, "", nil) }
	if w := see(); w.Code != http.StatusPartialContent || !strings.Contains(w.Body.String(), `"progress":{"made":0,"of":1}`) {
		t.Errorf("meanwhile: %d %s", w.Code, w.Body)
	}
	post := func() *httptest.ResponseRecorder {
		return b.do("POST", "/api/v1/statuses", "application/json", strings.NewReader(`{"media_ids":["`+id+`"]}`))
	}
	if w := post(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "finished processing") {
		t.Errorf("post: %d %s", w.Code, w.Body)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	wait.Until(t, "it is there", func() bool { return see().Code == http.StatusOK })
	if w := post(); w.Code != http.StatusOK {
		t.Errorf("post: %d %s", w.Code, w.Body)
	}
}

// TestUploadOnAFullDisk: what was not stored is not counted, and the upload goes
// on when there is room.
func TestUploadOnAFullDisk(t *testing.T) {
	b := openBroken(t)
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewRGBA(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	tus := func(method, path string, body []byte, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+b.token)
		r.Header.Set("Tus-Resumable", tusVersion)
		r.Header.Set("Content-Type", tusType)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		return w
	}
	w := tus("POST", tusRoot, nil, "Upload-Length", strconv.Itoa(file.Len()))
	if w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	at := w.Header().Get("Location")
	for f, err := range map[*flaw]error{&b.part: sqldb.ErrFull, &b.put: fmt.Errorf("store blob: %w", syscall.ENOSPC)} {
		f.set(err)
		if w := tus("PATCH", at, file.Bytes(), "Upload-Offset", "0"); w.Code != http.StatusInsufficientStorage {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
		f.set(nil)
		if w := tus("HEAD", at, nil); w.Header().Get("Upload-Offset") != "0" {
			t.Errorf("counted: %v", w.Header())
		}
	}
	b.before.set(sqldb.ErrFull)
	if w := tus("PATCH", at, file.Bytes(), "Upload-Offset", "0"); w.Code != http.StatusInsufficientStorage {
		t.Errorf("picture: %d %s", w.Code, w.Body)
	}
	b.before.set(nil)
	// All bytes are there: asking is enough.
	if w := tus("HEAD", at, nil); w.Code != http.StatusOK || w.Header().Get(mediaIDHeader) == "" {
		t.Errorf("afterwards: %d %v", w.Code, w.Header())
	}
}

// TestJobsAreTriedAgain: work that fails is seen, and done when it can be.
func TestJobsAreTriedAgain(t *testing.T) {
	b := openBroken(t)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "a.png")
	if err == nil {
		err = png.Encode(part, image.NewGray(image.Rect(0, 0, 2100, 30)))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	b.sizes.set(sqldb.ErrIO)
	if w := b.do("POST", "/api/v2/media", w.FormDataContentType(), &body); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wait.Until(t, "the failure is noted", func() bool {
		list, err := b.store.FailedJobs(t.Context(), 10)
		return err == nil && len(list) == 1 && list[0].Kind == store.JobLadder && list[0].Attempts == 1
	})
	b.sizes.set(nil)
	list, err := b.store.FailedJobs(t.Context(), 1)
	if err == nil {
		err = b.store.PostponeJob(t.Context(), list[0].ID, time.Time{}, "given up")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.RetryJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wakeJobs()
	wait.Until(t, "nothing is to do", func() bool {
		counts, err := b.store.JobCounts(t.Context())
		total := int64(0)
		for _, c := range counts {
			total += c.Waiting + c.Retries + c.Failed
		}
		return err == nil && total == 0
	})
}

// TestHealth: a service that cannot store says so.
func TestHealth(t *testing.T) {
	b := openBroken(t)
	b.check.set(sqldb.ErrFull)
	if w := b.do("GET", "/healthz", "", nil); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "no space left") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if b.Check(t.Context()) == nil {
		t.Error("Check finds nothing")
	}
	b.check.set(nil)
	if w := b.do("GET", "/healthz", "", nil); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
