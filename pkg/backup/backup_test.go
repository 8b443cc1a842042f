package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/blob"
)

// Everything that means something comes back, by each of the ways there are.
func TestThereAndBack(t *testing.T) {
	s := newShop(t)
	first, second := s.sell("first"), s.sell(strings.Repeat("second", 100_000))
	elsewhere := t.TempDir()
	for name, text := range map[string]string{
		"secrets/tls-tickets": "secret", "tls/acme/a/cert.pem": "pem", "shop/one/uploads/7": "half", "unknown/x/file": "of another kind", "empty": "",
		// What is not copied:
		"lock": "1", "shop/one/shop.db.lock": "1", "shop/one/cache/a": "made again", "shop/one/blobs/tmp/put-1": "half", "shop/one/shop.db.v0.bak": "old",
		"before-restore-2026/x": "old", "secrets/.a.tmp-1": "half", "shop/one/blobs/ab/cd/none": "no blob",
	} {
		write(t, filepath.Join(s.dir, name), text)
	}
	write(t, filepath.Join(elsewhere, "deep/file"), "on another disk")
	for link, to := range map[string]string{"unknown/linked": elsewhere, "unknown/loop": s.dir, "unknown/broken": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(s.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{
		"VERSION": "-rw------- 1\n", "secrets/tls-tickets": "-rw------- secret", "tls/acme/a/cert.pem": "-rw------- pem", "empty": "-rw------- ",
		"shop/one/uploads/7": "-rw------- half", "unknown/x/file": "-rw------- of another kind", "unknown/linked/deep/file": "-rw------- on another disk",
		"shop/one/shop.db": "-rw------- database", "shop/one/RESTORED": "-rw------- ",
		blobName(first): "-rw------- first", blobName(second): "-rw------- " + strings.Repeat("second", 100_000),
	}
	to := t.TempDir()
	made := map[string]func(name string) (backup.Report, error){
		"a.tar.zst": func(n string) (backup.Report, error) { return backup.ToFile(t.Context(), s.options(), n, false) },
		"a.tar":     func(n string) (backup.Report, error) { return backup.ToFile(t.Context(), s.options(), n, true) },
		"folder":    func(n string) (backup.Report, error) { return backup.ToFolder(t.Context(), s.options(), n, 0) },
		"stream": func(n string) (backup.Report, error) {
			var b bytes.Buffer
			r, err := backup.ToStream(t.Context(), s.options(), &b, t.TempDir())
			return r, errors.Join(err, os.WriteFile(n, b.Bytes(), 0o600))
		},
	}
	for name, make := range made {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(to, name)
			r, err := make(path)
			if err != nil || r.Sound() != nil || r.Files != 10 {
				t.Fatalf("%+v, %v", r, err)
			}
			if name == "folder" {
				path = r.Path
			}
			if c, err := backup.Check(t.Context(), path, nil, known, nil); err != nil || c.Sum != r.Sum {
				t.Fatalf("%+v, %v; made as %s", c, err, r.Sum)
			}
			dir := restore(t, path)
			same(t, dir, want)
			whole(t, dir)
		})
	}
	if names, _ := filepath.Glob(filepath.Join(to, ".*")); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if fi, err := os.Stat(filepath.Join(to, "a.tar.zst")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if _, err := backup.ToFile(t.Context(), s.options(), filepath.Join(to, "a.tar"), false); !errors.Is(err, backup.ErrExists) {
		t.Errorf("a second one under the same name: %v", err)
	}
}

// People can look at a backup without portico.
func TestOtherToolsReadIt(t *testing.T) {
	s := newShop(t)
	s.sell("x")
	dir := t.TempDir()
	if _, err := backup.ToFile(t.Context(), s.options(), filepath.Join(dir, "a.tar"), false); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"tar xf a.tar", "sha256sum --strict --quiet -c SHA256SUMS"} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
}

// While things come and go all the time, each backup is of one moment: every row
// has its bytes, also those that were deleted before their turn came.
func TestAmidChanges(t *testing.T) {
	s := newShop(t)
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	defer writer.Wait()
	defer stop()
	writer.Go(func() {
		var ids []blob.ID
		for i := 0; ctx.Err() == nil; i++ {
			ids = append(ids, s.sell(fmt.Sprint(i, time.Now())))
			if len(ids) > 20 {
				s.drop(ids[0])
				ids = ids[1:]
			}
		}
	})
	to := t.TempDir()
	s.await(20)
	for i := range 5 {
		o := s.options()
		o.Progress = func(what string, _, _ int64) {
			if what == "copying databases" {
				time.Sleep(50 * time.Millisecond) // in which all that the copy has goes
			}
		}
		r, err := backup.ToFile(t.Context(), o, filepath.Join(to, fmt.Sprintf("%d.tar", i)), false)
		if err = errors.Join(err, r.Sound()); err != nil {
			t.Fatal(err)
		}
		if n := whole(t, restore(t, r.Path)); n < 1 || n > 21 {
			t.Errorf("%d blobs", n)
		}
	}
	stop()
	writer.Wait()
	if _, err := s.blobs.Sweep(t.Context(), time.Time{}, nil); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Join(s.dir, "shop/one/blobs/held/*")); len(names) != 0 {
		t.Errorf("still held: %v", names)
	}
}

