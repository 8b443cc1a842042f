package tcp_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/servicetest"
	"github.com/porticod/portico/services/tcp"
)

var kind = service.KindOf(tcp.Type{})

func TestContract(t *testing.T) {
	one, two := backend(t, mirror), unixBackend(t, mirror)
	servicetest.Run(t, servicetest.Suite{
		Kind:    kind,
		Config:  fmt.Sprintf("upstreams = [%q]", one),
		Changed: fmt.Sprintf("upstreams = [%q, %q]\nidle_timeout = \"1m\"\nhealth {}", one, two),
		Bad: map[string]string{
			``:                                   "missing",
			`upstreams = []`:                     "no upstream",
			`upstreams = ["127.0.0.1"]`:          "host and port",
			`upstreams = ["http://127.0.0.1:1"]`: "leave out",
			`upstreams = ["unix:x.sock"]`:        "must be whole",
			`upstreams = ["127.0.0.1:1", "127.0.0.1:1"]`: "twice",
			`upstreams = ["127.0.0.1:99999"]`:            "not a port",
			`upstreams = ["127.0.0.1:1"]
			 weights = { "127.0.0.1:2" = 3 }`: "not among",
			`upstreams = ["127.0.0.1:1"]
			 weights = { "127.0.0.1:1" = 0 }`: "out of range",
			`upstreams = ["127.0.0.1:1"]
			 balance = "random"`: "no way to choose",
			`upstreams = ["127.0.0.1:1"]
			 send_proxy = "v3"`: "no such PROXY",
			`upstreams = ["127.0.0.1:1"]
			 idle_timeout = "0s"`: "must be positive",
			`upstreams = ["127.0.0.1:1"]
			 connect_timeout = "0s"`: "must be positive",
			`upstreams = ["127.0.0.1:1"]
			 health { rise = 0 }`: "out of range",
			`upstreams = ["127.0.0.1:1"]
			 passive { down = "0s" }`: "must be positive",
		},
	})
}

func TestBytesGoBothWays(t *testing.T) {
	for name, addr := range map[string]string{"tcp": backend(t, mirror), "unix": unixBackend(t, mirror)} {
		s, _, srv := open(t, config(addr))
		c := dial(t, srv.Addr)
		want := make([]byte, 3<<20)
		_, _ = rand.Read(want)
		go func() {
			_, _ = c.Write(want)
			_ = c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came back of %d, %v", name, len(got), len(want), err)
		}
		waitMetric(t, s, "received_bytes_total", float64(len(want)))
		waitMetric(t, s, "sent_bytes_total", float64(len(want)))
		waitMetric(t, s, "connections", 0)
		waitMetric(t, s, "connections_total", 1)
		waitMetric(t, s, "aborted_total", 0)
	}
}

func TestOverWhatIsNoSocket(t *testing.T) {
	s, _, _ := open(t, config(unixBackend(t, mirror)))
	client, server := net.Pipe()
	ended := make(chan struct{})
	go func() { defer close(ended); s.ServeConn(t.Context(), server) }()
	send(t, client, "hello")
	expect(t, client, "hello")
	_ = client.Close()
	<-ended
}

// An upstream may speak first, end first, and go on listening.
func TestHalfCloseEitherWay(t *testing.T) {
	heard := make(chan string, 1)
	_, _, srv := open(t, config(backend(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 hello\r\n")
		_ = c.(*net.TCPConn).CloseWrite()
		b, err := io.ReadAll(c)
		heard <- fmt.Sprint(string(b), err)
	})))
	c := dial(t, srv.Addr)
	if b, err := io.ReadAll(c); err != nil || string(b) != "220 hello\r\n" {
		t.Fatalf("%q, %v", b, err)
	}
	send(t, c, "still here")
	_ = c.CloseWrite()
	if got := <-heard; got != "still here<nil>" {
		t.Errorf("the upstream heard %q", got)
	}
}

func TestAbortsArePassedOn(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		got := make(chan error, 1)
		s, _, srv := open(t, config(backend(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "x")
			_, err := io.Copy(io.Discard, c)
			got <- err
		})))
		c := dial(t, srv.Addr)
		expect(t, c, "x")
		_ = c.SetLinger(0)
		_ = c.Close()
		if err := <-got; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the upstream takes an abort for %v", err)
		}
		waitMetric(t, s, "aborted_total", 1)
	})
	t.Run("upstream", func(t *testing.T) {
		s, _, srv := open(t, config(backend(t, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
		})))
		c := dial(t, srv.Addr)
		send(t, c, "x")
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client takes an abort for %v", err)
		}
		waitMetric(t, s, "aborted_total", 1)
	})
}

