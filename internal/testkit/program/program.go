// Package program makes the program for tests that run it as a process, once for
// all of them. It starts nothing.
package program

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	shipped = sync.OnceValues(func() (string, error) { return build("shipped", "CGO_ENABLED=0") })
	racing  = sync.OnceValues(func() (string, error) { return build("race", "CGO_ENABLED=1", "-race") })
)

// Shipped is the path of the program as it is shipped: static, and without what
// the race detector takes. It stays there as long as this process.
func Shipped(t testing.TB) string {
	t.Helper()
	return must(t, shipped)
}

// Racing is that of the program with the race detector.
func Racing(t testing.TB) string {
	t.Helper()
	return must(t, racing)
}

// Versioned is that of the program as it is shipped, with a version of its own.
func Versioned(t testing.TB, version string) string {
	t.Helper()
	return must(t, func() (string, error) {
		return build("version-"+version, "CGO_ENABLED=0", "-ldflags=-X github.com/porticod/portico/pkg/cli.Version="+version)
	})
}

func must(t testing.TB, made func() (string, error)) string {
	t.Helper()
	path, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// build makes the program of this tree in a folder that the tests of all packages
// share, one at a time: where the code is as it was, go build finds that there is
// nothing to do. The path is a name of this process for it, since another process
// may make the next one meanwhile.
func build(variant, env string, flags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	tree, err := goTool(ctx, env, "list", "-m", "-f={{.Dir}}")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the program: %w", err)
	}
	dir := filepath.Join(cache, "portico-test", fmt.Sprintf("%x", sha256.Sum256([]byte(tree)))[:12], variant)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the program: %w", err)
	}
	unlock, err := lockSoon(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	bin := filepath.Join(dir, "portico")
	args := append([]string{"build", "-tags=nodynamic", "-o", bin}, flags...)
	if _, err := goTool(ctx, env, append(args, "github.com/porticod/portico/cmd/portico")...); err != nil {
		return "", err
	}
	sweep(dir)
	own, err := os.MkdirTemp(dir, ownPrefix)
	if err != nil {
		return "", fmt.Errorf("make a folder for the program: %w", err)
	}
	if _, err := lock(own); err != nil { // until this process ends
		return "", fmt.Errorf("lock %s: %w", own, err)
	}
	path := filepath.Join(own, "portico")
	return path, os.Link(bin, path)
}

// ownPrefix begins the names of the folders of single processes.
const ownPrefix = "of-a-process-"

// sweep removes the folders of processes that have ended.
func sweep(dir string) {
	old, _ := filepath.Glob(filepath.Join(dir, ownPrefix+"*"))
	for _, path := range old {
		if unlock, err := lock(path); err == nil {
			_ = os.RemoveAll(path)
			unlock()
		}
	}
}

// goTool runs the go command and returns what it prints.
func goTool(ctx context.Context, env string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), env)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd.Args, err, &errs)
	}
	return strings.TrimSpace(out.String()), nil
}

// lock takes the lock of a folder, which goes with the process at the latest.
func lock(dir string) (unlock func(), err error) {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return func() { _ = syscall.Close(fd) }, nil
}

// lockSoon waits for the lock of a folder.
func lockSoon(ctx context.Context, dir string) (unlock func(), err error) {
	for {
		if unlock, err = lock(dir); err == nil {
			return unlock, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
