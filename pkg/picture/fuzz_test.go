package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

func seeds(f *testing.F) {
	names, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range names {
		if b, err := os.ReadFile(n); err == nil && len(b) < 20_000 {
			f.Add(b)
		}
	}
	small := asJPEG(f, scene(24, 16), 60)
	f.Add(small)
	f.Add(insertAfter(small, 2, segment(0xe1, exif(binary.LittleEndian, 6))))
	f.Add(insertAfter(small, 2, iccSegments(fakeProfile("RGB ", 400))))
	f.Add(asPNG(f, scene(24, 16)))
	f.Add(insertAfter(asPNG(f, scene(24, 16)), 33, iccChunk(fakeProfile("RGB ", 400))))
}

func known(err error) bool {
	return errors.Is(err, picture.ErrFormat) || errors.Is(err, picture.ErrBroken) || errors.Is(err, picture.ErrTooLarge)
}

func FuzzInspect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := picture.Inspect(bytes.NewReader(b))
		if err != nil {
			if !known(err) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if info.Width < 1 || info.Height < 1 || info.Frames < 1 || info.Orientation < 1 || info.Orientation > 8 || info.Format == picture.Auto {
			t.Fatalf("impossible: %+v", info)
		}
	})
}

// What was stripped can be stripped again and is the same picture, without what
// was to go.
func FuzzStrip(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var out, again bytes.Buffer
		if err := picture.Strip(&out, bytes.NewReader(b)); err != nil {
			if !known(err) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if out.Len() > len(b)+64 {
			t.Fatalf("%d bytes became %d", len(b), out.Len())
		}
		before, _ := picture.Inspect(bytes.NewReader(b))
		after, err := picture.Inspect(bytes.NewReader(out.Bytes()))
		if err != nil || before != after {
			t.Fatalf("%+v became %+v, %v", before, after, err)
		}
		if err := picture.Strip(&again, bytes.NewReader(out.Bytes())); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
			t.Fatalf("stripping twice is not stripping once: %v", err)
		}
	})
}

func FuzzMake(f *testing.F) {
	seeds(f)
	pool := picture.NewPool(picture.Options{
		Memory: 64 << 20, Time: 5 * time.Second,
		Limits: picture.Limits{Pixels: 1 << 20, Bytes: 1 << 20},
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := pool.Ladder(context.Background(), bytes.NewReader(b), 16, 64)
		if err != nil {
			if !known(err) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		for _, v := range res.Variants {
			if m := decoded(t, v.Data).Bounds(); m.Dx() != v.Width || m.Dy() != v.Height || v.Width > res.Info.Width {
				t.Fatalf("%+v: variant of %dx%d has %v", res.Info, v.Width, v.Height, m)
			}
		}
	})
}
