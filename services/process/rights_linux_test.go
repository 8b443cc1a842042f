package process_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/servicetest"
)

// enough are the rights that running programs of other users takes, and nothing
// else.
var enough = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL}

// as is this test, once more, as a portico of the user nobody that systemd gave
// some rights. It runs the test named.
func as(t *testing.T, test string, rights ...uintptr) *exec.Cmd {
	t.Helper()
	who, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	dir := t.TempDir()
	for d := dir; d != filepath.Clean(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // others run what is in it
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "test") // where go test puts it only root can enter
	if err := os.Link(os.Args[0], bin); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "-test.run=^"+test+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1", holder+"=daemon")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, AmbientCaps: rights}
	return cmd
}

const inside = "PROCESS_TEST_INSIDE"

// root reports whether other users can be tried; else a program of another user
// must be refused.
func root(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	refusesOtherUsers(t, "CAP_SETUID, CAP_SETGID, CAP_KILL and cannot start a program as root")
	return false
}

func TestUserByCapabilities(t *testing.T) {
	if os.Getenv(inside) != "" {
		livesAsDaemon(t)
		return
	}
	if !root(t) {
		return
	}
	if out, err := as(t, t.Name(), enough...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// livesAsDaemon takes a program of the user daemon through its life.
func livesAsDaemon(t *testing.T) {
	for _, pass := range []string{"port", "fd"} {
		option := fmt.Sprintf("user = \"daemon\"\nstop_timeout = \"5s\"\npass = %q", pass)
		r := start(t, "http", option, "WORD", "one")
		status := r.get("/status")
		for _, want := range []string{"Uid:\t1\t1\t1\t1\n", "Gid:\t1\t1\t1\t1\n", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000"} {
			if !strings.Contains(status, want) {
				t.Errorf("pass = %s: there is no %q in\n%s", pass, want, status)
			}
		}
		// It hears its signal.
		pid := r.pid()
		r.update("http", option, "WORD", "two")
		wait.Until(r.t, "the new one serves", func() bool { return r.get("/") == "two" })
		wait.Until(r.t, "the old one ended", func() bool { return !running(pid) })
		r.logged(`"message":"signal terminated"`)
	}
	// One that hears nothing is killed, with all that it started.
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o777); err != nil { //nolint:gosec // daemon writes there
			t.Fatal(err)
		}
	}
	option := "user = \"daemon\"\nstop_signal = \"SIGUSR1\"\nstop_timeout = \"50ms\"\n"
	r := start(t, "family", option, "PIDFILE", filepath.Join(dir, "pid"))
	pid := r.pid()
	b, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	child, _ := strconv.Atoi(string(b))
	r.update("http", "user = \"daemon\"\ndrain = \"50ms\"", "WORD", "new")
	wait.Until(r.t, "it and what it started ended", func() bool { return !running(pid) && !running(child) })
	// Programs of portico's own user inherit no right either.
	r = start(t, "http", "")
	if status := r.get("/status"); !strings.Contains(status, "CapPrm:\t0000000000000000") || !strings.Contains(status, "CapAmb:\t0000000000000000") {
		t.Errorf("it has rights:\n%s", status)
	}
	if _, err := os.ReadDir("/proc/self/fd"); err != nil {
		t.Error(err)
	}
}

// A program of another user dies with a portico that is killed, too.
func TestOtherUserDiesWithPortico(t *testing.T) {
	if !root(t) {
		return
	}
	cmd := as(t, "TestHolder", enough...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	var pid int
	for sc := bufio.NewScanner(out); pid == 0 && sc.Scan(); {
		_, _ = fmt.Sscanf(sc.Text(), "holds %d", &pid)
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	if pid == 0 {
		_ = cmd.Wait()
		t.Fatal("there is no program")
	}
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/"+strconv.Itoa(pid), &st); err == nil && st.Uid != 1 {
		t.Errorf("it runs as %d", st.Uid)
	}
	_ = cmd.Wait()
	wait.Until(t, "the program died with portico", func() bool { return !running(pid) })
}

// What is missing is said, when the file is read and when the program is to be
// started; nobody gets a program that could not be ended.
func TestUserWithoutRights(t *testing.T) {
	if os.Getenv(inside) != "" {
		refusesOtherUsers(t, os.Getenv("WANT"))
		return
	}
	if !root(t) {
		return
	}
	for want, rights := range map[string][]uintptr{
		"portico lacks CAP_SETUID, CAP_SETGID, CAP_KILL and cannot start a program as root. Run portico as root": nil,
		"portico lacks CAP_KILL and cannot start a program as root. Run portico as root":                         {unix.CAP_SETUID, unix.CAP_SETGID},
	} {
		cmd := as(t, t.Name(), rights...)
		cmd.Env = append(cmd.Env, "WANT="+want)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	cmd := as(t, t.Name(), enough...)
	cmd.Env = append(cmd.Env, "PASS=socket", `WANT=portico lacks CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER and cannot start a program as root. Take pass = "port" or "fd"`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// refusesOtherUsers opens a service whose program is to be root's.
func refusesOtherUsers(t *testing.T, want string) {
	t.Helper()
	option := "user = \"root\"\nqueue { timeout = \"20ms\" }\n"
	if pass := os.Getenv("PASS"); pass != "" {
		option += fmt.Sprintf("pass = %q\n", pass)
	}
	if _, diags := servicetest.Decode(t, kind, body("http", option)); len(diags) > 0 {
		t.Errorf("the file is read with %v", diags) // who reads it may have other rights
	}
	r := start(t, "http", option)
	wait.Until(r.t, "the log says why", func() bool { return strings.Contains(strings.ReplaceAll(r.env.Logs(), `\"`, `"`), want) })
	if status, b, err := r.try("/"); status != http.StatusServiceUnavailable || err != nil {
		t.Errorf("%d %q %v", status, b, err)
	}
	if err := r.check(); err == nil {
		t.Error("it counts as well")
	}
}
