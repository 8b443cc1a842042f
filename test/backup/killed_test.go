package backup

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// killedAmid starts the program and kills it when something of its work is there
// to be seen. Where it was faster undo undoes what it did, and it is tried again.
func killedAmid(t *testing.T, dir, pattern string, undo func(), args ...string) {
	t.Helper()
	for range 20 {
		if killed(t, dir, pattern, args...) {
			return
		}
		undo()
	}
	t.Fatalf("%v is faster than each kill, or fails", args)
}

// killed reports whether the program was killed amid its work, and did not end before.
func killed(t *testing.T, dir, pattern string, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program.Shipped(t), args...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	for deadline := time.Now().Add(patience); ; {
		if names, _ := filepath.Glob(pattern); len(names) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v never made %s", args, pattern)
		}
		select {
		case <-done:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	_ = cmd.Process.Kill() // it may have ended just now
	<-done
	return !cmd.ProcessState.Exited()
}

// SIGKILL amid a backup or a restore harms neither the daemon nor what is there,
// and the next one works and clears up.
func TestKilled(t *testing.T) {
	d := testkit.StartBinary(t, program.Shipped(t), config)
	u := signUp(t, d.URL("chat"), d.URL("photos"), "ann")
	noise := make([]byte, 48<<20)
	rand.Read(noise)
	if err := os.WriteFile(filepath.Join(d.Dir, "data", "large"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	name := filepath.Join(to, "a.tar.zst")
	killedAmid(t, d.Dir, filepath.Join(to, ".portico-work-*", "archive"), func() { _ = os.Remove(name) }, "backup", name)
	if _, err := os.Stat(name); err == nil {
		t.Fatal("half a backup has the name of a whole one")
	}
	if err := u.ask(u.chat, "GET", d.URL("chat")+"/v1/me", "", nil, nil); err != nil {
		t.Errorf("the daemon: %v", err)
	}
	must(t, d.Dir, "backup", name)
	if entries, err := os.ReadDir(to); err != nil || len(entries) != 1 {
		t.Errorf("there is %v, %v", entries, err)
	}
	if status := d.Stop(); status != 0 {
		t.Errorf("the daemon ended with status %d", status)
	}

	killedAmid(t, d.Dir, filepath.Join(d.Dir, ".portico-work-*", "data", "large"), func() {}, "restore", "--force", name)
	d = testkit.RestartBinary(t, d, program.Shipped(t)) // on what was there
	if err := u.ask(u.chat, "GET", d.URL("chat")+"/v1/me", "", nil, nil); err != nil {
		t.Errorf("after a restore that was killed: %v", err)
	}
	d.Stop()
	must(t, d.Dir, "restore", "--force", name)
	if names, _ := filepath.Glob(filepath.Join(d.Dir, ".portico-work-*")); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
	d = testkit.RestartBinary(t, d, program.Shipped(t))
	if err := u.ask(u.chat, "GET", d.URL("chat")+"/v1/me", "", nil, nil); err != nil {
		t.Errorf("after the restore: %v", err)
	}
}
