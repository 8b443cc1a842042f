package images_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/services/images"
)

// smallDisk mounts a file system of 2 MiB that ends with the test; false where
// this process may not.
func smallDisk(t *testing.T, dir string) bool {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	switch err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,nr_inodes=300"); {
	case errors.Is(err, syscall.EPERM):
		return false
	case err != nil:
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return true
}

// fill writes until there is no room, and goes on where there is some again.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// whole checks that each file of the cache is what its name says, and that none
// is left of those that could not be written. It returns how many there are.
func (s *site) whole() int {
	s.t.Helper()
	files := s.cached()
	for _, path := range files {
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // it had to leave meanwhile
		}
		if err != nil {
			s.t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if !strings.Contains(filepath.Base(path), "-"+hex.EncodeToString(sum[:12])+".") {
			s.t.Errorf("%s has %d bytes of something else", path, len(data))
		}
	}
	tmp, err := os.ReadDir(filepath.Join(s.env.Dir, "cache", "tmp"))
	if err != nil || len(tmp) > 0 {
		s.t.Errorf("%d files were given up half-way: %v", len(tmp), err)
	}
	return len(files)
}

// ask asks for versions of the picture, all of which have to come, whole.
func (s *site) ask(widths ...int) {
	s.t.Helper()
	for _, w := range widths {
		a := s.get(fmt.Sprintf("/noise.jpg?w=%d&fmt=auto", w), "Accept", "image/webp,*/*")
		if got := a.size(s.t); !strings.HasPrefix(got, fmt.Sprintf("%dx", w)) {
			s.t.Errorf("width %d: %s", w, got)
		}
		if _, _, err := image.Decode(bytes.NewReader(a.body)); err != nil {
			s.t.Errorf("width %d: %v", w, err)
		}
	}
}

var noiseLadder = images.Type{}.Default().Ladder

// A disk that is full costs the cache, never a picture: all is delivered as
// before, nothing is kept by halves, and when there is room it is kept again.
func TestFullDisk(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "small")
	if !smallDisk(t, disk) {
		limitedFiles(t)
		return
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "noise.jpg"), jpegOf(t, photo(2100, 700, 7)))
	// Without a reserve, so that it is the disk that says no.
	const options = "reserve = 0\nmemory_cache = 0"
	dir := filepath.Join(disk, "images")
	s, end := openAt(t, root, dir, options)
	s.ask(noiseLadder[:3]...)
	if s.whole() < 3 {
		t.Fatalf("%v is kept while there is room", s.cached())
	}
	ballast := filepath.Join(disk, "ballast")
	for _, w := range noiseLadder { // what had to leave for the last one is filled up too
		fill(t, ballast)
		s.ask(w, w)
		s.whole()
	}
	fill(t, ballast)
	end()

	s, end = openAt(t, root, dir, options) // it starts on a full disk
	s.ask(noiseLadder...)
	s.whole()
	if a := s.get("/healthz"); a.StatusCode != 200 {
		t.Errorf("health: %s %s", a.Status, a.body)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.ask(noiseLadder...)
	if n := s.whole(); n < len(noiseLadder) {
		t.Errorf("%d of %d versions are kept when there is room", n, len(noiseLadder))
	}
	before := s.metric("disk_hits_total")
	s.ask(noiseLadder...)
	if n := s.metric("disk_hits_total") - before; n < float64(len(noiseLadder)) {
		t.Errorf("%v of %d versions come from the disk", n, len(noiseLadder))
	}

	// There are bytes left, but no room for another file.
	s.update(options + "\ncache_size = 0")
	s.update(options)
	crowd(t, disk)
	s.ask(noiseLadder...)
	if n := s.whole(); n > 0 {
		t.Errorf("%d files more than there is room for", n)
	}
	if logs := strings.Join(s.env.LoudLogs(), ""); !strings.Contains(logs, "no space left") {
		t.Errorf("nobody was told: %s", logs)
	}
	end()
}

// crowd makes empty files until there may be no more.
func crowd(t *testing.T, dir string) {
	t.Helper()
	for i := range 10_000 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint("empty", i)))
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	t.Fatal("there is no end")
}

// limitedFiles is for who may not mount: no file of this process may be larger
// than 50 KB (go test writes some too), a full disk as far as that can tell.
func limitedFiles(t *testing.T) {
	s := serve(t, t.TempDir(), "memory_cache = 0\nwebp = false")
	write(t, filepath.Join(s.root, "noise.jpg"), jpegOf(t, photo(2100, 700, 7)))
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := func(r syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &r); err != nil {
			t.Fatal(err)
		}
	}
	limit(syscall.Rlimit{Cur: 50_000, Max: old.Max})
	defer limit(old)
	s.ask(noiseLadder...)
	if n := s.whole(); n > len(noiseLadder)-3 {
		t.Errorf("%d versions are kept", n)
	}
	limit(old)
	s.ask(noiseLadder...)
	if n := s.whole(); n < len(noiseLadder) {
		t.Errorf("%d of %d versions are kept when there is room", n, len(noiseLadder))
	}
}