func TestSendProxy(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		headers := make(chan *proxyproto.Header, 1)
		cfg := config(backend(t, func(c net.Conn) {
			br := bufio.NewReader(c)
			h, err := proxyproto.Read(br)
			if err != nil {
				t.Errorf("%s: %v", version, err)
			}
			headers <- h
			_, _ = io.Copy(c, br)
		}))
		cfg.SendProxy = version
		_, _, srv := open(t, cfg)
		c := dial(t, srv.Addr)
		send(t, c, "hello")
		expect(t, c, "hello")
		h := <-headers
		if h.SourceAddr.String() != c.LocalAddr().String() || h.DestinationAddr.String() != srv.Addr {
			t.Errorf("%s: %v to %v", version, h.SourceAddr, h.DestinationAddr)
		}
	}
}

// A check of an upstream that expects a header says that it speaks for itself.
func TestCheckSendsProxyToo(t *testing.T) {
	commands := make(chan proxyproto.ProtocolVersionAndCommand, 1)
	cfg := config(backend(t, func(c net.Conn) {
		h, err := proxyproto.Read(bufio.NewReader(c))
		if err != nil {
			t.Error(err)
			return
		}
		commands <- h.Command
	}))
	cfg.SendProxy, cfg.Health = "v2", tcp.Type{}.Default().Health
	open(t, cfg)
	if got := <-commands; !got.IsLocal() {
		t.Errorf("command %v", got)
	}
}

func TestIdle(t *testing.T) {
	for name, addr := range map[string]string{"tcp": backend(t, mirror), "unix": unixBackend(t, mirror)} {
		cfg := config(addr)
		cfg.IdleTimeout = 600 * time.Millisecond
		s, _, srv := open(t, cfg)
		var c *net.TCPConn
		opened := 0.0
		wait.Steady(t, cfg.IdleTimeout/2, func(beat func()) error {
			c = dial(t, srv.Addr)
			opened++
			for range 8 { // a byte now and then keeps it open for longer than one timeout
				_, werr := io.WriteString(c, "x")
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					return fmt.Errorf("%s: %w, %w", name, werr, err)
				}
				<-time.After(100 * time.Millisecond) // what is tried is time itself
				beat()
			}
			return nil
		})
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: an idle connection stays open: %v", name, err)
		}
		waitMetric(t, s, "idle_closed_total", opened)
	}
}

// A direction that is silent is not idle while the other one moves.
func TestOneDirectionKeepsBothOpen(t *testing.T) {
	cfg := config(backend(t, func(c net.Conn) {
		for range 10 {
			_, _ = io.WriteString(c, "x")
			<-time.After(100 * time.Millisecond) // what is tried is time itself
		}
		_, _ = io.Copy(c, c)
	}))
	cfg.IdleTimeout = 600 * time.Millisecond
	_, _, srv := open(t, cfg)
	wait.Steady(t, cfg.IdleTimeout/2, func(beat func()) error {
		c := dial(t, srv.Addr)
		for range 10 {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				return err
			}
			beat()
		}
		_, werr := io.WriteString(c, "hello")
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			return fmt.Errorf("%w, %w", werr, err)
		}
		return nil
	})
}

// A client that reads slowly is slow, not idle: no byte is lost to a deadline.
func TestSlowReaderLosesNothing(t *testing.T) {
	const size = 4 << 20
	cfg := config(backend(t, func(c net.Conn) { _, _ = c.Write(make([]byte, size)) }))
	cfg.IdleTimeout = 600 * time.Millisecond
	_, _, srv := open(t, cfg)
	wait.Steady(t, cfg.IdleTimeout/2, func(beat func()) error {
		c := dial(t, srv.Addr)
		_ = c.SetReadBuffer(64 << 10)
		total := 0
		for buf := make([]byte, 512<<10); ; {
			n, err := io.ReadFull(c, buf)
			total += n
			if err != nil {
				break
			}
			<-time.After(100 * time.Millisecond) // what is tried is time itself
			beat()
		}
		if total != size {
			return fmt.Errorf("%d bytes of %d", total, size)
		}
		return nil
	})
}

func TestNextUpstreamIsTried(t *testing.T) {
	cfg := config(refused(t), backend(t, says("here")), "unix:"+t.TempDir()+"/none")
	s, env, srv := open(t, cfg)
	for range 12 {
		if got := hear(t, srv.Addr); got != "here" {
			t.Fatalf("%q", got)
		}
	}
	if n := metric(t, s, "connect_failures_total"); n != 6 {
		t.Errorf("%v failures; three for each that is down are enough", n)
	}
	if n := metric(t, s, "upstreams_up"); n != 1 {
		t.Errorf("%v are up", n)
	}
	if loud := env.LoudLogs(); len(loud) != 2 {
		t.Errorf("logged %d lines instead of one for each upstream: %q", len(loud), loud)
	}
}

