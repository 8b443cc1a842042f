// Package systemd tries portico as a service of a real systemd, in a container
// with a Debian of its own. It needs root, debootstrap and systemd-container,
// which test/setup installs.
package systemd

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// insideVar names the shared folder, in the container only.
const insideVar = "PORTICO_TEST_INSIDE"

// longVar makes the test as long as it is meant to be before a release.
const longVar = "PORTICO_TEST_LONG"

var page = flag.String("page", "", "a file to write the table of the long form into")

func TestMain(m *testing.M) {
	if os.Getenv(bareVar) != "" {
		bare()
		return
	}
	if dir := os.Getenv(insideVar); dir != "" {
		drive(dir)
		return
	}
	os.Exit(m.Run())
}

// A trial is what happens under one Debian.
type trial struct {
	suite string
	plan  Plan
	limit time.Duration
}

var (
	shortPlan = Plan{
		Reloads: 5, Restarts: 3, Kills: 3, Upgrades: 1, Often: 7,
		Users: 6, Devices: 3, Secure: 1, Spread: time.Second, Pace: 100 * time.Millisecond, Rest: 400 * time.Millisecond, Slow: time.Second,
	}
	longPlan = Plan{
		Reloads: 50, Restarts: 20, Kills: 20, Upgrades: 5, Often: 20,
		Users: 50, Devices: 10, Secure: 2, Spread: 5 * time.Second, Pace: 250 * time.Millisecond, Rest: 400 * time.Millisecond, Slow: 2 * time.Second,
		CrowdUsers: 100, CrowdDevices: 50, CrowdSecure: 2,
	}
)

// trials are the short form, or the long one, and the short one under the oldest
// systemd that will do, 247, and the present Debian's, 257.
func trials() []trial {
	if os.Getenv(longVar) == "" {
		return []trial{{bookworm, shortPlan, 5 * time.Minute}}
	}
	return []trial{{bookworm, longPlan, 40 * time.Minute}, {"bullseye", shortPlan, 5 * time.Minute}, {"trixie", shortPlan, 5 * time.Minute}}
}

// TestNothingRefusedNothingLost reloads, restarts, kills and upgrades portico
// under a load of requests, of people who chat and of uploads.
func TestNothingRefusedNothingLost(t *testing.T) {
	needRoot(t)
	load, shared := loadOfOthers(t), t.TempDir()
	build(t, shared)
	for _, tr := range trials() {
		t.Run(tr.suite, func(t *testing.T) {
			r := tr.run(t, shared)
			check(t, tr.plan, r)
			if tr.plan.CrowdUsers > 0 && *page != "" {
				writeTable(t, r, load)
			}
		})
	}
}

// run boots a Debian and returns what the container has to say.
func (tr trial) run(t *testing.T, builds string) (r Report) {
	t.Helper()
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(shared, os.DirFS(builds)); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(tr.plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shared, "plan.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	root := rootFolder(t, tr.suite)
	// One container at a time: without a systemd outside, two share their control
	// groups, and the systemd of one disturbs the services of the other.
	t.Cleanup(lock(t, filepath.Join(filepath.Dir(root), "container.lock")))
	c := boot(t, root, shared)
	c.wait(t, tr.limit)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("portico's journal ends with\n%s", tail(c.read(t, "journal"), 60))
		}
	})
	if err := json.Unmarshal(c.read(t, "report.json"), &r); err != nil {
		t.Fatalf("no report: %v\n%s\n%s", err, tail(c.read(t, "drive.out"), 30), tail(c.out.Bytes(), 30))
	}
	return r
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

// build puts two builds of the package, and this test as a static program, into
// dir.
func build(t *testing.T, dir string) {
	t.Helper()
	look(t)
	env := append(buildEnv(), "FORMATS=deb rpm")
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
