package photos

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	accountstore "github.com/porticod/portico/pkg/account/sqlite"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/sqlite"
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
	before, after, check *flaw
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
	t                         *testing.T
	before, after, check, put flaw
	token                     string
	log                       bytes.Buffer
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
	b.Photos, err = ty.start(t.Context(), env, ty.Default(), badRows{st, &b.before, &b.after, &b.check}, badBytes{blobs, &b.put})
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
		"rows: full":  {&b.before, sqlite.ErrFull, http.StatusInsufficientStorage, false},
		"rows: busy":  {&b.before, sqlite.ErrBusy, http.StatusServiceUnavailable, true},
		"rows: disk":  {&b.before, sqlite.ErrIO, http.StatusInternalServerError, false},
		"rows: late":  {&b.after, sqlite.ErrIO, http.StatusInternalServerError, false},
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
	b.after.set(sqlite.ErrIO)
	post := func() *httptest.ResponseRecorder {
		return b.do("POST", "/api/v1/statuses", "application/json", strings.NewReader(`{"media_ids":["`+id+`"]}`))
	}
	if w := post(); w.Code != http.StatusInternalServerError {
		t.Errorf("post: %d %s", w.Code, w.Body)
	}
}

// TestHealth: a service that cannot store says so.
func TestHealth(t *testing.T) {
	b := openBroken(t)
	b.check.set(sqlite.ErrFull)
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
