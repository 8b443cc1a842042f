package process_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/process"
	"github.com/porticod/portico/services/servicetest"
)

// raw starts a program behind a server for raw connections.
func raw(t *testing.T, p, options string) (*rig, func() *net.TCPConn) {
	t.Helper()
	r := start(t, p, "raw = true\n"+options)
	srv := servicetest.Raw(t, r.svc.(service.ConnHandler))
	return r, func() *net.TCPConn {
		c, err := net.Dial("tcp", srv.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c.(*net.TCPConn)
	}
}

func TestRawConnections(t *testing.T) {
	for _, pass := range []string{"port", "socket", "fd"} {
		t.Run(pass, func(t *testing.T) {
			_, dial := raw(t, "raw", `pass = "`+pass+`"`)
			c := dial()
			br := bufio.NewReader(c)
			for _, word := range []string{"one", "two"} {
				fmt.Fprintln(c, word)
				if line, err := br.ReadString('\n'); line != strings.ToUpper(word)+"\n" {
					t.Errorf("%q %v", line, err)
				}
			}
			// The client has no more to say and still hears the end.
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(br); string(rest) != "BYE\n" || err != nil {
				t.Errorf("%q %v", rest, err)
			}
		})
	}
}

func TestRawConnectionsThatEnd(t *testing.T) {
	t.Parallel()
	r, dial := raw(t, "raw", `idle_timeout = "100ms"`)
	c := dial()
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
		t.Errorf("idle: %q %v", b, err)
	}

	r.update("raw", "raw = true\nidle_timeout = \"1m\"")
	c = dial()
	fmt.Fprintln(c, "x")
	if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	r.update("raw", "raw = true\nidle_timeout = \"1m\"\ndrain = \"50ms\"\nstop_timeout = \"1s\"", "WORD", "changed")
	// The client says nothing and does not leave: it hears that it is over.
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("replaced: %q %v", b, err)
	}

	r.update("silent", "raw = true\nqueue { timeout = \"50ms\" }")
	c = dial()
	fmt.Fprintln(c, "x") // the old one still serves
	if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
		t.Error(err)
	}
}

// By default nobody gets past the front door.
func TestRawConnectionsAreForWhoWantsThem(t *testing.T) {
	r, dial := raw(t, "http", "")
	r.update("http", "")
	c := dial()
	fmt.Fprint(c, "\r\nGET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%q", b)
	}
}

func TestRawConnectionWithoutAProgram(t *testing.T) {
	r, dial := raw(t, "silent", `queue { timeout = "50ms" }`)
	if b, err := io.ReadAll(dial()); len(b) > 0 || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if r.metric("refused_requests_total") != 1 {
		t.Error("it was not counted")
	}
}

