package attack

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience bounds what a client waits for.
const patience = time.Minute

// A crowd is n clients that do the same. act says hello, calls here, and holds the
// connection until the other side ends it; it returns how.
type crowd struct {
	listener string
	n        int
	address  func(i int) string // as whom the i-th comes
	act      func(c net.Conn, here func()) (how string)
}

// strangers have an address each, oneStranger has one for all.
func strangers(i int) string { return fmt.Sprintf("198.%d.%d.%d", 18+i/62500, i/250%250, i%250+1) }
func oneStranger(int) string { return "198.51.100.1" }

// A mob is crowds that attack until they leave. Who is ended comes back after a
// moment.
type mob struct {
	t          *testing.T
	size       size
	ctx        context.Context
	leaves     context.CancelFunc
	all        sync.WaitGroup
	dials      chan struct{} // a place for each that connects, so that no queue overflows
	here, came atomic.Int64  // connections that are held now; those that were ever made

	mu  sync.Mutex
	how map[string]int // connections ended, guarded by mu
}

func newMob(t *testing.T, s size) *mob {
	ctx, cancel := context.WithCancel(context.Background())
	return &mob{t: t, size: s, ctx: ctx, leaves: cancel, dials: make(chan struct{}, 64), how: map[string]int{}}
}

// leave ends all connections and waits for everybody.
func (m *mob) leave() {
	m.leaves()
	m.all.Wait()
}

func (m *mob) join(c crowd, addr string) {
	for i := range c.n {
		m.all.Go(func() {
			for m.ctx.Err() == nil {
				m.visit(c, addr, i)
				select {
				case <-m.ctx.Done():
				case <-time.After(m.size.pace):
				}
			}
		})
	}
}

// visit is one connection.
func (m *mob) visit(c crowd, addr string, i int) {
	nc, err := m.connect(c, addr, i)
	if err != nil {
		m.note("not connected: " + err.Error())
		return
	}
	defer nc.Close()
	stop := context.AfterFunc(m.ctx, func() { _ = nc.Close() })
	defer stop()
	m.came.Add(1)
	here := false
	how := c.act(nc, func() { here = true; m.here.Add(1) })
	if here {
		m.here.Add(-1)
	}
	m.note(how)
}

// note counts an end, but not one that the mob made itself.
func (m *mob) note(how string) {
	if m.ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.how[how]++
}

func (m *mob) connect(c crowd, addr string, i int) (net.Conn, error) {
	select {
	case m.dials <- struct{}{}:
	case <-m.ctx.Done():
		return nil, m.ctx.Err()
	}
	defer func() { <-m.dials }()
	nc, err := dial(m.ctx, addr, i)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(nc, "PROXY TCP4 %s 192.0.2.1 4321 80\r\n", c.address(i))
	if err != nil {
		_ = nc.Close()
	}
	return nc, err
}

// dial connects from one of several addresses of loopback, because one has too few
// ports, with a small window, and a deadline.
func dial(ctx context.Context, addr string, i int) (net.Conn, error) {
	d := net.Dialer{
		Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%16))}, //nolint:gosec // small
		Control: func(_, _ string, rc syscall.RawConn) error {
			return rc.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		},
	}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		err = nc.SetDeadline(time.Now().Add(10 * patience))
	}
	return nc, err
}

// ended is how many connections were.
func (m *mob) ended() (n int) {
	for _, k := range m.ends() {
		n += k
	}
	return n
}

// ends are how often, by how.
func (m *mob) ends() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]int{}
	for how, n := range m.how {
		all[how] = n
	}
	return all
}

// ending says how a connection ended: with an answer, or without one.
func ending(first string, err error) string {
	status := ""
	if line, _, ok := strings.Cut(first, "\r\n"); ok && strings.HasPrefix(line, "HTTP/1.1 ") {
		status = line[len("HTTP/1.1 "):]
	}
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if status != "" {
			return status + ", closed"
		}
		return "closed"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %v", status, err))
}

// hold reads, and writes a piece each pace, until the connection ends.
func hold(c net.Conn, pace time.Duration, piece string) string {
	b, first := make([]byte, 512), ""
	for end := time.Now().Add(10 * patience); time.Now().Before(end); {
		_ = c.SetReadDeadline(time.Now().Add(pace))
		n, err := c.Read(b)
		if first == "" {
			first = string(b[:n])
		}
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			_, err = io.WriteString(c, piece) // what ended meanwhile is there to be read
			if err != nil {
				n, _ := c.Read(b)
				return ending(first+string(b[:n]), err)
			}
			continue
		}
		if err != nil {
			return ending(first, err)
		}
	}
	return "held for ever"
}

// greet makes a request and reads the answer.
func greet(c net.Conn) error {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// idle makes one request and then nothing.
func (a *attack) idle(c net.Conn, here func()) string {
	if err := greet(c); err != nil {
		return ending("", err)
	}
	here()
	_, err := c.Read(make([]byte, 1))
	return ending("", err)
}

func (a *attack) idleTLS(c net.Conn, here func()) string {
	return a.idle(tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}), here)
}

// slowHeader begins a request and goes on with it, a line at a time.
func (a *attack) slowHeader(c net.Conn, here func()) string {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		return ending("", err)
	}
	here()
	return hold(c, a.size.pace, "X: y\r\n")
}

// slowBody uploads a byte at a time.
func (a *attack) slowBody(c net.Conn, here func()) string {
	if _, err := io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"); err != nil {
		return ending("", err)
	}
	here()
	return hold(c, a.size.pace, "x")
}

// slowReader asks for a large file and takes a little of it at a time.
func (a *attack) slowReader(c net.Conn, here func()) string {
	if _, err := io.WriteString(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return ending("", err)
	}
	here()
	b, first := make([]byte, 512), ""
	for end := time.Now().Add(10 * patience); time.Now().Before(end); time.Sleep(a.size.pace) {
		n, err := c.Read(b)
		if first == "" {
			first = string(b[:n])
		}
		if err != nil {
			return ending(first, err)
		}
	}
	return "held for ever"
}
