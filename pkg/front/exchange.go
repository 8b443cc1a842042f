package front

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/guard"
	"github.com/porticod/portico/pkg/httperr"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/route"
)

// An exchange is a request and its answer. It is the ResponseWriter that
// services get; it keeps the abilities of the one below, sendfile included.
type exchange struct {
	http.ResponseWriter
	request  *http.Request
	conn     *mux.Conn
	verdict  mux.Verdict
	peer     netip.Addr // of the connection, after a PROXY header
	addr     netip.Addr // of the client, after trusted proxies; invalid for a unix peer
	id       string
	start    time.Time
	settings *Settings
	target   *route.Target
	counters *Counters

	status   int
	sent     int64
	received countingBody
	wrote    bool
	hijacked bool
	deadline time.Time // of the write, not HTTP/1
	flow     flow
}

func newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{ResponseWriter: w, request: r, conn: connOf(r), start: time.Now()}
	if x.conn != nil {
		x.verdict, x.peer = x.conn.Verdict(), x.conn.ClientAddr()
		x.addr = x.peer
		return x
	}
	if v, ok := mux.QUICVerdict(r.Context()); ok {
		x.verdict = v
	}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		x.peer = ap.Addr().Unmap()
		x.addr = x.peer
	}
	return x
}

// serve calls the target's service; false: it was retired, nothing was written.
func (x *exchange) serve(t *route.Target) bool {
	x.target = t
	x.counters, _ = t.Extra.(*Counters)
	if x.counters != nil {
		x.counters.inFlight.Inc()
		defer x.counters.inFlight.Dec()
	}
	if t.Guard != nil && !t.Guard.Admit(x, x.visit()) {
		return true
	}
	return t.HTTP(x, x.request)
}

// visit is the request as a guard sees it.
func (x *exchange) visit() guard.Visit {
	return guard.Visit{Request: x.request, Client: x.addr, Fail: x.fail}
}

// admit names the request and believes forwarded headers only from proxies
// that are trusted; services may believe what is left.
func (x *exchange) admit(s *Settings) {
	x.settings = s
	h := x.request.Header
	trusted := contains(s.TrustedProxies, x.peer)
	if trusted {
		x.id = h.Get("X-Request-Id")
	}
	if !validID(x.id) {
		x.id = newID()
	}
	id := []string{x.id}
	h["X-Request-Id"], x.Header()["X-Request-Id"] = id, id
	if !trusted {
		for _, k := range forwarded {
			delete(h, k)
		}
		return
	}
	if client, ok := clientOf(h["X-Forwarded-For"], s.TrustedProxies); ok {
		x.addr = client
		x.request.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	}
}

var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-Ip"}

// clientOf is the rightmost address that is no trusted proxy: everything to
// its left may be made up.
func clientOf(values []string, trusted []netip.Prefix) (client netip.Addr, ok bool) {
	list := strings.Split(strings.Join(values, ","), ",")
	for i := len(list) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(list[i]))
		if err != nil {
			return client, ok
		}
		client, ok = a.Unmap(), true
		if !contains(trusted, client) {
			return client, true
		}
	}
	return client, ok
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// newID needs to be like no other, not to be a secret: the runtime's own generator takes
// no system call, which crypto/rand does before Linux 6.11.
func newID() string {
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:], rand.Uint64())
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64())
	var s [2 * len(b)]byte
	hex.Encode(s[:], b[:])
	return string(s[:])
}

func validID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// limitBody bounds the request body in size; false: it was
// refused already.
func (x *exchange) limitBody(s *Settings) bool {
	r := x.request
	if s.MaxBody > 0 && r.ContentLength > s.MaxBody {
		s.Limited.count(limitedBody)
		x.Header().Set("Connection", "close") // rather than reading what is refused
		x.fail(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("The request body is larger than %d bytes.", s.MaxBody))
		return false
	}
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	if s.MaxBody > 0 {
		r.Body = http.MaxBytesReader(x.ResponseWriter, r.Body, s.MaxBody)
	}
	x.received.ReadCloser = r.Body
	r.Body = &x.received
	return true
}

// countingBody counts a request body. That it makes progress is the port's
// affair. A service may read it while it writes, and a little longer.
type countingBody struct {
	io.ReadCloser
	n atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// WriteHeader notes the status.
func (x *exchange) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		if x.wrote {
			return // a second status is the handler's mistake; the first was sent
		}
		x.status, x.wrote = code, true
		x.settleConnection()
	}
	x.ResponseWriter.WriteHeader(code)
}

