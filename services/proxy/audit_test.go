package proxy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/services/proxy"
)

// writePair makes a certificate for itself and writes it and its key into files.
func writePair(t testing.TB) (cert, key settings.Path, pool *x509.CertPool) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for name, b := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return settings.Path(filepath.Join(dir, "cert")), settings.Path(filepath.Join(dir, "key")), pool
}

func TestClientCertificate(t *testing.T) {
	cert, key, pool := writePair(t)
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].DNSNames[0])
	}))
	up.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	up.StartTLS()
	t.Cleanup(up.Close)
	_, _, srv := open(t, one(up.URL, func(c *proxy.Config) { c.TLS = proxy.TLS{CA: writeCA(t, up), Certificate: cert, Key: key} }))
	expect(t, get(t, srv, "/"), "200 client")
	_, _, srv = open(t, one(up.URL, func(c *proxy.Config) { c.TLS.CA = writeCA(t, up) }))
	if got := get(t, srv, "/"); !strings.HasPrefix(got, "502 ") {
		t.Error(got)
	}
	for _, bad := range []proxy.TLS{{Certificate: cert}, {Key: key}, {Certificate: key, Key: cert}, {Certificate: cert, Key: "/none"}} {
		cfg := one(up.URL, func(c *proxy.Config) { c.TLS = bad })
		if err := cfg.Validate(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestWebSocketToATLSUpstream(t *testing.T) {
	up := httptest.NewUnstartedServer(http.HandlerFunc(application))
	up.EnableHTTP2 = true
	up.StartTLS()
	t.Cleanup(up.Close)
	_, _, srv := open(t, one(up.URL, func(c *proxy.Config) { c.TLS.Insecure = true }))
	get(t, srv, "/") // an HTTP/2 connection is there, and must not be used
	c := connect(t, srv.Addr)
	if err := c.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	expect(t, c.next(t), "hello")
}

// HTTP/1.0 knows no upgrades.
func TestUpgradeOverHTTP10(t *testing.T) {
	_, _, srv := open(t, one(backend(t, show)))
	c := dial(t, srv.Addr)
	fmt.Fprint(c, "GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if res.StatusCode != 200 || err != nil || strings.Contains(string(b), "Upgrade") {
		t.Errorf("%s %s %v", res.Status, b, err)
	}
}

func TestMaxForwards(t *testing.T) {
	_, _, srv := open(t, one(backend(t, show)))
	if got := ask(t, srv, request(t, "OPTIONS", srv.URL, nil, "Max-Forwards: 2")); got.Header.Get("Max-Forwards") != "1" {
		t.Errorf("%v", got.Header)
	}
	if res, _ := do(t, srv, request(t, "TRACE", srv.URL, nil, "Max-Forwards: 0")); res.StatusCode != 204 {
		t.Error(res.Status)
	}
	if got := ask(t, srv, request(t, "GET", srv.URL, nil, "Max-Forwards: 0")); got.Header.Get("Max-Forwards") != "0" {
		t.Errorf("%v", got.Header)
	}
}

// A small body that could not be sent goes to the next upstream; one that was sent
// does not, because nobody knows what came of it.
func TestSmallBodiesAndRetries(t *testing.T) {
	var calls atomic.Int32
	broken := func() string {
		return backend(t, func(http.ResponseWriter, *http.Request) {
			calls.Add(1)
			panic(http.ErrAbortHandler)
		})
	}
	body := strings.Repeat("x", 10_000)
	for range 4 {
		_, _, srv := open(t, config([]string{refused(t), backend(t, show)}))
		if got := ask(t, srv, request(t, "POST", srv.URL, strings.NewReader(body))); got.Body != body || got.Header.Get("Content-Length") != "10000" {
			t.Errorf("%d bytes, %v", len(got.Body), got.Header)
		}
	}
	for range 4 {
		_, _, srv := open(t, config([]string{broken(), broken()}))
		calls.Store(0)
		res, _ := do(t, srv, request(t, "POST", srv.URL, strings.NewReader(body)))
		if n := calls.Load(); res.StatusCode != 502 || n != 1 {
			t.Errorf("%s after %d calls", res.Status, n)
		}
	}
}

// A client that begins a small body and does not go on is told so.
func TestSmallBodyThatStalls(t *testing.T) {
	_, _, srv := open(t, one(backend(t, show), func(c *proxy.Config) { c.Timeouts.Idle = 50 * time.Millisecond }))
	c := dial(t, srv.Addr)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 408 || !res.Close {
		t.Errorf("%s, close %v", res.Status, res.Close)
	}
}

// A body that does not come within the listener's limit, however long, is told so.
func TestLongBodyThatStalls(t *testing.T) {
	s, _, _ := open(t, one(backend(t, show)))
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		s.ServeHTTP(w, r)
	}))
	defer front.Close()
	for _, length := range []string{"Content-Length: 10", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		c := dial(t, front.Listener.Addr().String())
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n4\r\n", length)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 408 || !res.Close {
			t.Errorf("%s: %s, close %v", length, res.Status, res.Close)
		}
	}
}

