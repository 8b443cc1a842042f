package durable_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/porticod/portico/pkg/durable"
)

const childEnv = "PORTICO_DURABLE_CHILD"

// TestMain lets the test binary be its own child, with limits or a lease that
// should not be those of the tests.
func TestMain(m *testing.M) {
	role, path, _ := strings.Cut(os.Getenv(childEnv), ":")
	var err error
	switch role {
	case "":
		os.Exit(m.Run())
	case "limit":
		err = writeBeyondTheLimit(path)
	case "lease":
		if _, err = durable.Acquire(path); err == nil {
			fmt.Println("got it")
			_, err = io.Copy(io.Discard, os.Stdin)
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role+":"+path)
	return cmd
}

// only checks that dir holds the one file with that content.
func only(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("%q, %v; want %q", got, err, content)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, content := range []string{"one", "", "three"} {
		if err := durable.WriteFile(path, 0o640, []byte(content)); err != nil {
			t.Fatal(err)
		}
		only(t, path, content)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if err := durable.WriteFile(filepath.Join(path, "x"), 0o600, nil); err == nil {
		t.Fatal("no error for a folder that is a file")
	}
}

func TestWriteFileRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := durable.WriteFile("f", 0o600, []byte("x")); err != nil {
		t.Fatal(err)
	}
	only(t, "f", "x")
}

// Whatever goes wrong before the rename leaves the old file and no other.
func TestWriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.WriteFile(path, 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := durable.Write(path, 0o600, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	only(t, path, "old")

	// A folder cannot be replaced by a file: the rename fails.
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(dir, 0o600, nil); err == nil {
		t.Fatal("no error for a folder in the way")
	}
	if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) != 1 {
		t.Fatalf("left behind: %v", entries)
	}
}

// A disk that takes no more, in a child because the limit is a process's.
func TestWriteWithoutRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.WriteFile(path, 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, "limit", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	only(t, path, "old")
}

func writeBeyondTheLimit(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = 4096
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := durable.WriteFile(path, 0o600, make([]byte, 10_000)); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("write beyond the limit: %w", err)
	}
	return nil
}

func TestMkdirAll(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "a", "b", "c")
	for range 2 {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "a")); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "x")} {
		if err := durable.MkdirAll(dir, 0o700); err == nil {
			t.Errorf("no error for %s", dir)
		}
	}
	t.Chdir(root)
	if err := durable.MkdirAll("rel/x", 0o700); err != nil {
		t.Error(err)
	}
}

func TestSync(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(durable.WriteFile(filepath.Join(dir, "f"), 0o600, nil), durable.Sync(filepath.Join(dir, "f")), durable.SyncDir(dir)); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	if err := durable.Sync(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync: %v", err)
	}
	if err := durable.SyncDir(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync folder: %v", err)
	}
}

func TestLease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := durable.Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = durable.Acquire(path)
	if want := path + " is in use by another part of this process"; !errors.Is(err, durable.ErrLeased) || err.Error() != want {
		t.Fatalf("error %v, want %s", err, want)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}

	cmd := child(t, "lease", path)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, err = durable.Acquire(path)
	if want := fmt.Sprintf("%s is in use by process %d", path, cmd.Process.Pid); !errors.Is(err, durable.ErrLeased) || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("error %v, want %s", err, want)
	}
	// It ends with the process, however that ends.
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if l, err = durable.Acquire(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}