// A data folder that is not whole any more is backed up all the same, loudly.
func TestDamagedData(t *testing.T) {
	s := newShop(t)
	lost, rotten := s.sell("lost"), s.sell("rotten")
	if err := os.Remove(filepath.Join(s.dir, blobName(lost))); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, blobName(rotten)), "ROTTEN")
	name := filepath.Join(t.TempDir(), "a.tar.zst")
	r, err := backup.ToFile(t.Context(), s.options(), name, false)
	if err != nil || len(r.Missing) != 1 || !strings.HasSuffix(r.Missing[0], lost.String()) || len(r.Damaged) != 1 || !strings.HasSuffix(r.Damaged[0], rotten.String()) {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := r.Sound(); err == nil || !strings.Contains(err.Error(), lost.String()) {
		t.Errorf("it says %v", err)
	}
	restore(t, name)
}

// Whatever ends a backup amid its work, nothing is left, and the next one works.
func TestCutOff(t *testing.T) {
	s := newShop(t)
	s.sell(strings.Repeat("much", 1_000_000))
	for _, phase := range []string{"copying databases", "verifying databases", "writing", "verifying"} {
		for target, make := range map[string]func(ctx context.Context, o *backup.Options, dir string) error{
			"file": func(ctx context.Context, o *backup.Options, dir string) error {
				_, err := backup.ToFile(ctx, o, filepath.Join(dir, "a.tar.zst"), false)
				return err
			},
			"folder": func(ctx context.Context, o *backup.Options, dir string) error {
				_, err := backup.ToFolder(ctx, o, dir, 0)
				return err
			},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			dir, o, why := t.TempDir(), s.options(), errors.New("enough")
			o.Progress = func(what string, _, _ int64) {
				if what == phase {
					cancel(why)
				}
			}
			if err := make(ctx, o, dir); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s, %s: %v", phase, target, err)
			}
			empty(t, dir)
		}
	}
	if _, err := backup.ToFile(t.Context(), s.options(), filepath.Join(t.TempDir(), "a.tar"), false); err != nil {
		t.Error(err)
	}
}

// What a killed backup leaves goes with the next one; what is at work stays.
func TestClutterGoes(t *testing.T) {
	s := newShop(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".portico-work-1", "database-0"), "half")
	if _, err := backup.ToFile(t.Context(), s.options(), filepath.Join(dir, "a.tar"), false); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// Who clears up leaves alone what another one is only about to begin.
func TestClearingLeavesOthersAlone(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if err := backup.Work(dir); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	empty(t, dir)
}

func TestNoDataFolder(t *testing.T) {
	dir := t.TempDir()
	o := &backup.Options{Known: known, Dir: dir}
	if _, err := backup.ToFile(t.Context(), o, filepath.Join(t.TempDir(), "a.tar"), false); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("no data folder: %v", err)
	}
	write(t, filepath.Join(dir, "VERSION"), "9")
	if _, err := backup.ToFile(t.Context(), o, filepath.Join(t.TempDir(), "a.tar"), false); err == nil || !strings.Contains(err.Error(), "layout 9, this one knows 1") {
		t.Errorf("a newer one: %v", err)
	}
}

func TestOneBackupAtATime(t *testing.T) {
	s := newShop(t)
	h, err := blob.NewHold(filepath.Join(s.dir, "shop/one/blobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if _, err := backup.ToFile(t.Context(), s.options(), filepath.Join(t.TempDir(), "a.tar"), false); err == nil || !strings.Contains(err.Error(), "another backup") {
		t.Errorf("a second backup: %v", err)
	}
}

// A pipe that nobody reads, or writes, keeps nobody: what waits for it ends when
// it is told to.
func TestStuckPipe(t *testing.T) {
	s := newShop(t)
	s.sell("x")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()                         // lets the writer that is stuck go
	for failed := 0; failed < 5; failed++ { // until it is full; once, the time may be up before it is tried
		if err := w.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 4096)); err == nil {
			failed = -1
		}
	}
	if err := w.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := backup.ToStream(ctx, s.options(), w, temp); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("to a pipe that is full: %v", err)
	}
	empty(t, temp)
	silent, quiet, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	defer silent.Close()
	if _, err := backup.Check(ctx, "", silent, known, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("from a pipe that is empty: %v", err)
	}
}

// A full disk is said as such.
func TestFullStream(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Logf("there is no /dev/full here: %v", err)
		return
	}
	defer full.Close()
	s, temp := newShop(t), t.TempDir()
	if _, err := backup.ToStream(t.Context(), s.options(), full, temp); err == nil || !strings.Contains(err.Error(), "no room for the backup") {
		t.Errorf("%v", err)
	}
	empty(t, temp)
}
