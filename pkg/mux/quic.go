package mux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// QUICKeys let a process tell clients of the one before it that their
// connections are gone, so that they need not wait for it (RFC 9000 section
// 10.3), and keep their tokens good.
type QUICKeys struct{ Reset, Token [32]byte }

const (
	quicHandshake = 5 * time.Second
	quicStreams   = 100 // requests at a time of one connection
	quicUnproved  = 64  // handshakes a second from addresses that may be forged
	quicPoll      = 5 * time.Millisecond
)

// QUIC is HTTP/3 on one socket. It lives as long as the socket, whatever port
// uses it.
type QUIC struct {
	transport *quic.Transport
	listener  *quic.Listener
	port      atomic.Pointer[Port] // nil: connections are refused
	active    atomic.Int64         // requests
	unproved  window
	done      sync.WaitGroup

	mu     sync.Mutex
	server *http3Server // guarded by mu; nil before the first connection
	closed bool         // guarded by mu
}

// http3Server is a server with what it cannot change.
type http3Server struct {
	*http3.Server
	maxHeader int
	idle      time.Duration
}

// NewQUIC reads from pc alone until Close; closing pc is the caller's.
func NewQUIC(pc net.PacketConn, keys QUICKeys) (*QUIC, error) {
	q := &QUIC{}
	reset, token := quic.StatelessResetKey(keys.Reset), quic.TokenGeneratorKey(keys.Token)
	q.transport = &quic.Transport{
		Conn: pc, StatelessResetKey: &reset, TokenGeneratorKey: &token,
		VerifySourceAddress: func(net.Addr) bool { return q.unproved.over(time.Now(), quicUnproved) },
		ConnContext:         q.admit,
	}
	var err error
	// No 0-RTT: whoever recorded it could send a request again.
	q.listener, err = q.transport.Listen(&tls.Config{GetConfigForClient: q.tlsFor}, &quic.Config{
		HandshakeIdleTimeout: quicHandshake, MaxIncomingStreams: quicStreams, RequireStreamCreditRelease: true,
	})
	if err != nil {
		return nil, fmt.Errorf("serve QUIC on %s: %w", pc.LocalAddr(), err)
	}
	q.done.Go(q.accept)
	return q, nil
}

// SetPort says whose policy holds for connections and requests from now on.
func (q *QUIC) SetPort(p *Port) { q.port.Store(p) }

var errNoHTTP3 = errors.New("no HTTP/3 is served here")

func (q *QUIC) state() (*Port, *state, error) {
	p := q.port.Load()
	if p == nil {
		return nil, nil, errNoHTTP3
	}
	s := p.state.Load()
	if s == nil || s.tls == nil || !s.HTTP3 {
		return nil, nil, errNoHTTP3
	}
	return p, s, nil
}

func (q *QUIC) tlsFor(*tls.ClientHelloInfo) (*tls.Config, error) {
	_, s, err := q.state()
	if err != nil {
		return nil, err
	}
	return s.tls.quic, nil
}

// accept hands connections to the server until the listener is closed.
func (q *QUIC) accept() {
	for {
		c, err := q.listener.Accept(context.Background())
		if err != nil {
			return
		}
		srv := q.serverNow()
		if srv == nil {
			_ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
			continue
		}
		q.done.Go(func() { _ = srv.ServeQUICConn(c) }) // its error is about the client
	}
}

// serverNow is the server with the settings of now; the one before ends as its
// clients turn to the new one.
func (q *QUIC) serverNow() *http3Server {
	_, s, err := q.state()
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil || q.closed {
		return nil
	}
	old := q.server
	if old != nil && old.maxHeader == s.Front.MaxHeader && old.idle == s.Front.IdleTimeout {
		return old
	}
	q.server = &http3Server{
		Server: &http3.Server{
			Handler: http.HandlerFunc(q.serveHTTP), MaxHeaderBytes: s.Front.MaxHeader, IdleTimeout: s.Front.IdleTimeout,
			ConnContext: func(ctx context.Context, c *quic.Conn) context.Context {
				if qc := quicFrom(ctx); qc != nil {
					qc.begun(c)
				}
				return ctx
			},
		},
		maxHeader: s.Front.MaxHeader, idle: s.Front.IdleTimeout,
	}
	if old != nil {
		q.done.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), old.idle)
			defer cancel()
			_ = old.Shutdown(ctx)
		})
	}
	return q.server
}

func (q *QUIC) serveHTTP(w http.ResponseWriter, r *http.Request) {
	q.active.Add(1)
	defer q.active.Add(-1)
	_, s, err := q.state()
	if err != nil {
		http.Error(w, err.Error(), http.StatusMisdirectedRequest)
		return
	}
	s.answer(w, r)
}

// Close tells clients to go, waits for requests in progress until ctx ends, and
// ends all connections.
func (q *QUIC) Close(ctx context.Context) {
	q.mu.Lock()
	q.closed = true
	srv := q.server
	q.mu.Unlock()
	if srv != nil {
		q.done.Go(func() { _ = srv.Shutdown(ctx) })
		for tick := time.NewTicker(quicPoll); q.active.Load() > 0 && ctx.Err() == nil; <-tick.C {
		}
		_ = srv.Close()
	}
	_ = q.listener.Close()
	_ = q.transport.Close()
	q.done.Wait()
}

type quicKey struct{}

// quicConn is a connection as its requests find it.
type quicConn struct {
	*session
	port *Port                     // that counted it; the socket may have another by now
	conn atomic.Pointer[quic.Conn] // nil until the handshake is done
}

func quicFrom(ctx context.Context) *quicConn {
	c, _ := ctx.Value(quicKey{}).(*quicConn)
	return c
}

// QUICVerdict is what is known of the HTTP/3 connection of a request.
func QUICVerdict(ctx context.Context) (v Verdict, ok bool) {
	qc := quicFrom(ctx)
	if qc == nil {
		return v, false
	}
	v = Verdict{Protocol: HTTP3, ALPN: []string{http3.NextProtoH3}}
	if c := qc.conn.Load(); c != nil {
		v.SNI = c.ConnectionState().TLS.ServerName
	}
	return v, true
}

// admit applies the port's limits to a connection that begins. ctx ends with it.
func (q *QUIC) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	p, s, err := q.state()
	if err != nil {
		return nil, err
	}
	c, reason := p.openSession(s, info.RemoteAddr, HTTP3)
	if c == nil {
		return nil, errors.New(reason)
	}
	context.AfterFunc(ctx, func() { p.closeSession(c) })
	return context.WithValue(ctx, quicKey{}, &quicConn{session: c, port: p}), nil
}

// begun notes the connection whose handshake is done.
func (c *quicConn) begun(conn *quic.Conn) {
	c.conn.Store(conn)
	c.port.mu.Lock()
	defer c.port.mu.Unlock()
	c.traffic = func() (net.Addr, int64, int64) {
		st := conn.ConnectionStats()
		return conn.LocalAddr(), int64(st.BytesReceived), int64(st.BytesSent)
	}
}

// A window counts events within a second.
type window struct {
	mu    sync.Mutex
	since time.Time // guarded by mu
	n     int       // guarded by mu
}

// over counts one at now, and reports whether it is above limit.
func (w *window) over(now time.Time, limit int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Sub(w.since) >= time.Second {
		w.since, w.n = now, 0
	}
	w.n++
	return w.n > limit
}
