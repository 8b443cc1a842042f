package mux

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// serveHTTPConn hands c to the HTTP server of the port as it is now.
func (p *Port) serveHTTPConn(c *Conn) {
	nc := p.forHTTP(c)
	for !p.isClosed() {
		if p.state.Load().front.give(c, nc) {
			p.handed(c)
			return
		}
	}
	p.refuse(c, refusedClosed)
}

func (p *Port) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// forHTTP makes c ready for an HTTP server: with TLS where it was chosen. The
// server itself shakes hands, in the connection's goroutine.
func (p *Port) forHTTP(c *Conn) net.Conn {
	s := p.state.Load()
	c.guard.limit.Store(int64(s.Front.WriteTimeout))
	c.guard.minRate.Store(s.Front.MinRate)
	if c.choice().Terminate && s.tls != nil {
		c.setState(StateHandshake)
		return tls.Server(c, s.tls.http)
	}
	c.setState(StateNew)
	return c
}

// serveRaw hands c to its raw service and closes it afterwards.
func (p *Port) serveRaw(c *Conn) {
	defer c.Close()
	p.handed(c)
	s := p.state.Load()
	choice := c.choice()
	if choice.Raw == nil {
		c.ticket.stats.refused(refusedUnmatched)
		return
	}
	var nc net.Conn = c
	if choice.Terminate && s.tls != nil {
		c.setState(StateHandshake)
		tc := tls.Server(c, s.tls.forRaw(choice.ALPN))
		ctx, cancel := context.WithTimeout(p.ctx, s.Front.HeaderTimeout)
		err := tc.HandshakeContext(ctx)
		cancel()
		if err != nil {
			c.ticket.stats.refused(refusedHandshake)
			p.log.Debug().Err(err).Stringer("peer", c.RemoteAddr()).Msg("TLS handshake failed")
			return
		}
		nc = tlsConn{tc}
	}
	c.setState(StateRaw)
	if a := c.ClientAddr(); s.Pace != nil && !exempt(a) {
		nc = pacedConn{nc, p.ctx, a, s.Pace}
	}
	defer func() {
		if v := recover(); v != nil {
			p.log.Error().Interface("panic", v).Bytes("stack", debug.Stack()).Msg("raw service panicked")
		}
	}()
	choice.Raw(context.WithValue(p.ctx, contextKey{}, c), nc)
}

// tlsConn is what a raw service gets inside TLS. It hides NetConn, through
// which the service would move bytes past the encryption.
type tlsConn struct{ c *tls.Conn }

func (t tlsConn) Read(b []byte) (int, error)         { return t.c.Read(b) }
func (t tlsConn) Write(b []byte) (int, error)        { return t.c.Write(b) }
func (t tlsConn) Close() error                       { return t.c.Close() }
func (t tlsConn) CloseWrite() error                  { return t.c.CloseWrite() }
func (t tlsConn) LocalAddr() net.Addr                { return t.c.LocalAddr() }
func (t tlsConn) RemoteAddr() net.Addr               { return t.c.RemoteAddr() }
func (t tlsConn) SetDeadline(d time.Time) error      { return t.c.SetDeadline(d) }
func (t tlsConn) SetReadDeadline(d time.Time) error  { return t.c.SetReadDeadline(d) }
func (t tlsConn) SetWriteDeadline(d time.Time) error { return t.c.SetWriteDeadline(d) }

// ConnectionState is that of the TLS session.
func (t tlsConn) ConnectionState() tls.ConnectionState { return t.c.ConnectionState() }

// tlsConfigs is a policy's TLS as the port uses it.
type tlsConfigs struct {
	given *tls.Config
	http  *tls.Config
	quic  *tls.Config

	mu  sync.Mutex
	raw map[string]*tls.Config // guarded by mu; by ALPN, of which routes name few
}

// newTLSConfigs copies given, or keeps the copy that old has of it: a copy has
// keys for session tickets of its own.
func newTLSConfigs(given *tls.Config, old *state) *tlsConfigs {
	if old != nil && old.tls != nil && old.tls.given == given {
		return old.tls
	}
	h := given.Clone()
	h.NextProtos = []string{"h2", "http/1.1"}
	for _, proto := range given.NextProtos { // such as acme-tls/1
		if !slices.Contains(h.NextProtos, proto) {
			h.NextProtos = append(h.NextProtos, proto)
		}
	}
	q := given.Clone()
	q.MinVersion, q.NextProtos = tls.VersionTLS13, []string{http3.NextProtoH3}
	return &tlsConfigs{given: given, http: h, quic: q, raw: map[string]*tls.Config{}}
}

// forRaw is the configuration for a raw service.
func (t *tlsConfigs) forRaw(alpn []string) *tls.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := strings.Join(alpn, " ")
	c := t.raw[key]
	if c == nil {
		c = t.given.Clone()
		c.NextProtos = alpn
		t.raw[key] = c
	}
	return c
}

// speaksH2 reports whether HTTP/2 was agreed on.
func speaksH2(nc net.Conn, c *Conn) bool {
	if tc, ok := nc.(*tls.Conn); ok {
		return tc.ConnectionState().NegotiatedProtocol == "h2"
	}
	return c.Verdict().Protocol == HTTP2
}

// serveHTTP is the handler of every front. The policy's handler is looked up
// for each request, so that a reload holds from the next one on.
func (p *Port) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s := p.state.Load()
	c := FromContext(r.Context())
	if r.ProtoMajor >= 2 {
		c.h2.Store(true)
	}
	// net/http hides a Content-Length that came beside Transfer-Encoding, and
	// Transfer-Encoding altogether in HTTP/1.0. What follows such a request may be
	// what another proxy took for its body, or, after CONNECT, for a tunnel.
	if c.Retired() || r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0 || r.Method == http.MethodConnect) {
		w.Header().Set("Connection", "close")
	}
	if c.plain {
		s.refusePlain(w, r)
		return
	}
	if r.RequestURI == "*" && r.Method == http.MethodOptions { // asks of the server, RFC 9110 section 9.3.7
		w.Header().Set("Content-Length", "0")
		return
	}
	if s.AltSvc != "" && r.TLS != nil {
		w.Header().Set("Alt-Svc", s.AltSvc)
	}
	s.answer(w, r)
}

// answer has the policy's handler answer.
func (s *state) answer(w http.ResponseWriter, r *http.Request) {
	if s.HTTP == nil {
		http.Error(w, "nothing is served here", http.StatusNotFound)
		return
	}
	if r.Body == nil || r.Body == http.NoBody {
		s.HTTP.ServeHTTP(w, r)
		return
	}
	b := newPatientBody(w, r, s)
	r.Body = b
	s.HTTP.ServeHTTP(w, r)
}

// refusePlain answers plain HTTP on a TLS port.
func (s *state) refusePlain(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingering)) // of a body
	if s.RedirectHTTP && r.Host != "" {
		u := *r.URL
		u.Scheme, u.Host = "https", r.Host
		http.Redirect(w, r, u.String(), http.StatusPermanentRedirect)
		return
	}
	http.Error(w, "this port speaks HTTPS; use https:// instead of http://", http.StatusBadRequest)
}
