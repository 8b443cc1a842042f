package blob_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/durable"
)

func mustPut(t *testing.T, d *blob.Dir, text string) blob.ID {
	t.Helper()
	id, _, err := d.Put(t.Context(), strings.NewReader(text), 100)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// What is deleted during a hold is gone for everybody but its owner, and goes
// from the disk when it ends.
func TestHold(t *testing.T) {
	d, root := open(t)
	ids := []blob.ID{mustPut(t, d, "stays"), mustPut(t, d, "deleted"), mustPut(t, d, "swept")}
	h, err := blob.NewHold(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Delete(t.Context(), ids[1]), d.Delete(t.Context(), ids[1])); err != nil {
		t.Fatal(err)
	}
	swept, err := d.Sweep(t.Context(), time.Now().Add(time.Hour), func(id blob.ID) (bool, error) { return id == ids[0], nil })
	if err != nil || swept.Blobs != 1 {
		t.Fatalf("swept %+v, %v", swept, err)
	}
	for _, id := range ids[1:] {
		if _, err := d.Open(t.Context(), id); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("a deleted blob is open to all: %v", err)
		}
	}
	// A daemon that starts meanwhile leaves alone what is held.
	if _, err := blob.OpenDir(root); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"stays", "deleted", "swept"} {
		f, err := h.Open(ids[i])
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if b, err := io.ReadAll(f); err != nil || string(b) != want {
			t.Errorf("%q, %v, not %q", b, err, want)
		}
		f.Close()
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "held")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was held is still there: %v", err)
	}
	if err := d.Delete(context.Background(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if left := files(t, root); len(left) != 1 || filepath.Base(left[0]) != "hold" {
		t.Errorf("left: %v", left)
	}
}

func TestOneHold(t *testing.T) {
	_, root := open(t)
	h, err := blob.NewHold(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blob.NewHold(root); !errors.Is(err, durable.ErrLeased) {
		t.Errorf("a second one: %v", err)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
	if h, err = blob.NewHold(root); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(); err != nil {
		t.Fatal(err)
	}
}

// What a hold left whose process died goes at the next start, or sweep.
func TestDeadHold(t *testing.T) {
	d, root := open(t)
	held := filepath.Join(root, "held", "x")
	for name, clean := range map[string]func() error{
		"open":  func() error { _, err := blob.OpenDir(root); return err },
		"sweep": func() error { _, err := d.Sweep(t.Context(), time.Time{}, nil); return err },
	} {
		if err := os.MkdirAll(held, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := clean(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(held); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: still there: %v", name, err)
		}
	}
}
