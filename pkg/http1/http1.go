// Package http1 serves HTTP/1.1 and 1.0 on connections that it is handed, behind
// net/http's contract: handlers, response writers with all of their abilities, and
// requests are as http.Server has them. It accepts no connections, knows no
// listeners, and does not speak HTTP/2: it says when a client does.
package http1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A Server says how connections are served. Its fields must not be changed while it
// does that. All but HTTP2 must be set.
type Server struct {
	Handler       http.Handler
	HeaderTimeout time.Duration // for a TLS handshake, and for a whole header
	IdleTimeout   time.Duration // between two requests
	MaxHeader     int           // bytes of a request's head
	// Context makes the context of a connection, from which those of its requests
	// get their values. That it ends is not looked at.
	Context func(net.Conn) context.Context
	// State is told when a request begins (StateActive), when its connection waits
	// for another (StateIdle), and when it was taken over (StateHijacked).
	State func(net.Conn, http.ConnState)
	// HTTP2 takes over a connection whose client speaks HTTP/2, after TLS agreed on
	// it or without TLS; what was read already is begun. nil: it is closed.
	HTTP2    func(nc net.Conn, begun []byte)
	ErrorLog *log.Logger

	date atomic.Pointer[dateLine]
}

const (
	// settled is for how long a connection that waits keeps the stack that it needed
	// for its last request, at most.
	settled = time.Second
	// lingerTime and lingerSize are what is waited for, and thrown away, before a
	// connection is closed whose client may be sending still: closed at once, it would
	// be reset, and the answer lost (RFC 9112 section 9.6).
	lingerTime = 500 * time.Millisecond
	lingerSize = 1 << 20
	// maxEmpty is how many bytes of empty lines may follow on a POST, at most.
	maxEmpty = 4
	// leftTime is how long a client may take to send the rest of a body that nobody
	// read.
	leftTime = 5 * time.Second
)

// A conn is a connection at work. One goroutine at a time has it, beside a watch.
type conn struct {
	srv    *Server
	nc     net.Conn
	ctx    context.Context
	remote string
	tls    *tls.ConnectionState
	more   MoreSetter // below TLS, where it can; else nil
	in     input
	armed  time.Time   // the read deadline that is set; zero: none
	moved  atomic.Bool // a handler has set another
	served bool        // it had a request
	empty  int         // bytes of empty lines that may come before the next one

	mu       sync.Mutex // guards the rest
	watching *watch
	closed   bool // to watches
}

// ServeConn serves a connection, and returns when it was closed, taken over, or has
// nothing to do for a while: it then waits in another goroutine. It owns nc.
func (s *Server) ServeConn(nc net.Conn) {
	c := &conn{srv: s, nc: nc, ctx: s.Context(nc)}
	c.in.init(nc)
	if a := nc.RemoteAddr(); a != nil {
		c.remote = a.String()
	}
	if tc, ok := nc.(*tls.Conn); ok && !c.shake(tc) {
		return
	}
	if err := c.begin(); err != nil {
		c.close()
		return
	}
	if c.tls == nil && c.speaksHTTP2() {
		return
	}
	c.serve()
}

// shake shakes hands; false: there is nothing more to do here.
func (c *conn) shake(tc *tls.Conn) bool {
	limit := time.Now().Add(c.srv.HeaderTimeout)
	_ = tc.SetDeadline(limit)
	if err := tc.HandshakeContext(c.ctx); err != nil {
		c.srv.ErrorLog.Printf("http: TLS handshake error from %s: %v", c.remote, err)
		c.close()
		return false
	}
	_ = tc.SetDeadline(time.Time{})
	state := tc.ConnectionState()
	c.tls = &state
	c.more, _ = tc.NetConn().(MoreSetter)
	switch state.NegotiatedProtocol {
	case "", "http/1.1", "http/1.0":
		return true
	case "h2":
		c.giveHTTP2(nil)
	default:
		c.close()
	}
	return false
}

func (c *conn) giveHTTP2(begun []byte) {
	if c.srv.HTTP2 == nil {
		c.close()
		return
	}
	_ = c.nc.SetDeadline(time.Time{})
	c.srv.HTTP2(c.nc, begun)
}

