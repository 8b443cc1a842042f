package backup_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/porticod/portico/pkg/backup"
)

// What was written is read back from the disk, not from memory: when the first
// bytes of a large file have been read, the others are not in memory.
func TestReadBackFromDisk(t *testing.T) {
	s := newShop(t)
	noise := make([]byte, 32<<20)
	rand.Read(noise)
	s.sell(string(noise))
	for target, c := range map[string]struct {
		file string // where the bytes are meanwhile
		make func(ctx context.Context, o *backup.Options, dir string) error
	}{
		"file": {"archive", func(ctx context.Context, o *backup.Options, dir string) error {
			_, err := backup.ToFile(ctx, o, filepath.Join(dir, "a.tar"), false)
			return err
		}},
		"folder": {"new/data/shop/one/blobs/*/*/*", func(ctx context.Context, o *backup.Options, dir string) error {
			_, err := backup.ToFolder(ctx, o, dir, 0)
			return err
		}},
	} {
		dir, o, share, enough := t.TempDir(), s.options(), -1, errors.New("seen enough")
		if !onDisk(t, dir) {
			t.Logf("%s is in memory", dir)
			return
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		o.Progress = func(what string, done, _ int64) {
			if what != "verifying" || done < 16<<10 || share >= 0 { // the first is the database or the blob
				return
			}
			names, err := filepath.Glob(filepath.Join(dir, ".portico-work-*", c.file))
			if err != nil || len(names) != 1 {
				t.Errorf("%s: %v, %v", target, names, err)
				return
			}
			if share = inMemory(t, names[0]); share > 50 {
				t.Errorf("%s: %d %% are in memory when reading back begins", target, share)
			}
			cancel(enough)
		}
		if err := c.make(ctx, o, dir); !errors.Is(err, enough) {
			t.Errorf("%s: %v", target, err)
		}
		cancel(nil)
	}
}

// onDisk is false for tmpfs.
func onDisk(t *testing.T, dir string) bool {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Type != 0x01021994
}

// inMemory is how much of a file the kernel has in memory, in percent.
func inMemory(t *testing.T, name string) int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(fi.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(b) }()
	pages := make([]byte, (len(b)+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, errno := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		t.Fatal(errno)
	}
	n := 0
	for _, p := range pages {
		n += int(p & 1)
	}
	return n * 100 / len(pages)
}
