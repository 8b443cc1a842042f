// Package systemd tries portico as a service of a real systemd, in a container
// with a Debian of its own. It needs root, debootstrap and systemd-container,
// which test/setup installs.
package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// insideVar names the shared folder, in the container only.
const insideVar = "PORTICO_TEST_INSIDE"

// longVar makes the test as long as it is meant to be before a release.
const longVar = "PORTICO_TEST_LONG"

func TestMain(m *testing.M) {
	if dir := os.Getenv(insideVar); dir != "" {
		drive(dir)
		return
	}
	var err error
	if handoverDir, err = os.MkdirTemp("", "portico-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(handoverDir)
	os.Exit(status)
}

func plan() (p Plan, limit time.Duration) {
	if os.Getenv(longVar) != "" {
		return Plan{Reloads: 50, Restarts: 20, Kills: 20, Upgrades: 5, Users: 50, Devices: 10, Slow: 2 * time.Second, CrowdUsers: 100, CrowdDevices: 50}, 20 * time.Minute
	}
	return Plan{Reloads: 5, Restarts: 3, Kills: 3, Upgrades: 1, Users: 6, Devices: 3, Slow: 2 * time.Second}, 3 * time.Minute
}

// TestNothingRefusedNothingLost reloads, restarts, kills and upgrades portico
// under a load of requests and of people who chat.
func TestNothingRefusedNothingLost(t *testing.T) {
	needRoot(t)
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	p, limit := plan()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shared, "plan.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	build(t, shared)
	c := boot(t, rootFolder(t), shared)
	c.wait(t, limit)
	var r Report
	if err := json.Unmarshal(c.read(t, "report.json"), &r); err != nil {
		t.Fatalf("no report: %v\n%s\n%s\n%s", err, tail(c.read(t, "drive.out"), 30), tail(c.read(t, "journal"), 30), tail(c.out.Bytes(), 30))
	}
	check(t, p, r)
	if t.Failed() {
		t.Logf("portico's journal ends with\n%s", tail(c.read(t, "journal"), 60))
	}
}

// needRoot skips without root, but not where everything has to be tried.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("this test boots a container and has to be run as root")
	default:
		t.Skip("this test boots a container: run it as root")
	}
	for _, tool := range []string{"debootstrap", "systemd-nspawn"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; test/setup installs it", err)
		}
	}
}

// check compares what happened with what was promised.
func check(t *testing.T, p Plan, r Report) {
	t.Helper()
	if r.Error != "" {
		t.Errorf("the container could not go on: %s", r.Error)
	}
	if e, err := strconv.ParseFloat(r.Exposure, 64); err != nil || e > 1.5 {
		t.Errorf("the unit's exposure is %q, want at most 1.5", r.Exposure)
	}
	t.Logf("exposure %s; %d WebSockets; %d messages acknowledged, %d lost", r.Exposure, p.Users*p.Devices, r.Acked, r.Lost)
	if r.Error == "" && (r.Acked == 0 || len(r.Phases) < 4) {
		t.Errorf("%d messages in %d phases: that tries nothing", r.Acked, len(r.Phases))
	}
	if r.Lost > 0 || len(r.Faults) > 0 {
		t.Errorf("%d messages lost: %q", r.Lost, r.Faults)
	}
	for _, ph := range r.Phases {
		checkPhase(t, p, ph)
	}
}

func checkPhase(t *testing.T, p Plan, ph Phase) {
	t.Helper()
	t.Logf("%s x %d, the longest took %v, all WebSockets back after %v", ph.Name, ph.Times, ph.Took.Round(time.Millisecond), ph.Back.Round(time.Millisecond))
	if n := len(ph.Stalls); n > 0 {
		t.Logf("    the longest that a new request took each time: p50 %v, max %v", ph.Stalls[n/2].Round(time.Millisecond), ph.Stalls[n-1].Round(time.Millisecond))
	}
	t.Logf("    new connections: %v", ph.Fresh)
	t.Logf("    kept connections: %v", ph.Kept)
	t.Logf("    requests in progress: %v", ph.Slow)
	t.Logf("    WebSockets: %d cut, %d attempts failed; %d messages, longest until acknowledged %v", ph.Chat.Cut, ph.Chat.Failed, ph.Chat.Acked, ph.Chat.Longest.Round(time.Millisecond))
	if n := ph.Fresh.Refused + ph.Kept.Refused + ph.Slow.Refused; n > 0 {
		t.Errorf("%s: %d connections were refused: %q %q %q", ph.Name, n, ph.Fresh.Errors, ph.Kept.Errors, ph.Slow.Errors)
	}
	// Without a warning what is in progress is lost: at most one request of each
	// client, each time.
	allowed := 0
	if ph.Name == "kill -9" {
		allowed = (clients + 1) * ph.Times
	}
	if n := ph.Fresh.Failed + ph.Kept.Failed + ph.Slow.Failed; n > allowed {
		t.Errorf("%s: %d requests failed, want at most %d: %q %q %q", ph.Name, n, allowed, ph.Fresh.Errors, ph.Kept.Errors, ph.Slow.Errors)
	}
	// New requests wait for the next process to start (0.1 s on a machine that has
	// nothing else to do), never for the slow one of the last.
	if ph.Name != "kill -9" && max(ph.Fresh.Longest, ph.Kept.Longest) > p.Slow {
		t.Errorf("%s: a new request took %v, while one of %v was in progress", ph.Name, max(ph.Fresh.Longest, ph.Kept.Longest), p.Slow)
	}
	if ph.Name != "kill -9" && ph.Chat.Cut+ph.Chat.Failed > 0 {
		t.Errorf("%s: %d WebSockets were cut, %d attempts to connect failed", ph.Name, ph.Chat.Cut, ph.Chat.Failed)
	}
	if ph.Fresh.Requests < 50*ph.Times || ph.Kept.Requests < 50*ph.Times || ph.Slow.Requests == 0 {
		t.Errorf("%s: hardly any load: %v; %v; %v", ph.Name, ph.Fresh, ph.Kept, ph.Slow)
	}
	if ph.Stored != sockets {
		t.Errorf("%s: systemd keeps %d sockets, want %d", ph.Name, ph.Stored, sockets)
	}
}

// build puts two builds of the package, and this test as a static program, into
// dir.
func build(t *testing.T, dir string) {
	t.Helper()
	look(t)
	env := append(buildEnv(), "FORMATS=deb")
	do(t, env, "go", "test", "-c", "-o", filepath.Join(dir, "drive"), ".")
	for _, name := range []string{"a", "b"} {
		do(t, append(env, "VERSION=1.0."+name), "../../packaging/build", dir)
	}
}

func buildEnv() []string { return append(os.Environ(), "CGO_ENABLED=0") }

// look looks at everything that the packages are made of: go test remembers that
// and does not take an old result for one of the present tree.
func look(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"cmd", "pkg", "services", "systemd", "packaging"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // somebody may be editing
			t.Fatal(err)
		}
	}
}

func do(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, tail(out, 30))
	}
}
