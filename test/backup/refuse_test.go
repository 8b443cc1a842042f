package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// newer makes a database say that a newer program wrote it: the number of its
// schema is in bytes 60 to 63, see SQLite's "Database File Format", 1.3.
func newer(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{0, 0, 0, 99}, 60)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// started is a daemon with its data, which has been stopped.
func started(t *testing.T) *testkit.Daemon {
	t.Helper()
	d := testkit.StartBinary(t, program.Shipped(t), config)
	signUp(t, d.URL("chat"), d.URL("photos"), "ann")
	if status := d.Stop(); status != 0 {
		t.Fatalf("it stopped with status %d", status)
	}
	return d
}

// fails starts the program, which has to end by itself with status 1.
func fails(t *testing.T, d *testkit.Daemon, says ...string) {
	t.Helper()
	status, out, errs := run(t, d.Dir, nil, "run")
	if status != 1 {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	for _, s := range says {
		if !strings.Contains(errs, s) {
			t.Errorf("it does not say %q: %s", s, errs)
		}
	}
}

// Data of a newer program is refused at start by each store, and by a restore,
// with what was found, what is known, and what to do.
func TestNewerData(t *testing.T) {
	d := started(t)
	for _, db := range []string{"accounts/accounts.db", "chat/talk/chat.db", "photos/snaps/photos.db"} {
		path := filepath.Join(d.Dir, "data", db)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		newer(t, path)
		fails(t, d, path, "written by a newer version", "its schema is number 99", "this program knows up to", "run the newer program")
		name := filepath.Join(t.TempDir(), "newer.tar")
		must(t, d.Dir, "backup", name) // of newer data too
		to := filepath.Join(t.TempDir(), "data")
		status, _, errs := run(t, d.Dir, nil, "restore", name, "--data-dir", to)
		if status != 1 || !strings.Contains(errs, fmt.Sprintf("the schema of %s is number 99", db)) || !strings.Contains(errs, "restore it with that one") {
			t.Errorf("restore: status %d: %s", status, errs)
		}
		if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("there is something: %v", err)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	version := filepath.Join(d.Dir, "data/VERSION")
	if err := os.WriteFile(version, []byte("7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, d, "written by a newer portico (layout 7, this one knows 1)", "run that one, or restore a backup")
	if err := os.WriteFile(version, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Dir, "data/RESTORING"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fails(t, d, "a restore was cut off", "portico restore --force")
}

// A restore leaves a running daemon alone.
func TestRestoreBesideADaemon(t *testing.T) {
	d := testkit.StartBinary(t, program.Shipped(t), config)
	name := filepath.Join(t.TempDir(), "a.tar.zst")
	must(t, d.Dir, "backup", name)
	status, _, errs := run(t, d.Dir, nil, "restore", "--force", name)
	if status != 1 || !strings.Contains(errs, "a portico runs on") || !strings.Contains(errs, "stop it first") {
		t.Errorf("status %d: %s", status, errs)
	}
	if _, err := d.Admin.Status(t.Context()); err != nil {
		t.Errorf("the daemon: %v", err)
	}
	// And without one all is as usual; the folder from before is kept.
	d.Stop()
	if out := must(t, d.Dir, "restore", "--force", name); !strings.Contains(out, "data.before-restore-") {
		t.Errorf("it says %s", out)
	}
	testkit.RestartBinary(t, d, program.Shipped(t)).Stop()
}

// The config file is broken at start: the last good one runs, loudly; also after
// a restore, which brings the copy along.
func TestLastGoodAfterRestore(t *testing.T) {
	d := started(t)
	name := filepath.Join(t.TempDir(), "a.tar.zst")
	must(t, d.Dir, "backup", name)
	must(t, d.Dir, "restore", "--force", name)
	d.Write("config.hcl", config+"\nlistener \"broken\" {")
	cmd := exec.CommandContext(t.Context(), program.Shipped(t), "run", d.File())
	var log bytes.Buffer
	cmd.Dir, cmd.Stderr, cmd.Stdout = d.Dir, &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.Eventually("the daemon runs, degraded", func() bool {
		s, err := d.Admin.Status(context.Background())
		return err == nil && !s.Ready && strings.Contains(s.Degraded, "the last good copy of it runs") && len(s.Listeners) == 2
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "THE CONFIG FILE HAS MISTAKES") {
		t.Errorf("it is not loud: %s", log.String())
	}
}

// Ctrl-C amid a backup to somebody who does not read leaves nothing, soon.
func TestInterrupted(t *testing.T) {
	d := started(t)
	noise := make([]byte, 4<<20)
	rand.Read(noise)
	if err := os.WriteFile(filepath.Join(d.Dir, "data", "large"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.CommandContext(t.Context(), program.Shipped(t), "backup", "-", "--temp", temp)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.Dir, w, &errs
	if err := errors.Join(cmd.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Fatal("it does not end")
	}
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(errs.String(), "interrupted; nothing is left of it") {
		t.Errorf("status %d: %s", code, errs.String())
	}
	if entries, err := os.ReadDir(temp); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	// A reader who goes away is an error like others.
	cmd = exec.CommandContext(t.Context(), "sh", "-c", `"$0" backup - --temp "$1" | head -c 10 >/dev/null`, program.Shipped(t), temp)
	errs.Reset()
	cmd.Dir, cmd.Stderr = d.Dir, &errs
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(temp); err != nil || len(entries) != 0 || !strings.Contains(errs.String(), "broken pipe") {
		t.Errorf("left: %v, %v: %s", entries, err, errs.String())
	}
}