// settleConnection keeps an answer over HTTP/3 from speaking of the connection, which
// makes it malformed: RFC 9114 section 4.2.
func (x *exchange) settleConnection() {
	if x.request.ProtoMajor >= 3 {
		x.Header().Del("Connection")
	}
}

// Write writes a part of the body.
func (x *exchange) Write(p []byte) (int, error) {
	if x.flow.part > 0 {
		return x.writeParts(p)
	}
	x.begin()
	return x.writePart(p)
}

func (x *exchange) writePart(p []byte) (int, error) {
	n, err := x.ResponseWriter.Write(p)
	x.sent += int64(n)
	return n, err
}

// ReadFrom keeps sendfile within reach: io.Copy finds it here, and the
// connection's own ReadFrom below.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) {
	switch {
	case x.request.ProtoMajor >= 2:
		return io.Copy(onlyWriter{x}, src)
	case x.flow.part > 0:
		x.begin()
		return x.readParts(src)
	}
	x.begin()
	return x.readPart(src)
}

func (x *exchange) readPart(src io.Reader) (int64, error) {
	var n int64
	var err error
	// Not io.Copy: it would ask src to write itself, which hides the file that
	// sendfile needs.
	if rf, ok := x.ResponseWriter.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(src)
	} else {
		n, err = io.Copy(onlyWriter{x.ResponseWriter}, src)
	}
	x.sent += n
	return n, err
}

type onlyWriter struct{ io.Writer }

// begin notes that the body begins, and that an HTTP/2 stream must make
// progress: its connection may be kept busy by others.
func (x *exchange) begin() {
	if !x.wrote {
		x.status, x.wrote = http.StatusOK, true
		x.settleConnection()
	}
	if x.request.ProtoMajor >= 2 && x.settings != nil && x.settings.WriteTimeout > 0 {
		if now := time.Now(); x.deadline.Sub(now) < x.settings.WriteTimeout/2 {
			x.deadline = now.Add(x.settings.WriteTimeout)
			_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(x.deadline)
		}
	}
}

// FlushError sends what is buffered; http.ResponseController finds it.
func (x *exchange) FlushError() error {
	x.begin()
	return http.NewResponseController(x.ResponseWriter).Flush()
}

// Flush is FlushError for those who still ask for an http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// Hijack hands the connection over; from then on it belongs to the service.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNoHijack, err)
	}
	x.hijacked, x.status = true, http.StatusSwitchingProtocols
	if x.conn != nil {
		x.conn.SetService(x.service())
	}
	return c, rw, nil
}

// Unwrap lets http.ResponseController reach deadlines and full duplex.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// fail answers with an error of the front door: one line of text, or JSON for
// who asks for it.
func (x *exchange) fail(status int, code, message string) {
	httperr.Write(x, x.request, status, code, message)
}

// client is the client's address as text; empty for a unix peer.
func (x *exchange) client() string {
	if !x.addr.IsValid() {
		return ""
	}
	return x.addr.String()
}

func (x *exchange) service() string {
	if x.target == nil {
		return ""
	}
	return x.target.Service
}

// account writes the access line and the metrics.
func (x *exchange) account(log *accesslog.Log) {
	took := time.Since(x.start)
	if x.status == 0 {
		x.status = http.StatusOK // what net/http sends for a handler that wrote nothing
	}
	if x.counters != nil {
		x.counters.observe(x.status, took, x.received.n.Load(), x.sent)
	}
	if x.request.URL.Path == "/healthz" && x.status == http.StatusOK || log == nil {
		return
	}
	e := accesslog.Entry{
		Service: x.service(), Peer: x.client(), Start: x.start, Duration: took,
		BytesIn: x.received.n.Load(), BytesOut: x.sent, RequestID: x.id,
		Method: x.request.Method, Host: x.request.Host, Path: x.request.URL.Path, Proto: x.request.Proto,
		Status: x.status, UserAgent: x.request.UserAgent(), Referer: x.request.Referer(),
	}
	if x.settings != nil {
		e.Listener = x.settings.Listener
	}
	if x.target != nil {
		e.Route = x.target.Label
	}
	log.Write(&e)
}

func stack() []byte { return debug.Stack() }
