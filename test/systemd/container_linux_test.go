package systemd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bookworm is the Debian of most trials; its systemd is 252.
const bookworm = "bookworm"

// packages are in the container beside Debian's smallest set. There is no D-Bus:
// systemctl talks to systemd itself.
const packages = "systemd,systemd-sysv,rpm"

// rootFolder is a system of a Debian to boot, made once and kept in the user's cache.
func rootFolder(t *testing.T, suite string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	mirror := aptMirror(t)
	sum := sha256.Sum256([]byte(suite + " " + packages + " " + mirror))
	root := filepath.Join(cache, "portico-test", fmt.Sprintf("%s-%x", suite, sum[:4]))
	unlock := lock(t, root+".lock")
	defer unlock()
	if _, err := os.Stat(root); err == nil {
		return root
	}
	building := root + ".new"
	if err := os.RemoveAll(building); err != nil {
		t.Fatal(err)
	}
	t.Logf("making a Debian system in %s, once", root)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	args := []string{"--variant=minbase", "--include=" + packages, suite, building}
	if mirror != "" {
		args = append(args, mirror)
	}
	out, err := exec.CommandContext(ctx, "debootstrap", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, tail(out, 30))
	}
	// The journal stays in memory, packages that were fetched are of no use.
	for _, dir := range []string{"var/log/journal", "var/cache/apt"} {
		if err := os.RemoveAll(filepath.Join(building, dir)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(building, root); err != nil {
		t.Fatal(err)
	}
	return root
}

// lock keeps two runs from making the same folder.
func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// aptMirror is where apt gets this machine's Debian from, which has the others
// too; empty where that cannot be told, and debootstrap knows a place itself.
func aptMirror(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return ""
	}
	for l := range strings.Lines(string(out)) {
		if site, ok := strings.CutSuffix(strings.TrimSpace(l), " "+bookworm+" main"); ok {
			return site
		}
	}
	return ""
}

// A container is a Debian under its own systemd, with a folder that it shares
// with the test.
type container struct {
	shared string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	done   chan error
	out    bytes.Buffer // read it after done
}

// driver is the unit that runs this test's own binary in the container.
const driver = `[Unit]
Description=the test's side in the container
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/shared/drive
ExecStopPost=/usr/bin/systemctl --no-block poweroff
Environment=` + insideVar + `=/shared
StandardOutput=file:/shared/drive.out
StandardError=inherit
TimeoutStartSec=infinity
`

// boot starts a container over root, which it does not change. Everything that
// it needs lies in shared already.
func boot(t *testing.T, root, shared string) *container {
	t.Helper()
	unit := filepath.Join(shared, "portico-test.service")
	if err := os.WriteFile(unit, []byte(driver), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &container{shared: shared, cancel: cancel, done: make(chan error, 1)}
	c.cmd = exec.CommandContext(ctx, "systemd-nspawn", "--quiet", "--boot", "--directory="+root, "--volatile=overlay",
		"--machine=portico-test-"+fmt.Sprint(os.Getpid()),
		"--register=no", "--keep-unit", "--private-network", "--console=pipe",
		"--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
		"--bind="+shared+":/shared", "--bind-ro="+unit+":/etc/systemd/system/portico-test.service",
		"systemd.wants=portico-test.service",
		"SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1") // 256 and newer do not like version 1
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	// Asked to end, nspawn shuts the container down in order.
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	// It must not outlive a test that is killed.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	c.cmd.WaitDelay = 30 * time.Second
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	t.Cleanup(cancel)
	return c
}

// wait waits until the container has powered itself off.
func (c *container) wait(t *testing.T, limit time.Duration) {
	t.Helper()
	select {
	case err := <-c.done:
		if err != nil {
			t.Errorf("systemd-nspawn: %v\n%s", err, tail(c.out.Bytes(), 30))
		}
	case <-time.After(limit):
		c.cancel()
		<-c.done
		t.Errorf("the container did not end within %v\n%s", limit, tail(c.out.Bytes(), 30))
	}
}

// read returns a file that the container wrote; empty, if it did not.
func (c *container) read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.shared, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	return b
}

func tail(b []byte, lines int) string {
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
