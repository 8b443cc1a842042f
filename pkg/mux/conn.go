package mux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/lean"
)

// State is where a connection stands, as `portico sockets` shows it.
type State uint32

// The states of a connection.
const (
	StateDetect    State = iota // its PROXY header or first bytes are awaited
	StateHandshake              // TLS was begun
	StateNew                    // handed to the HTTP server, no request yet
	StateActive                 // a request is being read or answered
	StateIdle                   // kept alive between two requests
	StateHijacked               // taken over from HTTP, as by a WebSocket
	StateRaw                    // handed to a raw service
)

func (s State) String() string {
	names := [...]string{"detect", "handshake", "new", "active", "idle", "hijacked", "raw"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// sock is what *net.TCPConn and *net.UnixConn have in common.
type sock interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// sockOf is the socket that nc is.
func sockOf(nc net.Conn) (k sock, raw syscall.RawConn, ok bool) {
	if k, ok = nc.(sock); !ok {
		return nil, nil, false
	}
	raw, err := k.SyscallConn()
	return k, raw, err == nil
}

// Conn is a connection on its way through a port, and what a service gets. It
// is the kernel's socket with its Close hooked and its writes guarded: ReadFrom
// keeps sendfile and splice, WriteTo splice, and NetConn is the socket itself.
type Conn struct {
	sock sock            // see Slim
	raw  syscall.RawConn // of sock
	port *Port
	id   uint64
	born time.Time // with a monotonic reading: clocks may be set while it is open

	state atomic.Uint32
	h2    atomic.Bool
	since atomic.Int64          // when state was entered, in nanoseconds after born
	heard atomic.Int64          // HTTP/2 only: when bytes came last, in nanoseconds after born; 0: never
	srv   atomic.Pointer[front] // the HTTP server that has it; nil: none
	local atomic.Pointer[string]

	guard writeGuard
	more  atomic.Bool // see SetMore
	late  *lateRead   // owned by who reads; nil: not yet

	ticket ticket // what Close gives back
	flight atomic.Pointer[front]
	counts ioCount // of unix sockets; TCP has TCP_INFO as long as it is open
	tally  tally
	closed atomic.Bool
	plain  bool // plain HTTP on a TLS port

	proxied bool // a PROXY header is due; owned by the goroutine that looks

	mu      sync.Mutex // guards the rest
	remote  net.Addr   // of the client; from the PROXY header where there is one
	http    bool       // of the Choice
	ends    bool       // likewise: TLS ends here
	decided *decision  // nil: nothing but that
}

// A decision is what classification found out and the policy chose. There are very many
// connections of which it is only that they are HTTP, and they keep none.
type decision struct {
	verdict Verdict
	choice  Choice
}

// note keeps a decision.
func (c *Conn) note(v Verdict, choice Choice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.http, c.ends, c.decided = choice.HTTP, choice.Terminate, nil
	if v.Protocol != Unknown || choice.Raw != nil || choice.Label != "" {
		c.decided = &decision{v, choice}
	}
}

// decision is what was noted last. It needs mu.
func (c *Conn) decision() (Verdict, Choice) {
	if d := c.decided; d != nil {
		return d.verdict, d.choice
	}
	return Verdict{}, Choice{HTTP: c.http, Terminate: c.ends}
}

// choice is what the policy chose last.
func (c *Conn) choice() Choice {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, choice := c.decision()
	return choice
}

// ioCount counts what went through Read and Write, and what went in all when the
// connection was closed.
type ioCount struct{ in, out atomic.Int64 }

type contextKey struct{}

// FromContext returns the connection that a request or a raw hand-over came
// through, or nil.
func FromContext(ctx context.Context) *Conn {
	c, _ := ctx.Value(contextKey{}).(*Conn)
	return c
}

// unwrap finds our connection below TLS; nil if there is none.
func unwrap(nc net.Conn) *Conn {
	for nc != nil {
		if c, ok := nc.(*Conn); ok {
			return c
		}
		u, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		nc = u.NetConn()
	}
	return nil
}

// ID is unique within the process.
func (c *Conn) ID() uint64 { return c.id }

// NetConn is the kernel's socket: *net.TCPConn or *net.UnixConn. What is moved
// through it is not held to the write timeout. Close c, not the socket.
func (c *Conn) NetConn() net.Conn { return c.socket() }

// SyscallConn gives access to the descriptor.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw, nil
}

// socket is sock for whoever does not own the connection.
func (c *Conn) socket() sock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sock
}

