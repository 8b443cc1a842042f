package mux_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/mux"
)

// rig is a port that is being served on a socket.
type rig struct {
	*mux.Port
	t       testing.TB
	ln      net.Listener
	metrics *mux.Metrics
	log     *buffer.Buffer
}

// serve makes a port with policy pol on loopback.
func serve(t testing.TB, pol mux.Policy) *rig {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, pol)
}

// serveUnix is serve with a unix socket.
func serveUnix(t testing.TB, pol mux.Policy) *rig {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, pol)
}

func serveOn(t testing.TB, ln net.Listener, pol mux.Policy) *rig {
	r := &rig{t: t, ln: ln, metrics: mux.NewMetrics(), log: &buffer.Buffer{}}
	r.Port = mux.NewPort(zerolog.New(r.log), r.metrics)
	if pol.Listener == "" {
		pol.Listener = "test"
	}
	if pol.Choose == nil {
		pol.Choose = choose
	}
	if pol.HTTP == nil {
		pol.HTTP = http.HandlerFunc(hello)
	}
	r.Apply(pol)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			r.Serve(nc)
		}
	}()
	t.Cleanup(func() { ln.Close(); r.Abort() })
	return r
}

func (r *rig) addr() string { return r.ln.Addr().String() }

func (r *rig) dial() net.Conn {
	r.t.Helper()
	nc, err := net.Dial(r.ln.Addr().Network(), r.addr())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(wait.Patience))
	return nc
}

// metric sums a metric's values over what has the label value, or over all.
func (r *rig) metric(name, value string) (sum float64) {
	r.t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r.metrics)
	fams, err := reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range fams {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if value == "" || hasLabel(m, value) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func hasLabel(m *dto.Metric, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetValue() == value {
			return true
		}
	}
	return false
}

// refused waits until n connections were refused for reason.
func (r *rig) refused(reason string, n float64) {
	r.t.Helper()
	wait.Until(r.t, fmt.Sprintf("%v connections refused for %q", n, reason), func() bool {
		return r.metric("portico_listener_refused_total", reason) == n
	})
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Peer", r.RemoteAddr)
	io.WriteString(w, "hello "+r.Proto)
}

func echo(_ context.Context, c net.Conn) { io.Copy(c, c); c.Close() }

// choose gives HTTP to HTTP and everything else to echo.
func choose(_ *mux.Conn, v mux.Verdict) mux.Choice {
	switch v.Protocol {
	case mux.HTTP1, mux.HTTP2:
		return mux.Choice{HTTP: true, Label: "web"}
	}
	return mux.Choice{Raw: echo, Label: "echo"}
}

// exchange sends what over a new connection and returns all that comes back
// after the sending half was closed.
func (r *rig) exchange(what string) string {
	r.t.Helper()
	nc := r.dial()
	io.WriteString(nc, what)
	nc.(interface{ CloseWrite() error }).CloseWrite()
	b, err := io.ReadAll(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// get sends a request over nc and returns the answer and its body.
func get(t testing.TB, nc net.Conn, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return answer(t, br)
}

func answer(t testing.TB, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{certificate()}} }

func clientTLS(alpn ...string) *tls.Config {
	return &tls.Config{ServerName: "a.test", InsecureSkipVerify: true, NextProtos: alpn}
}

func tlsClient(nc net.Conn) net.Conn { return tls.Client(nc, clientTLS("http/1.1")) }