// What comes in masses over raw connections does not pass through portico's
// memory.
func TestSpliceIsUsed(t *testing.T) {
	t.Parallel()
	servicetest.Syscalls(t, "splice", func(t *testing.T) {
		_, dial := raw(t, "raw", "")
		c := dial()
		go func() {
			_, _ = c.Write(bytes.Repeat([]byte(strings.Repeat("a", 99)+"\n"), 10_000))
			_ = c.CloseWrite()
		}()
		if b, err := io.ReadAll(c); len(b) != 1_000_004 || err != nil {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	}, func(t *testing.T, lines []string) {
		var moved int
		for _, l := range lines {
			if _, n, ok := strings.Cut(l, " = "); ok {
				n, _, _ = strings.Cut(n, " ")
				if n, err := strconv.Atoi(n); err == nil && n > 0 {
					moved += n
				}
			}
		}
		// Into a pipe and out of it, up. What the program sends comes line by line,
		// and is read and written.
		if moved < 1_800_000 {
			t.Errorf("splice moved %d bytes", moved)
		}
	})
}

// runs starts a command that needs to serve nobody.
func runs(t *testing.T, options string, command ...string) *servicetest.Env {
	t.Helper()
	var quoted []string
	for _, c := range command {
		quoted = append(quoted, strconv.Quote(c))
	}
	_, env := servicetest.Open(t, kind, "command = ["+strings.Join(quoted, ", ")+"]\n"+options)
	return env
}

func TestLimits(t *testing.T) {
	t.Parallel()
	env := runs(t, "limits {\n memory = \"64MiB\"\n files = 50\n cpu = \"90s\"\n}",
		"/bin/sh", "-c", `echo "memory $(ulimit -v) files $(ulimit -n) cpu $(ulimit -t)"; exec sleep 1000`)
	wait.Until(t, "the limits hold", func() bool {
		return strings.Contains(env.Logs(), "memory 65536 files 50 cpu 90")
	})
	env = runs(t, "limits { cpu = \"1s\" }\nrestart { delay = \"20s\" }", "/bin/sh", "-c", "while :; do :; done")
	wait.Until(t, "a loop is ended", func() bool { return strings.Contains(env.Logs(), "SIGXCPU") || strings.Contains(env.Logs(), "SIGKILL") })
}

func TestUser(t *testing.T) {
	for pass, c := range map[string]struct{ script, want string }{
		"port":   {`echo "I am $(id -un) in $(id -gn), home $HOME, user $USER"`, "I am nobody in nogroup, home /nonexistent, user nobody"},
		"socket": {`touch "$PORT" && echo "it has $(stat -c %a:%U "$(dirname "$PORT")")"`, "it has 700:nobody"},
		"fd":     {`test $$ = $LISTEN_PID && test -S /proc/self/fd/3 && echo "it has a socket"`, "it has a socket"},
	} {
		if os.Geteuid() != 0 {
			c.want = "and cannot start a program as nobody"
		}
		env := runs(t, fmt.Sprintf("user = %q\npass = %q", "nobody", pass), "/bin/sh", "-c", c.script+"; exec sleep 1000")
		wait.Until(t, "the log says "+c.want, func() bool { return strings.Contains(env.Logs(), c.want) })
	}
}

// TestHolder is a portico for TestDiesWithPortico, in a process of its own.
func TestHolder(t *testing.T) {
	if os.Getenv(holder) == "" {
		return
	}
	options := "" // it holds one of its own user, or of the user named
	if name := os.Getenv(holder); name != "1" {
		options = fmt.Sprintf("user = %q", name)
	}
	r := start(t, "http", options)
	fmt.Printf("holds %d\n", r.pid())
	select {}
}

const holder = "PROCESS_TEST_HOLDER"

func TestDiesWithPortico(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHolder$")
	cmd.Env = append(os.Environ(), holder+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	for sc := bufio.NewScanner(out); pid == 0 && sc.Scan(); {
		_, _ = fmt.Sscanf(sc.Text(), "holds %d", &pid)
	}
	if pid == 0 || !running(pid) {
		t.Fatal("there is no program")
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	wait.Until(t, "the program died with portico", func() bool { return !running(pid) })
}

// A portico whose threads come and go does not lose its program: it is tied to a
// thread that stays.
func TestLivesWithPortico(t *testing.T) {
	r := start(t, "http", "")
	before := r.pid()
	for range 20 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			lockAndExit()
		}()
		<-done
	}
	if after := r.pid(); after != before || r.metric("restarts_total") != 0 {
		t.Error("the program was started again")
	}
}

func TestManyStartsAtOnceAndCloses(t *testing.T) {
	for _, pass := range []string{"port", "socket", "fd"} {
		tmp := t.TempDir()
		t.Setenv("TMPDIR", tmp)
		spec := servicetest.MustDecode(t, kind, body("http", `pass = "`+pass+`"`))
		for range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			svc, err := spec.Open(ctx, servicetest.NewEnv(t, "process", "test").Env)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := svc.Close(); err != nil { // while it starts
				t.Error(err)
			}
		}
		if left, _ := filepath.Glob(tmp + "/*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add([]byte("plain \x1b[31;1mred\x1b[0m\r\n"))
	f.Add([]byte("\x1b"))
	f.Add([]byte("\x1b[\x1b[31"))
	f.Add([]byte("\x1b]0;title\x07 \xff\x00\u202e\u0085"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := process.Printable(b)
		if !utf8.ValidString(s) {
			t.Errorf("%q is not UTF-8", s)
		}
		if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
			t.Errorf("%q has a control character", s)
		}
	})
}
