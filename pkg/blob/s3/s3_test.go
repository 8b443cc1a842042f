package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"

	server "github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/blob/blobtest"
	"github.com/porticod/portico/pkg/blob/s3"
)

const plenty = 1 << 30

// open returns a store on a server, with a spool of its own.
func open(t *testing.T, s *server.Server, opt s3.Options) (*s3.Store, string) {
	t.Helper()
	at, err := s3.Parse(s.URL("test"))
	if err != nil {
		t.Fatal(err)
	}
	opt.AccessKey, opt.SecretKey, opt.Spool = server.AccessKey, server.SecretKey, t.TempDir()
	store, err := s3.Open(at, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, opt.Spool
}

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		store, _ := open(t, server.Start(t), s3.Options{})
		return store
	})
}

func noise(size int) []byte {
	b := make([]byte, size)
	rand.New(rand.NewSource(1)).Read(b)
	return b
}

func mustPut(t *testing.T, s blob.Store, data []byte) blob.ID {
	t.Helper()
	id, size, err := s.Put(t.Context(), bytes.NewReader(data), plenty)
	if err != nil || size != int64(len(data)) {
		t.Fatalf("put %d bytes: %d, %v", len(data), size, err)
	}
	return id
}

func mustRead(t *testing.T, s blob.Store, id blob.ID) []byte {
	t.Helper()
	f, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A blob of several parts comes back whole, from anywhere, and two stores see each
// other's.
func TestLong(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	a, spool := open(t, srv, s3.Options{})
	b, _ := open(t, srv, s3.Options{})
	data := noise(33<<20 + 123)
	id := mustPut(t, a, data)
	if !bytes.Equal(mustRead(t, b, id), data) {
		t.Fatal("other bytes came back")
	}
	mustPut(t, b, data) // it is there: renewed
	f, err := b.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := rand.New(rand.NewSource(2))
	for range 20 {
		off, n := r.Intn(len(data)), r.Intn(100_000)
		got := make([]byte, n)
		n, err := f.ReadAt(got, int64(off))
		if want := data[off:min(off+len(got), len(data))]; !bytes.Equal(got[:n], want) || (n < len(got)) != errors.Is(err, io.EOF) {
			t.Fatalf("%d bytes at %d: %d, %v", len(got), off, n, err)
		}
	}
	if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
}

// Reads one after another are one request, and short blobs one in all.
func TestFewRequests(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	s, _ := open(t, srv, s3.Options{})
	for size, want := range map[int]int{0: 1, 10: 1, 64 << 10: 1, 64<<10 + 1: 2, 3 << 20: 2} {
		id := mustPut(t, s, noise(size))
		srv.Requests()
		f, err := s.Open(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		// As net/http and the decoders of pictures do.
		for _, whence := range []int{io.SeekEnd, io.SeekStart} {
			if _, err := f.Seek(0, whence); err != nil {
				t.Fatal(err)
			}
		}
		all := io.NewSectionReader(f, 0, int64(size))
		if b, err := io.ReadAll(all); err != nil || len(b) != size {
			t.Errorf("%d bytes of %d, %v", len(b), size, err)
		}
		if got := srv.Requests(); len(got) != want {
			t.Errorf("%d bytes took %d requests, not %d: %v", size, len(got), want, got)
		}
		f.Close()
	}
}

// Delete leaves what is young, for somebody may need it; Sweep goes by its own
// time.
func TestGrace(t *testing.T) {
	t.Parallel()
	s, _ := open(t, server.Start(t), s3.Options{Grace: time.Hour})
	id := mustPut(t, s, []byte("young"))
	if err := s.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	mustRead(t, s, id)
	swept, err := s.Sweep(t.Context(), time.Now().Add(time.Hour), func(blob.ID) (bool, error) { return false, nil })
	if err != nil || swept != (blob.Swept{Blobs: 1, Bytes: 5}) {
		t.Errorf("swept %+v, %v", swept, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	s, _ := open(t, srv, s3.Options{Patience: time.Second})
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Walk(t.Context(), func(blob.Info) error { return errors.New("seen") }); err != nil {
		t.Error("the check left something that looks like a blob")
	}
	at, err := s3.Parse(strings.Replace(srv.URL(""), "s3://bucket", "s3://other-bucket", 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at   s3.Target
		key  string
		want string
	}{
		"no bucket": {at, server.AccessKey, "NoSuchBucket"},
		"wrong key": {at, "other", "InvalidAccessKeyId"},
	} {
		s, err := s3.Open(c.at, s3.Options{AccessKey: c.key, SecretKey: server.SecretKey, Spool: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		began := time.Now()
		err = s.Check(context.Background())
		if !errors.Is(err, blob.ErrAway) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: known after %v: it was tried again", name, took)
		}
	}
}