// The same over HTTP/2, where the stream ends and the connection goes on.
func TestStreamThatStalls(t *testing.T) {
	s, _, _ := open(t, one(backend(t, show)))
	front := h2cBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		s.ServeHTTP(w, r)
	})
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	defer tr.CloseIdleConnections()
	for range 2 {
		pr, pw := io.Pipe()
		go func() { _, _ = io.WriteString(pw, "half") }()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		req, err := http.NewRequestWithContext(ctx, "POST", strings.Replace(front, "h2c:", "http:", 1), pr)
		if err != nil {
			t.Fatal(err)
		}
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 408 {
			t.Error(res.Status)
		}
		_ = res.Body.Close()
		_ = pw.Close()
		cancel()
	}
}

// Streams that are reset in the middle of a small body concern nobody else.
func TestSmallBodyThatIsReset(t *testing.T) {
	s, _, _ := open(t, one(backend(t, show)))
	front := h2cBackend(t, s.ServeHTTP)
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	defer tr.CloseIdleConnections()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			pr, pw := io.Pipe()
			req, _ := http.NewRequestWithContext(ctx, "POST", strings.Replace(front, "h2c:", "http:", 1), pr)
			req.ContentLength = 10
			go func() { _, _ = io.WriteString(pw, "half"); cancel() }()
			if res, err := tr.RoundTrip(req); err == nil {
				_ = res.Body.Close()
			}
			_ = pw.Close()
			cancel()
		})
	}
	all.Wait()
	waitMetric(t, s, "in_flight_requests", 0)
}

// POSTs share the connections that were used before, and a connection that ended
// meanwhile costs no request.
func TestPostsOverUsedConnections(t *testing.T) {
	var n atomic.Int32
	up, conns := rawBackend(t, func(r *http.Request) string {
		b, _ := io.ReadAll(r.Body)
		if n.Add(1)%3 == 0 {
			return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast"
		}
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	})
	_, _, srv := open(t, one(up))
	for i := range 12 {
		res, body := do(t, srv, request(t, "POST", srv.URL, strings.NewReader("body")))
		if want := []string{"body", "body", "last"}[i%3]; res.StatusCode != 200 || body != want {
			t.Errorf("%d: %s %q", i, res.Status, body)
		}
	}
	if got := conns.Load(); got != 4 {
		t.Errorf("%d connections", got)
	}
}

// A client that leaves while a slow upstream thinks ends the request there soon.
func TestSlowUpstreamLearnsThatTheClientLeft(t *testing.T) {
	begun, gone := make(chan struct{}), make(chan struct{})
	_, _, srv := open(t, one(backend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		await(r.Context().Done())
		close(gone)
	})))
	c := dial(t, srv.Addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	await(begun)
	_ = c.Close()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("it goes on")
	}
}
