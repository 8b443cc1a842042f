package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/porticod/portico/pkg/demo/scene"
	"github.com/porticod/portico/pkg/picture"
)

// The samples that lie in the tree are good pictures, small together, and show
// what the service has to cope with.
func TestSamples(t *testing.T) {
	pool := picture.NewPool(picture.Options{})
	var total int64
	var turned, transparent bool
	formats := map[picture.Format]int{}
	err := filepath.WalkDir("../../images", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		res, err := pool.Ladder(context.Background(), bytes.NewReader(b), 320)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		total += int64(len(b))
		formats[res.Info.Format]++
		turned = turned || res.Info.Orientation != 1
		transparent = transparent || res.Info.Alpha
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > 1<<20 || !turned || !transparent || formats[picture.JPEG] < 3 || formats[picture.PNG] < 2 {
		t.Errorf("%d bytes, %v, one to be turned: %v, one with transparency: %v", total, formats, turned, transparent)
	}
}

// The formulas still make what they should, in sizes that take no time.
func TestGenerators(t *testing.T) {
	for name, f := range map[string]func() ([]byte, error){
		"photo":    photo(60, 40, scene.Hills),
		"turned":   turned(photo(60, 40, scene.Columns)),
		"paletted": paletted(60, 40),
		"glass":    glass(60, 60),
	} {
		b, err := f()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := picture.Inspect(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
