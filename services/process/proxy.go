package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/httperr"
)

const (
	// idleConn is how long a connection to the program is kept for the next
	// request. Programs close theirs after 2 seconds or more; who is first must be
	// portico, or a request meets a connection that is closing.
	idleConn = time.Second
	// idleConns are kept at most.
	idleConns = 256
	// maxAnswerHead bounds the headers of an answer.
	maxAnswerHead = 1 << 20
	// demise is how long after a broken connection a program may end for it to
	// count as broken by that.
	demise = 2 * time.Second
	// statusClientGone is in the access log for who did not wait for the answer.
	statusClientGone = 499
)

// newTransport makes connections to one child.
func newTransport(ep *endpoint, patience time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return ep.dial(ctx) },
		DisableCompression:     true, // what the client asked for is what it gets
		MaxIdleConnsPerHost:    idleConns,
		IdleConnTimeout:        idleConn,
		ResponseHeaderTimeout:  patience,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxAnswerHead,
	}
}

func (s *Service) newProxy() *httputil.ReverseProxy {
	few := s.env.Log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Minute})
	return &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      s,
		ModifyResponse: s.began,
		BufferPool:     &buffers{},
		ErrorLog:       log.New(debugWriter{s.env.Log}, "", 0),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			s.fail(w, r, err, &few)
		},
	}
}

// A visit is a request on its way to a child and back.
type visit struct {
	http.ResponseWriter
	service *Service
	child   *child    // that it is with; nil: with none
	body    *body     // of the client; nil: there is none
	backend io.Closer // the program's side of a WebSocket
	forget  func()    // of what lasts
}

type visitKey struct{}

// ServeHTTP hands the request to the program and its answer to the client. It
// waits while no program is ready.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		http.Error(w, "this is no forward proxy", http.StatusMethodNotAllowed)
		return
	}
	v := &visit{ResponseWriter: w, service: s}
	defer v.leave()
	s.proxy.ServeHTTP(v, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
}

// Unwrap lets http.ResponseController reach what is below.
func (v *visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// leave ends the visit.
func (v *visit) leave() {
	if v.forget != nil {
		v.forget()
		v.forget = nil
	}
	if v.child != nil {
		v.service.gate.leave(v.child)
		v.child = nil
	}
}

// Hijack is called by the proxy when the program has agreed to a WebSocket.
func (v *visit) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(v.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	// The deadlines of the HTTP server do not hold for what the connection is now.
	_ = conn.SetDeadline(time.Time{})
	t := newTunnel(conn, rw.Reader, v.backend)
	forget := v.service.hold(v.child, t.end)
	v.forget = func() { t.sever(); forget() }
	return t, rw, nil
}

// rewrite says who asks. The front door has taken out what untrusted clients say
// of themselves, and made the address that of the client.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = "http", "localhost"
	r.Out.URL.RawQuery = r.In.URL.RawQuery // as it came: the program decides what is good
	if !strings.EqualFold(r.Out.Header.Get("Upgrade"), "websocket") || r.In.ContentLength != 0 {
		// Above all not h2c: what goes over it then would be requests that nobody
		// looks into. And a handshake has no body.
		r.Out.Header.Del("Upgrade")
		r.Out.Header.Del("Connection")
	}
	if ip, _, err := net.SplitHostPort(r.In.RemoteAddr); err == nil {
		r.Out.Header.Set("X-Forwarded-For", ip)
	}
	proto := "http"
	if r.In.TLS != nil {
		proto = "https"
	}
	for name, value := range map[string]string{"X-Forwarded-Proto": proto, "X-Forwarded-Host": r.In.Host} {
		if trusted := r.In.Header.Get(name); trusted != "" {
			value = trusted
		}
		r.Out.Header.Set(name, value)
	}
}

// RoundTrip implements http.RoundTripper over whichever child serves. A request
// that met the end of its child goes once to the next one: if it was never sent,
// or if it is safe to send twice.
func (s *Service) RoundTrip(r *http.Request) (res *http.Response, err error) {
	v := r.Context().Value(visitKey{}).(*visit)
	safe := r.Body == nil && (r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions)
	if r.Body != nil {
		r = r.WithContext(r.Context())
		v.body = newBody(r.Body)
		r.Body = v.body
	}
	for again := false; ; again = true {
		if v.child, err = s.gate.enter(r.Context()); err != nil {
			return nil, err
		}
		res, err = v.child.web.Load().RoundTrip(r)
		if err == nil || again || !unsent(err) && !(safe && broken(err)) || v.child.pause(demise) {
			return res, err
		}
		v.leave()
	}
}

// unsent reports whether err means that there was no connection to send on.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// broken reports whether err is what the end of a program looks like.
func broken(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// began looks at an answer whose headers are there, for what may last.
func (s *Service) began(res *http.Response) error {
	v := res.Request.Context().Value(visitKey{}).(*visit)
	if res.StatusCode == http.StatusSwitchingProtocols {
		v.backend = res.Body
		return nil
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/event-stream" {
		events := &eventStream{ReadCloser: res.Body}
		v.forget = s.hold(v.child, events.end)
		res.Body = events
	}
	return nil
}

// fail answers in the program's place.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error, log *zerolog.Logger) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		httperr.Write(w, r, http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit))
	case errors.Is(err, errQueueFull), errors.Is(err, errNotReady), errors.Is(err, errClosed):
		s.metrics.refused.Inc()
		w.Header().Set("Retry-After", "1")
		httperr.Write(w, r, http.StatusServiceUnavailable, "unavailable", "The program behind this address is not ready; try again in a moment.")
	case r.Context().Value(visitKey{}).(*visit).refuse(w, r):
	case r.Context().Err() != nil:
		w.WriteHeader(statusClientGone)
	case errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err):
		log.Warn().Err(err).Msg("the program does not answer")
		httperr.Write(w, r, http.StatusGatewayTimeout, "timeout", "The program behind this address did not answer in time.")
	default:
		log.Warn().Err(err).Msg("the program gave no answer")
		httperr.Write(w, r, http.StatusBadGateway, "bad_gateway", "The program behind this address gave no answer.")
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// buffers are reused between answers.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// debugWriter is where net/http says what it would print.
type debugWriter struct{ log zerolog.Logger }

func (d debugWriter) Write(p []byte) (int, error) {
	d.log.Debug().Msg(strings.TrimSpace(string(p)))
	return len(p), nil
}