// preface is what a client of HTTP/2 says first: RFC 9113 section 3.4.
var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// speaksHTTP2 gives the connection away if it begins with the preface of HTTP/2.
func (c *conn) speaksHTTP2() bool {
	for {
		b := c.in.bytes()
		if n := min(len(b), len(preface)); !bytes.Equal(b[:n], preface[:n]) {
			return false
		}
		if len(b) >= len(preface) {
			break
		}
		if err := c.in.more(inputSize); err != nil {
			return false // whatever it is, it will be seen again
		}
	}
	begun := bytes.Clone(c.in.bytes())
	c.in.skip(len(begun))
	c.in.Drop()
	c.giveHTTP2(begun)
	return true
}

// begin waits for the first bytes of the first request.
func (c *conn) begin() error {
	c.setReadDeadline(time.Now().Add(c.srv.HeaderTimeout))
	return c.in.wait()
}

// deepStack is what requests need of a goroutine's stack, most of them, in bytes.
const deepStack = 3 << 10

// deepen has the stack grow at once, while there is little on it that must be moved. That
// it is doubled twice on the way down took a fourteenth of the time of a connection that a
// proxy has for one request.
//
//go:noinline
func deepen(at int) byte {
	var room [deepStack]byte
	return room[at]
}

// serve serves requests until the connection ends or rests.
func (c *conn) serve() {
	deepen(0)
	defer func() {
		if v := recover(); v != nil { // not of a handler, but one connection's fault should be its own
			c.srv.ErrorLog.Printf("http: panic serving %v: %v\n%s", c.remote, v, debug.Stack())
			_ = c.nc.Close()
		}
	}()
	for {
		c.srv.State(c.nc, http.StateActive)
		x, err := c.readRequest()
		if err != nil && err != errNothing { //nolint:errorlint // our own
			c.refuse(err)
			return
		}
		if err == nil {
			switch c.answer(x) {
			case lingers:
				c.linger()
				c.close()
				return
			case ends:
				c.close()
				return
			case given:
				return
			}
		}
		if c.in.buffered() > 0 {
			continue // the next request has come already
		}
		if rests, err := c.await(); err != nil {
			c.close()
			return
		} else if rests {
			return
		}
	}
}

// await waits for another request. If it does not come soon, it is waited for in a new
// goroutine, whose stack is small, and the old one, whose is not, can go: rests.
func (c *conn) await() (rests bool, err error) {
	c.srv.State(c.nc, http.StateIdle)
	now := time.Now()
	until := now.Add(c.srv.IdleTimeout)
	c.arm(now, now.Add(min(settled, c.srv.IdleTimeout)))
	if err = c.in.wait(); err == nil || !isTimeout(err) {
		return false, err
	}
	go func() {
		c.setReadDeadline(until)
		if err := c.in.wait(); err != nil {
			c.close()
			return
		}
		c.serve()
	}()
	return true, nil
}

// arm makes sure that the read deadline is between half and the whole of the way to
// until, so that setting it is the exception.
func (c *conn) arm(now, until time.Time) {
	if c.moved.Swap(false) || c.armed.After(until) || c.armed.Sub(now) < until.Sub(now)/2 {
		c.setReadDeadline(until)
	}
}

// setReadDeadline is for who has the connection.
func (c *conn) setReadDeadline(t time.Time) {
	c.armed = t
	_ = c.nc.SetReadDeadline(t) // what fails here fails in Read
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// close ends the connection.
func (c *conn) close() {
	c.in.skip(c.in.buffered())
	c.in.Drop()
	_ = c.nc.Close()
}

// linger ends the answers and lets the client say what it has to say.
func (c *conn) linger() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	buf := discardBuffers.Get().(*[discardSize]byte)
	defer discardBuffers.Put(buf)
	for n := 0; n < lingerSize; {
		m, err := c.nc.Read(buf[:])
		if n += m; err != nil {
			return
		}
	}
}

