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
)

// frontKey is the shape of an HTTP server: what cannot change while it runs.
type frontKey struct {
	Front
	tls bool
}

// A front is an HTTP server and what feeds it. A policy with another shape gets
// a new one; the old serves its connections until they end.
type front struct {
	port    *Port
	key     frontKey
	srv     *http.Server
	retired atomic.Bool

	mu     sync.RWMutex   // held for reading while a connection is fed in
	closed bool           // guarded by mu: feed no more
	flying sync.WaitGroup // connections inside the splitter

	// Both are started by the first connection: a port that nobody uses costs
	// no goroutine.
	once   struct{ direct, split sync.Once }
	direct *handoff
	split  *splitter
}

// maxFrame is the largest frame of HTTP/2 that clients may send: the least that
// the protocol allows (RFC 9113 section 6.5.2), as each costs a buffer.
const maxFrame = 16 << 10

func newFront(p *Port, key frontKey) *front {
	var protos http.Protocols
	protos.SetHTTP1(true)
	protos.SetHTTP2(true)
	protos.SetUnencryptedHTTP2(true)
	return &front{port: p, key: key, srv: &http.Server{
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
		ErrorLog: log.New(newErrorLog(p.log), "", 0),
	}}
}

func (f *front) serve(l net.Listener) {
	_ = f.srv.Serve(l) // ends when l is closed, and only then
}

// give hands c to the HTTP server; it reports false if the front is closed. nc
// is c or TLS over it.
func (f *front) give(c *Conn, nc net.Conn) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return false
	}
	f.once.direct.Do(func() {
		f.direct = newHandoff()
		go f.serve(f.direct)
	})
	c.srv.Store(f)
	return f.direct.give(nc)
}

// feed puts c into the splitter; it reports false if the front is closed.
func (f *front) feed(c *Conn) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return false
	}
	f.once.split.Do(func() {
		f.split = newSplitter(f.port)
		go f.serve(f.split.http)
	})
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
		if f.direct != nil {
			f.direct.Close()
		}
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
		c.setState(StateHijacked)
	}
}

// errorLog writes what net/http has to say: at debug, because it is about
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