// Slim has Go's poller forget a TCP connection until somebody waits for it again,
// which then takes some hundred bytes less. It is for the service that was handed c and
// is told by an epoll of its own when there is something to read, before others use c.
// What NetConn and SyscallConn returned before is no good any more, and deadlines are
// gone. Where it fails nothing has changed.
func (c *Conn) Slim() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tcp, ok := c.sock.(*net.TCPConn)
	if !ok {
		return errors.ErrUnsupported
	}
	if c.closed.Load() {
		return net.ErrClosed
	}
	l, err := lean.Of(tcp)
	if err != nil {
		return fmt.Errorf("slim a connection: %w", err)
	}
	c.sock = l
	c.raw, err = l.SyscallConn()
	return err
}

// LocalAddr is the address that the client connected to.
func (c *Conn) LocalAddr() net.Addr { return c.socket().LocalAddr() }

// RemoteAddr is the client's address: the one in the PROXY header where there
// is one, else the peer's.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote
}

// ClientAddr is the address of RemoteAddr; the zero Addr for unix peers.
func (c *Conn) ClientAddr() netip.Addr { return peerAddr(c.RemoteAddr()) }

// Verdict is what classification found out; zero where the port does not look.
func (c *Conn) Verdict() Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, _ := c.decision()
	return v
}

// Label is the label of the route that took the connection; empty before that,
// and for HTTP where the port does not look.
func (c *Conn) Label() string {
	return c.choice().Label
}

// Retired reports whether the HTTP server that has the connection was replaced
// or its port closed: the next answer should be its last.
func (c *Conn) Retired() bool {
	f := c.srv.Load()
	return f != nil && f.retired.Load()
}

// SetService notes which service has the connection, for `portico sockets`.
func (c *Conn) SetService(label string) { c.local.Store(&label) }

// Service is what SetService noted last.
func (c *Conn) Service() string {
	if s := c.local.Load(); s != nil {
		return *s
	}
	return ""
}

// State is where the connection stands, and since when.
func (c *Conn) State() (State, time.Time) {
	return State(c.state.Load()), c.born.Add(time.Duration(c.since.Load()))
}

func (c *Conn) setState(s State) {
	c.state.Store(uint32(s))
	c.since.Store(int64(time.Since(c.born)))
}

// Read reads from the socket. The first byte after a pause makes an HTTP/1
// connection active at once, not only when its header is complete, so that
// CloseIdle leaves it alone. On HTTP/2, where bytes need not be a request, it
// is left alone for a moment.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.readSock(b)
	c.heardOf(n)
	return n, err
}

// heardOf notes that n bytes came.
func (c *Conn) heardOf(n int) {
	if n <= 0 {
		return
	}
	c.moved(int64(n), 0)
	if c.h2.Load() {
		c.heard.Store(int64(time.Since(c.born)))
	} else if s := State(c.state.Load()); s == StateIdle || s == StateNew {
		c.setState(StateActive)
	}
}

// moved counts bytes where the kernel does not.
func (c *Conn) moved(in, out int64) {
	if _, ok := c.sock.(*net.UnixConn); ok {
		c.counts.in.Add(in)
		c.counts.out.Add(out)
	}
}

// WriteTo moves everything to w, with splice between two sockets. It is what
// io.Copy uses.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	switch w.(type) {
	case *net.TCPConn, *Conn:
		n, err := w.(io.ReaderFrom).ReadFrom(c.sock)
		c.moved(n, 0)
		return n, err
	}
	return copyPlain(w, c)
}

// CloseWrite ends the stream to the client; reading goes on.
func (c *Conn) CloseWrite() error { return c.sock.CloseWrite() }

// Close closes the socket and gives back what the connection holds of limits
// and lists. It may be called more than once.
func (c *Conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	c.land()
	n := c.bytes()
	if s := State(c.state.Load()); s == StateRaw || s == StateHijacked {
		c.counts.in.Store(n.in)
		c.counts.out.Store(n.out)
	}
	c.tally.count(c.ticket.stats, n.in, n.written)
	err := c.socket().Close()
	c.port.remove(c)
	return err
}

// land ends the connection's time between the port and whoever takes it.
func (c *Conn) land() {
	if f := c.flight.Swap(nil); f != nil {
		f.flying.Done()
	}
}

// Bytes returns how many bytes came from the client and went to it; for TCP the
// kernel says, so that spliced ones count. Of a closed connection it is the
// last state if it was raw or hijacked.
func (c *Conn) Bytes() (in, out int64) {
	if c.closed.Load() {
		if in, out = c.counts.in.Load(), c.counts.out.Load(); in > 0 || out > 0 {
			return in, out
		}
	}
	n := c.bytes()
	return n.in, n.out
}

// A volume is what went through a socket, in bytes. What was written was taken by the
// kernel; out may be less, what the peer has acknowledged.
type volume struct{ in, out, written int64 }

func (c *Conn) bytes() volume {
	s := c.socket()
	if _, ok := s.(*net.UnixConn); ok {
		out := c.counts.out.Load()
		return volume{c.counts.in.Load(), out, out}
	}
	return tcpBytes(s)
}