// readRequest reads the head of the next request, some of which is here.
func (c *conn) readRequest() (*exchange, error) {
	x := &exchange{conn: c, length: -1}
	x.ctx.x, x.ctx.Context = x, c.ctx
	n, err := c.readHead(x)
	if err != nil {
		return nil, err
	}
	head := string(c.in.bytes()[:n])
	c.in.skip(n)
	c.in.Drop() // a large one should not be kept for as long as the answer takes
	if err := x.parseHead(head); err != nil {
		return nil, err
	}
	x.begin()
	return x, nil
}

// readHead waits until the head is here, and says how long it is.
func (c *conn) readHead(x *exchange) (n int, err error) {
	from, looked, waits := 0, false, false
	for {
		if c.skipEmptyLine(); c.in.buffered() == 0 {
			return 0, errNothing
		}
		b := c.in.bytes()
		if len(b) > c.srv.MaxHeader {
			b = b[:c.srv.MaxHeader]
		}
		if n := endOfHead(b, &from); n > 0 {
			return n, nil
		}
		if len(b) >= c.srv.MaxHeader {
			return 0, errTooLarge
		}
		if i := bytes.IndexByte(b, '\n'); i >= 0 && !looked {
			// Who speaks something else may be waiting for an answer to it.
			looked = true
			line, _, _ := cutLine(string(b[:i+1]))
			if err := parseLine(&x.req, &x.url, line); err != nil {
				return 0, err
			}
		}
		if !waits && c.served {
			c.setReadDeadline(time.Now().Add(c.srv.HeaderTimeout))
		}
		waits = true
		if err := c.in.more(c.srv.MaxHeader); err == io.EOF && looked { //nolint:errorlint // a connection returns it bare
			return 0, errMalformed
		} else if err != nil {
			return 0, err
		}
	}
}

// skipEmptyLine is for old clients that end what they POST with a line break that
// does not count: RFC 9112 section 2.2.
func (c *conn) skipEmptyLine() {
	for ; c.empty > 0; c.empty-- {
		if b := c.in.bytes(); len(b) == 0 || b[0] != '\r' && b[0] != '\n' {
			return
		}
		c.in.skip(1)
	}
}

// errNothing says that no request has begun yet.
var errNothing = errors.New("http1: nothing but empty lines")

const errorHeader = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// refuse answers a request that is none and ends the connection.
func (c *conn) refuse(err error) {
	var f *fault
	if errors.As(err, &f) {
		text := f.Error()
		body := text
		if f.status == http.StatusNotImplemented {
			body = "Unsupported transfer encoding"
		}
		if _, err := io.WriteString(c.nc, "HTTP/1.1 "+text+errorHeader+body); err == nil {
			c.linger()
		}
	}
	c.close()
}

// What becomes of a connection after an answer.
type outcome int

const (
	goesOn  outcome = iota
	ends            // it is closed
	lingers         // it is closed when the client had time to hear why
	given           // it is somebody else's
)

// answer has the handler answer, and sees to it that the answer goes out.
func (c *conn) answer(x *exchange) outcome {
	c.mu.Lock()
	c.closed = false
	c.mu.Unlock()
	c.served, c.empty = true, 0
	if x.req.Method == http.MethodPost {
		c.empty = maxEmpty
	}
	ok := x.run()
	x.ctx.end()
	if x.hijacked {
		return given
	}
	x.keepDeadlines() // one that comes late would keep the watch
	c.unwatch()
	if !ok {
		x.abandon()
		return ends
	}
	out := x.finish()
	if out == ends && c.in.buffered() > 0 {
		return lingers
	}
	return out
}

// run calls the handler; false: it panicked.
func (x *exchange) run() (ok bool) {
	defer func() {
		if ok {
			return
		}
		v := recover()
		if v == nil {
			x.abandon() // runtime.Goexit: nobody comes after this
			x.ctx.end()
			x.conn.unwatch()
		} else if v != http.ErrAbortHandler { //nolint:errorlint // panics are compared, not unwrapped
			x.conn.srv.ErrorLog.Printf("http: panic serving %v: %v\n%s", x.conn.remote, v, debug.Stack())
		}
	}()
	if x.refusesExpectation() {
		return true
	}
	x.conn.srv.Handler.ServeHTTP(x, &x.req)
	return true
}
