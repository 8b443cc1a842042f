//go:build amd64 || arm64

package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const childFlag = "be-locked-up"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childFlag {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// A finding is what happened to an attempt in the locked process.
type finding struct {
	Report Report
	Tried  map[string]string // "" where it worked
}

func child() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 3
	}
	f := finding{Tried: map[string]string{}}
	f.Report = Enter(Limits{Memory: 512 << 20, CPU: 60, Files: 32})
	note := func(what string, err error) {
		f.Tried[what] = ""
		if err != nil {
			f.Tried[what] = err.Error()
		}
	}
	_, err = os.ReadFile("/etc/hostname")
	note("read a file", err)
	note("make a file", os.WriteFile(os.TempDir()+"/portico-sandbox-test", nil, 0o600))
	_, err = net.Dial("tcp", listener.Addr().String())
	note("connect", err)
	_, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	note("make a socket", err)
	note("start a program", exec.Command("/bin/true").Run())
	_, err = unix.PtracePeekData(os.Getppid(), 0, make([]byte, 8))
	note("look into another process", err)
	note("kill the parent", syscall.Kill(os.Getppid(), 0))
	_, err = unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
	note("map memory as code", err)
	code, merr := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if merr != nil {
		return 5
	}
	note("have code that it can write", unix.Mprotect(code, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC))
	if unix.Mprotect(code, unix.PROT_READ|unix.PROT_EXEC) != nil {
		return 6 // what compiled encoders need
	}
	// On every thread, those that are started later too.
	for range 4 {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			_, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
			done <- err
		}()
		note("read a file on a new thread", <-done)
	}
	// And what a decoder does goes on.
	big := make([]byte, 64<<20)
	for i := range big {
		big[i] = byte(i)
	}
	runtime.GC()
	b, _ := json.Marshal(f)
	if _, err := os.Stdout.Write(b); err != nil {
		return 4
	}
	return 0
}

func TestEnter(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", childFlag)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var f finding
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !f.Report.Seccomp || !f.Report.Limits {
		t.Errorf("the walls: %v", f.Report)
	}
	for what, said := range f.Tried {
		if said == "" {
			t.Errorf("it could %s", what)
		}
	}
	if len(f.Tried) != 10 {
		t.Errorf("it tried %d things", len(f.Tried))
	}
	if _, err := os.Stat(os.TempDir() + "/portico-sandbox-test"); err == nil {
		t.Error("there is the file that it made")
	}
}

// The filter decides as it should also where the runtime asks for threads: without
// CLONE_THREAD it is a process.
func TestFilterLength(t *testing.T) {
	p := filter()
	if len(p) > 4096 { // BPF_MAXINSNS
		t.Fatalf("%d instructions", len(p))
	}
	for i, in := range p {
		if next := i + 1 + int(max(in.Jt, in.Jf)); in.Code&7 == unix.BPF_JMP && next >= len(p) {
			t.Errorf("instruction %d jumps out of the program", i)
		}
	}
}

func TestReportSays(t *testing.T) {
	var r Report
	if got := r.String(); got != "nothing" {
		t.Errorf("%q", got)
	}
	r = Report{Landlock: 7, Seccomp: true}
	r.miss("cpu limit", errors.New("no"))
	if got := fmt.Sprint(r); got != "landlock 7, seccomp; without cpu limit: no" {
		t.Errorf("%q", got)
	}
}
