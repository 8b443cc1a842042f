package mux

import (
	"context"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/http1"
)

// frontKey is the shape of an HTTP server: what cannot change while it runs.
type frontKey struct {
	Front
	tls bool
}

// A front is the HTTP servers of a port: one for HTTP/1, one for HTTP/2. A policy with
// another shape gets a new front; the old serves its connections until they end.
type front struct {
	port    *Port
	key     frontKey
	srv     *http.Server // of HTTP/2
	http1   *http1.Server
	retired atomic.Bool

	mu     sync.RWMutex   // held for reading while a connection is fed in
	closed bool           // guarded by mu: feed no more
	flying sync.WaitGroup // connections inside the splitter

	// It is started by the first connection: a port that nobody uses costs no
	// goroutine.
	once  sync.Once
	split *splitter
}

// maxFrame is the largest frame of HTTP/2 that clients may send: the least that
// the protocol allows (RFC 9113 section 6.5.2), as each costs a buffer.
const maxFrame = 16 << 10

func newFront(p *Port, key frontKey) *front {
	var protos http.Protocols
	protos.SetHTTP2(true)
	protos.SetUnencryptedHTTP2(true)
	errors := log.New(newErrorLog(p.log), "", 0)
	f := &front{port: p, key: key, srv: &http.Server{
		Handler:           http.HandlerFunc(p.serveHTTP),
		ReadHeaderTimeout: key.HeaderTimeout,
		IdleTimeout:       key.IdleTimeout,
		MaxHeaderBytes:    key.MaxHeader,
		Protocols:         &protos,
		HTTP2:             &http.HTTP2Config{MaxReadFrameSize: maxFrame},
		ConnState:         connState,
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			return context.WithValue(ctx, contextKey{}, unwrap(nc))
		},
		ErrorLog: errors,
	}}
	values := context.WithValue(context.Background(), http.ServerContextKey, f.srv)
	f.http1 = &http1.Server{
		Handler:       f.srv.Handler,
		HeaderTimeout: key.HeaderTimeout,
		IdleTimeout:   key.IdleTimeout,
		MaxHeader:     key.MaxHeader,
		Context: func(nc net.Conn) context.Context {
			return connContext{values, unwrap(nc)}
		},
		State:    http1State,
		HTTP2:    f.serveHTTP2,
		ErrorLog: errors,
	}
	return f
}

// connContext is the context of a connection of HTTP/1.
type connContext struct {
	context.Context
	conn *Conn
}

func (c connContext) Value(key any) any {
	switch key {
	case contextKey{}:
		return c.conn
	case http.LocalAddrContextKey:
		return c.conn.LocalAddr()
	}
	return c.Context.Value(key)
}

// serveHTTP2 has the server of HTTP/2 serve a connection, of which begun was read.
func (f *front) serveHTTP2(nc net.Conn, begun []byte) {
	unwrap(nc).h2.Store(true) // also before the first request
	if len(begun) > 0 {
		nc = &begunConn{Conn: nc, begun: begun}
	}
	_ = f.srv.Serve(&single{nc: nc}) // ends at once; the connection goes on
}

// begunConn is a connection whose first bytes were read already.
type begunConn struct {
	net.Conn
	begun []byte // owned by who reads
}

// NetConn is the connection itself.
func (c *begunConn) NetConn() net.Conn { return c.Conn }

func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.begun) > 0 {
		n := copy(p, c.begun)
		c.begun = c.begun[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// single is a listener of one connection.
type single struct{ nc net.Conn }

// Accept implements net.Listener.
func (l *single) Accept() (net.Conn, error) {
	nc := l.nc
	if l.nc = nil; nc == nil {
		return nil, net.ErrClosed
	}
	return nc, nil
}

// Close implements net.Listener. It closes no socket: there is none.
func (l *single) Close() error { return nil }

// Addr implements net.Listener.
func (l *single) Addr() net.Addr { return memoryAddr{} }

// give hands c to the HTTP server; it reports false if the front is closed. nc
// is c or TLS over it.
func (f *front) give(c *Conn, nc net.Conn) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return false
	}
	c.srv.Store(f)
	go f.http1.ServeConn(nc)
	return true
}

// feed puts c into the splitter; it reports false if the front is closed.
func (f *front) feed(c *Conn) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return false
	}
	f.once.Do(func() { f.split = newSplitter(f) })
	f.flying.Add(1)
	c.flight.Store(f)
	if f.split.root.give(c) {
		return true
	}
	c.land()
	return false
}

// retire ends the feeding and, when the splitter is empty, the accepting. It
// does not wait. Idle connections are dropped when they are used or their time
// is up.
func (f *front) retire() {
	f.retired.Store(true)
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	go func() {
		f.flying.Wait() // at most the time for detection
		if f.split != nil {
			f.split.close()
		}
	}()
}

// connState follows the HTTP server's view of its connections.
func connState(nc net.Conn, st http.ConnState) {
	c := unwrap(nc)
	if c == nil {
		return
	}
	switch st {
	case http.StateActive:
		c.setState(StateActive)
	case http.StateIdle:
		if !c.h2.Load() && speaksH2(nc, c) {
			c.h2.Store(true)
		}
		c.setState(StateIdle)
	case http.StateHijacked:
		c.guard.minRate.Store(0) // whose bytes these are now has rules of its own
		c.late = nil             // the server does not wait any more
		c.setState(StateHijacked)
	}
}

// http1State is connState for HTTP/1, which need not ask what is spoken.
func http1State(nc net.Conn, st http.ConnState) {
	c := unwrap(nc)
	if st == http.StateIdle && c != nil {
		c.setState(StateIdle)
	} else if st != http.StateActive || c != nil && State(c.state.Load()) != StateActive {
		connState(nc, st)
	}
}

// errorLog writes what the servers have to say: at debug, because it is about
// clients, and few lines a second; but a panic is ours.
type errorLog struct{ few, all zerolog.Logger }

func newErrorLog(l zerolog.Logger) errorLog {
	return errorLog{few: l.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Second}), all: l}
}

func (l errorLog) Write(b []byte) (int, error) {
	s := strings.TrimSuffix(string(b), "\n")
	if strings.HasPrefix(s, "http: panic") {
		l.all.Error().Msg(s)
	} else {
		l.few.Debug().Msg(s)
	}
	return len(b), nil
}
