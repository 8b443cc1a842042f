package images

import (
	"os"
	"testing"
	"time"
)

// TestClocksAndTheOrderOfUse: a version that was made while the clock was ahead
// does not count as the last used for years.
func TestClocksAndTheOrderOfUse(t *testing.T) {
	d, err := openDisk(t.TempDir(), func(string) (int64, error) { return 1 << 40, nil })
	if err != nil {
		t.Fatal(err)
	}
	d.max = 1 << 20
	d.load(t.Context())
	if err := d.put(t.Context(), key{1}, ".jpg", []byte("a picture")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []time.Duration{12 * 365 * 24 * time.Hour, -2 * touchAfter} {
		f, e, ok := d.get(t.Context(), key{1})
		if !ok {
			t.Fatal("it is not there")
		}
		_ = f.Close()
		at := time.Now().Add(step)
		if err := os.Chtimes(d.path(&e), at, at); err != nil {
			t.Fatal(err)
		}
		if f, e, ok = d.get(t.Context(), key{1}); !ok {
			t.Fatal("it is gone")
		}
		_ = f.Close()
		fi, err := os.Stat(d.path(&e))
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(fi.ModTime()).Abs(); age > time.Minute {
			t.Errorf("used last %v from now, after a step of %v", age, step)
		}
	}
}
