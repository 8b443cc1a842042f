package proxy_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/services/proxy"
	"github.com/porticod/portico/services/servicetest"
)

const patience = time.Minute

var kind = service.KindOf(proxy.Type{})

// backend is a server for an upstream.
func backend(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return srv.URL
}

// named answers with its name.
func named(t testing.TB, name string) string {
	return backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
}

func unixBackend(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: f, ReadHeaderTimeout: patience}}
	srv.Start()
	t.Cleanup(srv.Close)
	return "unix:" + ln.Addr().String()
}

// h2cBackend speaks HTTP/2 without TLS and nothing else.
func h2cBackend(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(f)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	return "h2c://" + srv.Listener.Addr().String()
}

// refused is an address where nobody listens.
func refused(t testing.TB) string { return "http://" + port.Hold(t).Addr }

// config is the default with upstreams, changed by a change or two.
func config(upstreams []string, change ...func(*proxy.Config)) proxy.Config {
	cfg := proxy.Type{}.Default()
	cfg.Upstreams, cfg.Health, cfg.Cache = upstreams, nil, nil
	for _, f := range change {
		f(&cfg)
	}
	return cfg
}

func one(upstream string, change ...func(*proxy.Config)) proxy.Config {
	return config([]string{upstream}, change...)
}

// open starts a proxy and a port in front of it.
func open(t testing.TB, cfg proxy.Config) (*proxy.Service, *servicetest.Env, *servicetest.HTTPServer) {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	env := servicetest.NewEnv(t, "proxy", "test")
	s, err := proxy.Type{}.Open(context.Background(), env.Env, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, env, servicetest.HTTP(t, s)
}

// request is a request with headers, "Name: value".
func request(t testing.TB, method, url string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	return req
}

func do(t testing.TB, srv *servicetest.HTTPServer, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := srv.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// get is a GET whose answer is status and body.
func get(t testing.TB, srv *servicetest.HTTPServer, path string, headers ...string) string {
	t.Helper()
	res, body := do(t, srv, request(t, http.MethodGet, srv.URL+path, nil, headers...))
	return fmt.Sprint(res.StatusCode, " ", body)
}

// metric is the value of a metric, named without its prefix.
func metric(t testing.TB, s service.Metered, name string) float64 {
	t.Helper()
	return servicetest.Metric(t, s, "portico_proxy_"+name)
}

func waitMetric(t testing.TB, s service.Metered, name string, want float64) {
	t.Helper()
	servicetest.WaitMetric(t, s, "portico_proxy_"+name, want)
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// writeCA writes the certificate of a TLS server into a file.
func writeCA(t testing.TB, srv *httptest.Server) settings.Path {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return settings.Path(path)
}