func TestAllDown(t *testing.T) {
	s, env, srv := open(t, config(refused(t), refused(t)))
	for range 10 {
		if got := hear(t, srv.Addr); got != "" && !strings.Contains(got, "reset") {
			t.Errorf("%q", got)
		}
	}
	waitMetric(t, s, "unserved_total", 10)
	if n := metric(t, s, "connect_failures_total"); n != 6 {
		t.Errorf("%v failures instead of three for each", n)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("ready without an upstream")
	}
	if loud := env.LoudLogs(); len(loud) != 2 {
		t.Errorf("logged %d lines instead of one for each upstream: %q", len(loud), loud)
	}
}

// The only upstream is tried by everybody: when it is back, it is back at once.
func TestOnlyUpstreamComesBack(t *testing.T) {
	held := port.Hold(t)
	cfg := config(held.Addr)
	cfg.Passive.Down = time.Hour
	s, env, srv := open(t, cfg)
	for range 5 {
		hear(t, srv.Addr)
	}
	waitMetric(t, s, "upstreams_up", 0)
	serve(t, held.Listen(), says("back"))
	if got := hear(t, srv.Addr); got != "back" {
		t.Errorf("%q", got)
	}
	waitMetric(t, s, "upstreams_up", 1)
	if loud := env.LoudLogs(); len(loud) != 1 {
		t.Errorf("logged %q", loud)
	}
}

func TestHealth(t *testing.T) {
	held := port.Hold(t)
	cfg := config(held.Addr, backend(t, says("other")))
	cfg.Health = &tcp.Health{Interval: 5 * time.Millisecond, Timeout: patience, Rise: 2, Fall: 2}
	s, _, srv := open(t, cfg)
	waitMetric(t, s, "upstreams_up", 1)
	for range 4 {
		if got := hear(t, srv.Addr); got != "other" {
			t.Errorf("%q", got)
		}
	}
	if n := metric(t, s, "connect_failures_total"); n != 0 {
		t.Errorf("%v clients had to find out", n)
	}
	serve(t, held.Listen(), says("back"))
	waitMetric(t, s, "upstreams_up", 2)
	if one, two := hear(t, srv.Addr), hear(t, srv.Addr); one == two {
		t.Errorf("both went to %q", one)
	}
}

func TestHashGoesByTheClient(t *testing.T) {
	cfg := config(backend(t, says("a")), backend(t, says("b")), backend(t, says("c")))
	cfg.Balance = "hash"
	_, _, srv := open(t, cfg)
	seen := map[string]bool{}
	for i := range 80 { // that none of them goes to one of three is unlikely enough
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i))}}
		var first string
		for range 2 {
			c, err := from.Dial("tcp", srv.Addr)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			b, _ := io.ReadAll(c)
			_ = c.Close()
			if first == "" {
				first = string(b)
			}
			if string(b) != first {
				t.Errorf("%v came to %q and %q", from.LocalAddr, first, b)
			}
		}
		seen[first] = true
	}
	if len(seen) != 3 {
		t.Errorf("80 clients came to %v only", seen)
	}
}

func TestUpdateKeepsConnections(t *testing.T) {
	s, _, srv := open(t, config(backend(t, mirror)))
	c := dial(t, srv.Addr)
	send(t, c, "before")
	expect(t, c, "before")
	s.Update(config(backend(t, says("new"))))
	if got := hear(t, srv.Addr); got != "new" {
		t.Errorf("%q", got)
	}
	send(t, c, "after")
	expect(t, c, "after")
}

func BenchmarkRelay(b *testing.B) {
	for name, addr := range map[string]func(*testing.B) string{
		"direct": func(b *testing.B) string { return backend(b, mirror) },
		"relay":  func(b *testing.B) string { _, _, srv := open(b, config(backend(b, mirror))); return srv.Addr },
	} {
		b.Run(name+"/roundtrip", func(b *testing.B) {
			c := dial(b, addr(b))
			_ = c.SetDeadline(time.Time{})
			buf := make([]byte, 100)
			for b.Loop() {
				_, _ = c.Write(buf)
				_, _ = io.ReadFull(c, buf)
			}
		})
		b.Run(name+"/stream", func(b *testing.B) {
			c := dial(b, addr(b))
			_ = c.SetDeadline(time.Time{})
			go func() { _, _ = io.Copy(struct{ io.Writer }{io.Discard}, c) }()
			buf := make([]byte, 1<<20)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				_, _ = c.Write(buf)
			}
		})
		b.Run(name+"/connect", func(b *testing.B) {
			to := addr(b)
			for b.Loop() {
				c := dial(b, to)
				send(b, c, "x")
				expect(b, c, "x")
				_ = c.Close()
			}
		})
	}
}
