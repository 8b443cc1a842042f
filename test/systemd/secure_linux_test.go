package systemd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// secure is where portico ends TLS: for the web, and below /v1/ for the chat.
const secure = "127.0.0.1:443"

// A pin is the certificate that the server showed first. Clients believe no
// other one, whatever happens to the process.
type pin struct {
	mu   sync.Mutex
	cert []byte // guarded by mu
}

func (p *pin) config(protos ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, VerifyConnection: p.verify, NextProtos: protos, ServerName: "localhost"}
}

func (p *pin) verify(s tls.ConnectionState) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := s.PeerCertificates[0].Raw
	if p.cert == nil {
		p.cert = shown
	}
	if !bytes.Equal(p.cert, shown) {
		return errors.New("the server shows another certificate than at first")
	}
	return nil
}

// dialTLS connects and shakes hands.
func dialTLS(cfg *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	nc, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", secure)
	if err != nil {
		return nil, err
	}
	return nc.(*tls.Conn), nil
}

// A secureLoad is clients over TLS: those that connect for each request, one that
// keeps its connection, and several that share one of HTTP/2.
type secureLoad struct {
	pin                 pin
	fresh, kept, shared counter
	again               atomic.Int64 // requests of HTTP/2 that were sent once more, see unprocessed
	whole               atomic.Int64 // handshakes of the client that remembers its session which did not resume it
}

// How many clients start sets going: with a connection each, and over one.
const (
	secureClients = 3
	streams       = 4
)

// start sets clients going, as clients of l.
func (s *secureLoad) start(l *load) {
	stranger, returning := s.pin.config(), s.pin.config()
	returning.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for _, cfg := range []*tls.Config{stranger, returning} {
		l.wg.Go(func() { l.loop(&s.fresh, func() error { return s.once(cfg) }) })
	}
	l.wg.Go(func() {
		k := &keeper{dial: func() (net.Conn, error) { return dialTLS(s.pin.config()) }}
		defer k.close()
		l.loop(&s.kept, k.request)
	})
	l.wg.Go(func() {
		m := &multiplex{cfg: s.pin.config("h2")}
		defer m.close()
		var all sync.WaitGroup
		for range streams {
			all.Go(func() { l.loop(&s.shared, func() error { return m.request(&s.again) }) })
		}
		all.Wait()
	})
}

// once makes a request over a connection of its own.
func (s *secureLoad) once(cfg *tls.Config) error {
	nc, err := dialTLS(cfg)
	if err != nil {
		return err
	}
	defer nc.Close()
	if cfg.ClientSessionCache != nil && !nc.ConnectionState().DidResume {
		s.whole.Add(1)
	}
	_, err = exchange(nc, bufio.NewReader(nc), "Connection: close\r\n")
	return err
}

// A multiplex is one connection of HTTP/2 that several clients share, for as long
// as it takes requests.
type multiplex struct {
	cfg *tls.Config

	mu sync.Mutex
	cc *http.ClientConn // guarded by mu; nil: none yet
}

// request makes one request, over the next connection as well where the server
// said that it has not begun with it. Nothing else is sent again.
func (m *multiplex) request(again *atomic.Int64) error {
	for end := time.Now().Add(requestTime); ; again.Add(1) {
		cc, err := m.conn()
		if err != nil {
			return err
		}
		if err = stream(cc); !unprocessed(err) || time.Now().After(end) {
			return err
		}
	}
}

// conn returns the connection with room for one request, a new one where the last
// ended or takes no more.
func (m *multiplex) conn() (*http.ClientConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cc != nil && m.cc.Reserve() == nil {
		return m.cc, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	t := &http.Transport{
		Protocols:      new(http.Protocols),
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return dialTLS(m.cfg) },
	}
	t.Protocols.SetHTTP2(true)
	cc, err := t.NewClientConn(ctx, "https", secure)
	if err != nil {
		return nil, err
	}
	m.cc = cc
	return cc, cc.Reserve()
}

func (m *multiplex) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cc != nil {
		_ = m.cc.Close()
	}
}

// stream makes a request over a connection that has room for it.
func stream(cc *http.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://portico.test/", nil)
	if err != nil {
		return err
	}
	res, err := cc.RoundTrip(req)
	if err != nil {
		return ended(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(body) != answer) {
		err = fmt.Errorf("answered %s %q", res.Status, body)
	}
	return err
}

// ended says of an error that the connection was cut, where the library says that
// it closed it itself: it does so when another request of it could not be written.
func ended(err error) error {
	if err.Error() == "http2: client connection force closed via ClientConn.Close" {
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return err
}

// unprocessed reports whether a request failed in a way that says that the server
// has not begun with it, so that sending it again is part of the protocol (RFC
// 9113 section 8.7): its stream is above the last that a GOAWAY names, or it was
// refused (REFUSED_STREAM), or the connection had ended before anything was sent.
// The library has no names for the first and the last.
func unprocessed(err error) bool {
	if err == nil {
		return false
	}
	var se http2.StreamError
	return errors.As(err, &se) && se.Code == http2.ErrCodeRefusedStream ||
		err.Error() == "http2: Transport received Server's graceful shutdown GOAWAY" ||
		err.Error() == "http2: client conn not usable"
}
