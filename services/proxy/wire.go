package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"

	"github.com/porticod/portico/pkg/upstream"
)

const (
	maxIdle         = 256       // unused connections kept to each upstream
	maxHeader       = 256 << 10 // bytes of an answer's header
	wireBuffer      = 8 << 10   // for each connection and direction
	continueTimeout = time.Second
	maxCheckBody    = 64 << 10
)

// A wire is the connections to one upstream.
type wire struct {
	*http.Transport
	address  upstream.Address
	plain    *plain // nil where the upstream speaks something else
	timeouts Timeouts
	tls      *tlsClient
}

func newWire(a upstream.Address, t Timeouts, c *tlsClient) *wire {
	dialer := &net.Dialer{Timeout: t.Connect}
	protocols := new(http.Protocols)
	if a.Scheme == "h2c" {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	}
	var p *plain
	if a.Scheme == "http" || a.Scheme == "unix" {
		p = newPlain(a, t)
	}
	return &wire{
		address: a, timeouts: t, tls: c, plain: p,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, a.Network, a.Addr)
			},
			Protocols:              protocols,
			TLSClientConfig:        c.config(),
			TLSHandshakeTimeout:    t.Connect,
			ResponseHeaderTimeout:  t.Header,
			IdleConnTimeout:        t.KeepAlive,
			ExpectContinueTimeout:  continueTimeout,
			MaxIdleConnsPerHost:    maxIdle,
			MaxResponseHeaderBytes: maxHeader,
			ReadBufferSize:         wireBuffer,
			WriteBufferSize:        wireBuffer,
			DisableCompression:     true, // what the client accepts is passed on
		},
	}
}

// leave closes the connections that are not used. Exchanges under way go on.
func (w *wire) leave() {
	w.CloseIdleConnections()
	w.plain.leave()
}

// send sends the request of x and returns the answer. now is when.
func (w *wire) send(x *exchange, now time.Time) (*answer, error) {
	host := x.out.host(w.address, x.g.cfg.Host)
	if w.plain.takes(&x.out, host) {
		return w.plain.send(x, host, now)
	}
	r, err := x.out.request(w.address, host)
	if err != nil {
		return nil, err
	}
	hints := &hints{x: x}
	defer hints.end()
	res, err := w.RoundTrip(r.WithContext(httptrace.WithClientTrace(x.context(), &httptrace.ClientTrace{Got1xxResponse: hints.got})))
	if err != nil {
		return nil, err
	}
	x.answer = fromResponse(res, x.lines[:0])
	return &x.answer, nil
}

// check asks an upstream whether it works.
func (g *generation) check(ctx context.Context, a upstream.Address) error {
	h := g.cfg.Health
	url := "http://" + a.Addr
	switch a.Scheme {
	case "https":
		url = "https://" + a.Addr
	case "unix":
		url = "http://localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+h.Path, nil)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	req.Host = h.Host
	req.Header.Set("User-Agent", "portico-check")
	res, err := g.wires[a].RoundTrip(req)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer res.Body.Close()
	// Read, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxCheckBody)); err != nil {
		return fmt.Errorf("check: read the answer: %w", err)
	}
	good := slices.Contains(h.Status, res.StatusCode)
	if len(h.Status) == 0 {
		good = res.StatusCode >= 200 && res.StatusCode < 400
	}
	if !good {
		return fmt.Errorf("check: the answer is %s", res.Status)
	}
	return nil
}
