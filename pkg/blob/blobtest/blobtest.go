// Package blobtest is the contract of a blob.Store as a test suite that every
// implementation runs. It does not look behind the interface.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/porticod/portico/pkg/blob"
)

// Run tests the stores that open makes; each call returns an empty one.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, blob.Store)
	}{
		{"put and open", putAndOpen},
		{"same bytes once", sameBytesOnce},
		{"limit", limit},
		{"failing reader", failingReader},
		{"cancelled", cancelled},
		{"delete", remove},
		{"open survives delete", openSurvivesDelete},
		{"not found", notFound},
		{"walk stops", walkStops},
		{"sweep", sweep},
		{"sweep spares what is put again", sweepPutAgain},
		{"many at once", manyAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

const plenty = 1 << 20

func put(t *testing.T, s blob.Store, data string) blob.ID {
	t.Helper()
	id, size, err := s.Put(context.Background(), strings.NewReader(data), plenty)
	if err != nil {
		t.Fatalf("put %d bytes: %v", len(data), err)
	}
	if size != int64(len(data)) || id != sha256.Sum256([]byte(data)) {
		t.Fatalf("put %d bytes: got id %v and size %d", len(data), id, size)
	}
	return id
}

func read(t *testing.T, s blob.Store, id blob.ID) string {
	t.Helper()
	f, err := s.Open(context.Background(), id)
	if err != nil {
		t.Fatalf("open %v: %v", id, err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read %v: %v", id, err)
	}
	return string(b)
}

func all(t *testing.T, s blob.Store) map[blob.ID]blob.Info {
	t.Helper()
	m := map[blob.ID]blob.Info{}
	if err := s.Walk(context.Background(), func(i blob.Info) error {
		if _, twice := m[i.ID]; twice {
			t.Errorf("walk saw %v twice", i.ID)
		}
		m[i.ID] = i
		return nil
	}); err != nil {
		t.Fatalf("walk: %v", err)
	}
	return m
}

func wantCount(t *testing.T, s blob.Store, n int) {
	t.Helper()
	if m := all(t, s); len(m) != n {
		t.Errorf("walk saw %d blobs, want %d", len(m), n)
	}
}

func putAndOpen(t *testing.T, s blob.Store) {
	for _, data := range []string{"", "x", "hello", strings.Repeat("long ", 50_000)} {
		id := put(t, s, data)
		if got := read(t, s, id); got != data {
			t.Errorf("%d bytes came back as %d others", len(data), len(got))
		}
		f, err := s.Open(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 3 {
			b := make([]byte, 2)
			if _, err := f.ReadAt(b, 1); err != nil || string(b) != data[1:3] {
				t.Errorf("read at 1: %q, %v", b, err)
			}
			if _, err := f.Seek(-1, io.SeekEnd); err != nil {
				t.Error(err)
			}
			if b, _ := io.ReadAll(f); string(b) != data[len(data)-1:] {
				t.Errorf("last byte: %q", b)
			}
		}
		f.Close()
		i, ok := all(t, s)[id]
		if !ok || i.Size != int64(len(data)) || time.Since(i.Time) > time.Minute {
			t.Errorf("walk says %+v of a new blob of %d bytes", i, len(data))
		}
	}
}

func sameBytesOnce(t *testing.T, s blob.Store) {
	a, b := put(t, s, "same"), put(t, s, "same")
	if a != b {
		t.Errorf("two ids for the same bytes: %v, %v", a, b)
	}
	wantCount(t, s, 1)
}

func limit(t *testing.T, s blob.Store) {
	if _, _, err := s.Put(context.Background(), strings.NewReader("12345"), 4); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("5 bytes with a limit of 4: %v, want ErrTooLarge", err)
	}
	wantCount(t, s, 0)
	if _, _, err := s.Put(context.Background(), strings.NewReader("1234"), 4); err != nil {
		t.Errorf("4 bytes with a limit of 4: %v", err)
	}
}

func failingReader(t *testing.T, s blob.Store) {
	boom := errors.New("boom")
	r := io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(boom))
	if _, _, err := s.Put(context.Background(), r, plenty); !errors.Is(err, boom) {
		t.Errorf("a failing reader: %v, want its own error", err)
	}
	wantCount(t, s, 0)
}

func cancelled(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := s.Put(ctx, strings.NewReader("x"), plenty); !errors.Is(err, context.Canceled) {
		t.Errorf("put with a cancelled context: %v", err)
	}
	wantCount(t, s, 0)
}

func remove(t *testing.T, s blob.Store) {
	a, b := put(t, s, "a"), put(t, s, "b")
	for range 2 { // the second time there is nothing to delete
		if err := s.Delete(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(context.Background(), a); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open a deleted blob: %v, want ErrNotFound", err)
	}
	if read(t, s, b) != "b" {
		t.Error("the other blob changed")
	}
	if put(t, s, "a"); read(t, s, a) != "a" {
		t.Error("a deleted blob cannot be put again")
	}
}

func openSurvivesDelete(t *testing.T, s blob.Store) {
	id := put(t, s, "still here")
	f, err := s.Open(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.Delete(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != "still here" {
		t.Errorf("after delete: %q, %v", b, err)
	}
}

func notFound(t *testing.T, s blob.Store) {
	if _, err := s.Open(context.Background(), blob.ID{1}); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open: %v, want ErrNotFound", err)
	}
}

func walkStops(t *testing.T, s blob.Store) {
	put(t, s, "a")
	put(t, s, "b")
	stop, n := errors.New("stop"), 0
	if err := s.Walk(context.Background(), func(blob.Info) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("walk: %v after %d blobs, want the function's error after 1", err, n)
	}
}

func sweep(t *testing.T, s blob.Store) {
	ctx := context.Background()
	keep, drop := put(t, s, "keep"), put(t, s, "drop")
	wanted := func(id blob.ID) (bool, error) { return id == keep, nil }
	if got, err := s.Sweep(ctx, time.Now().Add(-time.Hour), wanted); err != nil || got != (blob.Swept{}) {
		t.Errorf("sweep within the grace: %+v, %v", got, err)
	}
	boom := errors.New("boom")
	if _, err := s.Sweep(ctx, time.Now().Add(time.Hour), func(blob.ID) (bool, error) { return false, boom }); !errors.Is(err, boom) {
		t.Errorf("sweep with a failing keep: %v", err)
	}
	wantCount(t, s, 2)
	if got, err := s.Sweep(ctx, time.Now().Add(time.Hour), wanted); err != nil || got != (blob.Swept{Blobs: 1, Bytes: 4}) {
		t.Errorf("sweep: %+v, %v, want 1 blob of 4 bytes", got, err)
	}
	if _, err := s.Open(ctx, drop); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open a swept blob: %v", err)
	}
	if read(t, s, keep) != "keep" {
		t.Error("the kept blob changed")
	}
}

// sweepPutAgain puts the same bytes between the question whether a blob is
// wanted and its removal.
func sweepPutAgain(t *testing.T, s blob.Store) {
	id := put(t, s, "again")
	// Between the first put and the second, by the clock of the file system.
	var before time.Time
	for deadline := time.Now().Add(5 * time.Second); !before.After(all(t, s)[id].Time); {
		if before = time.Now(); before.After(deadline) {
			t.Fatal("the store's clock does not go")
		}
	}
	got, err := s.Sweep(context.Background(), before, func(blob.ID) (bool, error) {
		for deadline := time.Now().Add(5 * time.Second); all(t, s)[id].Time.Before(before); {
			put(t, s, "again")
			if time.Now().After(deadline) {
				t.Fatal("putting again does not make a blob young")
			}
		}
		return false, nil
	})
	if err != nil || got.Blobs != 0 {
		t.Errorf("sweep: %+v, %v, want nothing removed", got, err)
	}
	if read(t, s, id) != "again" {
		t.Error("the blob is gone")
	}
}

func manyAtOnce(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			data := bytes.Repeat([]byte{byte(i % 4)}, 10_000)
			id, _, err := s.Put(context.Background(), bytes.NewReader(data), plenty)
			if err != nil || id != sha256.Sum256(data) {
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	wantCount(t, s, 4)
}
