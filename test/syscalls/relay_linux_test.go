// Package syscalls_test counts what a connection costs the whole daemon.
package syscalls_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/cli"
)

// daemon, in the environment, makes the test's binary a portico.
const daemon = "PORTICO_TEST_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(daemon) == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	os.Exit(cli.Run(ctx, testkit.App(), cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:]))
}

const patience = time.Minute

// counted are the system calls on sockets and pipes; not those of the scheduler.
const counted = "accept4,socket,connect,epoll_ctl,getsockopt,setsockopt,getsockname,getpeername,read,write,recvfrom,sendto,splice,pipe2,fcntl,shutdown,close"

var called = regexp.MustCompile(`^\d+ +(?:<\.\.\. )?(\w+)`)

// A trace counts the system calls of a daemon.
type trace struct {
	t    *testing.T
	file string
}

func (c *trace) calls() map[string]int {
	c.t.Helper()
	b, err := os.ReadFile(c.file)
	if err != nil {
		c.t.Fatal(err)
	}
	n := map[string]int{}
	for line := range strings.Lines(string(b)) {
		if m := called.FindStringSubmatch(line); m != nil && !strings.Contains(line, "<unfinished ...>") {
			n[m[1]]++
			n["all"]++
		}
	}
	return n
}

// after waits until so many calls of one name were made.
func (c *trace) after(name string, n int) map[string]int {
	c.t.Helper()
	var got map[string]int
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got = c.calls(); got[name] >= n {
			return got
		}
	}
	c.t.Fatalf("%d calls of %s, not %d: %v", got[name], name, n, got)
	return nil
}

// quiet waits until nothing was called for a while: what a daemon does at its
// start is over then.
func (c *trace) quiet() map[string]int {
	c.t.Helper()
	got := c.calls()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		time.Sleep(200 * time.Millisecond)
		next := c.calls()
		if next["all"] == got["all"] {
			return got
		}
		got = next
	}
	c.t.Fatalf("it does not come to rest: %v", got)
	return nil
}

// traced is a daemon under strace, and the address of a relay to upstream in it.
func traced(t *testing.T, upstream string) (*trace, string) {
	t.Helper()
	return tracedConfig(t, fmt.Sprintf(`
service "tcp" "t" { upstreams = [%q] }
listener "t" {
  address = "127.0.0.1:0"
  service = service.tcp.t
}
`, upstream))
}

// tracedConfig is a daemon under strace, and the address of its listener t.
func tracedConfig(t *testing.T, config string) (*trace, string) {
	t.Helper()
	dir := t.TempDir()
	c := &trace{t, filepath.Join(dir, "trace")}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "portico")
	script := fmt.Sprintf("#!/bin/sh\nexec strace -D -f -qq -e signal=none -e trace=%s -o %s %s \"$@\"\n", counted, c.file, self)
	if err := os.WriteFile(bin, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	d := testkit.StartBinary(t, bin, `
data_dir = "data"
log { level = "error" }
`+config, daemon+"=1")
	return c, d.Addr("t")
}

// A connection takes so many system calls, from its accept to its end, in the
// whole daemon: accept twice, the second time in vain, connect and close with nothing
// that Go's poller would want, the bytes, one half-close, and one look at the byte count
// for log and status.
func TestSystemCallsOfAConnection(t *testing.T) {
	c, addr := traced(t, answers(t, 1))
	talk := func(n int) {
		for range n {
			c := dial(t, addr)
			_, _ = io.WriteString(c, "hello")
			if b, err := io.ReadAll(c); string(b) != "answer" || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
			_ = c.Close()
		}
	}
	talk(5)
	c.after("shutdown", 5)
	before := c.quiet()
	const n = 40
	talk(n)
	c.after("shutdown", before["shutdown"]+n)
	got := c.after("close", before["close"]+2*n)
	for name := range got {
		got[name] -= before[name]
	}
	t.Logf("%d connections: %v", n, got)
	for name, most := range map[string]int{
		"all": 18, "setsockopt": 1, "getsockopt": 1, "shutdown": 1, "connect": 1, "close": 2, "epoll_ctl": 2, "getsockname": 1, "getpeername": 0,
		"recvfrom": 4, "splice": 0, "pipe2": 0, "fcntl": 0,
	} {
		if got[name] > most*n+n/4 { // what the daemon does besides
			t.Errorf("%s: %d calls for %d connections; %d each are enough", name, got[name], n, most)
		}
	}
}

// A request and its answer over a connection that stays take four: each is read
// and written. That there is no more nobody asks.
func TestSystemCallsOfAnExchange(t *testing.T) {
	const n = 200
	c, addr := traced(t, answers(t, n+1))
	conn := dial(t, addr)
	defer conn.Close()
	talk := func(n int) {
		for range n {
			_, _ = io.WriteString(conn, "hello")
			b := make([]byte, len("answer"))
			if _, err := io.ReadFull(conn, b); string(b) != "answer" || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
		}
	}
	talk(1)
	c.after("sendto", 2)
	before := c.quiet()
	talk(n)
	got := c.after("sendto", before["sendto"]+2*n)
	for name := range got {
		got[name] -= before[name]
	}
	t.Logf("%d exchanges: %v", n, got)
	for name, most := range map[string]int{"all": 4, "sendto": 2, "recvfrom": 2, "splice": 0, "epoll_ctl": 0} {
		if got[name] > most*n+n/10 { // what the daemon does besides, and who wakes in vain
			t.Errorf("%s: %d calls for %d exchanges; %d each are enough", name, got[name], n, most)
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// answers is a server that hears a word and answers, n times, and hangs up.
func answers(t *testing.T, n int) string {
	t.Helper()
	return testkit.Serve(t, func(c net.Conn) {
		for range n {
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
				return
			}
			_, _ = io.WriteString(c, "answer")
		}
	})
}
