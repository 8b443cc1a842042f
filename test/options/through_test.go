package options_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/lxzan/gws"
	"github.com/quic-go/quic-go/http3"
)

// through has two listeners, with TLS and without, before three upstreams.
const through = `
variable "app" {}
variable "grpc" {}
service "proxy" "app" {
  upstreams = ["http://${var.app}"]
  balance   = "sticky"
}
service "proxy" "grpc" { upstreams = ["h2c://${var.grpc}"] }
listener "tls" {
  address = "127.0.0.1:0"
  http3   = true
  tls { self_signed = true }
  route {
    path    = "/echo.Echo/*"
    service = service.proxy.grpc
  }
  service = service.proxy.app
}
listener "plain" {
  address = "127.0.0.1:0"
  route {
    path    = "/echo.Echo/*"
    service = service.proxy.grpc
  }
  service = service.proxy.app
}
`

// What lives long goes through the whole program, within TLS and without.
func TestThroughTheProxy(t *testing.T) {
	t.Parallel()
	next := make(chan bool)
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ws":
			ws, err := gws.NewUpgrader(echoing{}, nil).Upgrade(w, r)
			if err == nil {
				ws.ReadLoop()
			}
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 3 {
				_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
				_ = http.NewResponseController(w).Flush()
				select { // the next one only when the client has this one
				case <-next:
				case <-r.Context().Done():
					return
				}
			}
		default:
			_, _ = io.WriteString(w, "asked by "+r.Header.Get("X-Forwarded-Proto"))
		}
	})
	d := start(t, through, "app", app, "grpc", grpcBackend(t))
	secure, plain := d.URL("tls")+"/", d.URL("plain")+"/"
	curls(t, secure, plain)

	for scheme, url := range map[string]string{"wss://": secure, "ws://": plain} {
		end := &closing{code: make(chan uint16, 1), said: make(chan string, 1)}
		_, addr, _ := strings.Cut(url, "://")
		ws, _, err := gws.NewClient(end, &gws.ClientOption{Addr: scheme + addr + "ws", TlsConfig: &tls.Config{InsecureSkipVerify: true}})
		if err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		t.Cleanup(func() { _ = ws.NetConn().Close() })
		go ws.ReadLoop()
		_ = ws.WriteString("hello over " + scheme)
		if got := receive(t, end.said); got != "hello over "+scheme {
			t.Errorf("%s: %q", scheme, got)
		}
		_ = ws.WriteString("bye")
		if code := receive(t, end.code); code != 4000 {
			t.Errorf("%s: closed with %d", scheme, code)
		}
	}

	events(t, quick(t), secure, "HTTP/3.0", next)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, url := range []string{secure, plain} {
			c := speaking(t, proto)
			if proto == "HTTP/2.0" {
				converse(t, c, url)
			}
			events(t, c, url, proto, next)
		}
	}
}

// curls asks as the installed curl can, which says what was spoken.
func curls(t *testing.T, secure, plain string) {
	t.Helper()
	version, err := exec.CommandContext(t.Context(), "curl", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	curl := func(want string, args ...string) {
		t.Helper()
		args = append([]string{"-q", "-sSk", "--noproxy", "*", "--max-time", "20", "-w", " %{http_version}"}, args...)
		out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("curl %s: %q, %v; not %q", strings.Join(args, " "), out, err, want)
		}
	}
	curl("asked by https 1.1", "--http1.1", secure)
	curl("asked by https 2", "--http2", secure)
	curl("asked by http 1.1", plain)
	curl("asked by http 2", "--http2-prior-knowledge", plain)
	curl("asked by http 1.1", "--http2", plain) // an upgrade to h2c is not taken
	if strings.Contains(string(version), "HTTP3") {
		curl("asked by https 3", "--http3-only", secure)
	}
	for url, secret := range map[string]bool{secure: true, plain: false} {
		c := askWith(t, anyCertificate, http.MethodGet, url, "").Header.Get("Set-Cookie")
		if !strings.HasPrefix(c, "portico_proxy_app=") || strings.Contains(c, "; Secure") != secret {
			t.Errorf("%s: the cookie is %q", url, c)
		}
	}
}

// speaking is a client of one kind of HTTP.
func speaking(t *testing.T, proto string) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(proto == "HTTP/1.1")
	p.SetHTTP2(proto == "HTTP/2.0")
	p.SetUnencryptedHTTP2(proto == "HTTP/2.0")
	tr := &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// quick is a client of HTTP/3.
func quick(t *testing.T) *http.Client {
	t.Helper()
	tr := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() { _ = tr.Close() })
	return &http.Client{Transport: tr, Timeout: patience}
}

// events hears each before the next one is sent.
func events(t *testing.T, c *http.Client, url, proto string, next chan<- bool) {
	t.Helper()
	res, err := c.Get(url + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Proto != proto {
		t.Errorf("%s: %s was spoken, not %s", url, res.Proto, proto)
	}
	for i := range 3 {
		want := fmt.Sprintf("data: %d\n\n", i)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
			t.Fatalf("%s over %s: %q, %v", url, proto, got, err)
		}
		next <- true
	}
}

// echoing is a WebSocket server, which closes when it is told "bye".
type echoing struct{ gws.BuiltinEventHandler }

func (echoing) OnMessage(ws *gws.Conn, m *gws.Message) {
	if m.Data.String() == "bye" {
		_ = ws.WriteClose(4000, nil)
	} else {
		_ = ws.WriteMessage(m.Opcode, m.Bytes())
	}
	_ = m.Close()
}

// grpcBackend sends back what comes while it comes, and a status after it, as
// gRPC does: in trailers.
func grpcBackend(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.Header().Set("Trailer", "Grpc-Status")
		rc, b := http.NewResponseController(w), make([]byte, 100)
		_ = rc.Flush()
		for n, err := 0, error(nil); err == nil; {
			n, err = r.Body.Read(b)
			_, _ = w.Write(b[:n])
			_ = rc.Flush()
		}
		w.Header().Set("Grpc-Status", "0 "+r.Header.Get("Te")+" "+r.Proto)
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// converse is a call in which both sides stream.
func converse(t *testing.T, c *http.Client, url string) {
	t.Helper()
	body, say := io.Pipe()
	defer say.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"echo.Echo/Chat", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for i := range 3 { // each answer is there before the next question
		want := fmt.Sprint("message ", i)
		_, _ = io.WriteString(say, want)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
			t.Fatalf("%s: %q, %v", url, got, err)
		}
	}
	_ = say.Close()
	if b, err := io.ReadAll(res.Body); err != nil || len(b) > 0 {
		t.Errorf("%s: %q, %v", url, b, err)
	}
	if got := res.Trailer.Get("Grpc-Status"); got != "0 trailers HTTP/2.0" || res.Header.Get("Content-Type") != "application/grpc" {
		t.Errorf("%s: the status is %q, %v", url, got, res.Header)
	}
}
