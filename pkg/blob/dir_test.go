package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/blob/blobtest"
)

func open(t *testing.T) (*blob.Dir, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "blobs")
	d, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	return d, root
}

func TestDir(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		d, _ := open(t)
		return d
	})
}

// files lists what lies below root, by path.
func files(t *testing.T, root string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFailedWritesLeaveNothing(t *testing.T) {
	for name, fail := range map[string]func(*blob.Dir){
		"full disk":        func(d *blob.Dir) { d.FailWrites(70_000, syscall.ENOSPC) },
		"full from start":  func(d *blob.Dir) { d.FailWrites(0, syscall.ENOSPC) },
		"failing hardware": func(d *blob.Dir) { d.FailSync(syscall.ENOSPC) },
	} {
		t.Run(name, func(t *testing.T) {
			d, root := open(t)
			fail(d)
			_, _, err := d.Put(context.Background(), bytes.NewReader(make([]byte, 200_000)), 1<<20)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("put: %v, want ENOSPC", err)
			}
			if left := files(t, root); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestUnfinishedFilesAreRemovedAtOpen(t *testing.T) {
	d, root := open(t)
	id, _, err := d.Put(context.Background(), strings.NewReader("whole"), 100)
	if err != nil {
		t.Fatal(err)
	}
	// What a crash in the middle of Put leaves.
	if err := os.WriteFile(filepath.Join(root, "tmp", "put-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d, err = blob.OpenDir(root); err != nil {
		t.Fatal(err)
	}
	if got := files(t, root); len(got) != 1 || filepath.Base(got[0]) != id.String() {
		t.Errorf("after opening again: %v", got)
	}
	f, err := d.Open(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.(*os.File); !ok {
		t.Errorf("an open blob is a %T: net/http cannot use sendfile", f)
	}
}

func TestDamagedBlobIsReplaced(t *testing.T) {
	d, root := open(t)
	id, _, err := d.Put(context.Background(), strings.NewReader("content"), 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files(t, root)[0], 3); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Put(context.Background(), strings.NewReader("content"), 100); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, _ := io.ReadAll(f); string(b) != "content" {
		t.Errorf("got %q", b)
	}
}

func TestWalkPassesOverStrangers(t *testing.T) {
	d, root := open(t)
	for _, name := range []string{"README", strings.Repeat("a", 64)} {
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Walk(context.Background(), func(i blob.Info) error {
		t.Errorf("walk saw %v", i.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestParseID(t *testing.T) {
	good := strings.Repeat("0123456789abcdef", 4)
	if id, err := blob.ParseID(good); err != nil || id.String() != good {
		t.Errorf("ParseID(%q) = %v, %v", good, id, err)
	}
	for _, bad := range []string{"", "ab", good[1:], good + "0", strings.ToUpper(good), "../" + good[3:], good[:63] + "g"} {
		if id, err := blob.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %v", bad, id)
		}
	}
}
