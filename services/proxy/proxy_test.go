package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/services/proxy"
	"github.com/porticod/portico/services/servicetest"
)

func TestContract(t *testing.T) {
	app := backend(t, application)
	servicetest.Run(t, servicetest.Suite{
		Kind:      kind,
		Config:    fmt.Sprintf("upstreams = [%q]", app),
		Changed:   fmt.Sprintf("upstreams = [%q, %q]\nbalance = \"sticky\"\ncompress = true\nhealth {}\ncache {}", app, unixBackend(t, application)),
		Paths:     []string{"/", "/missing"},
		WebSocket: func(base string) *http.Request { return servicetest.Request("GET", base+"/ws") },
		Streams: []func(string) *http.Request{
			func(base string) *http.Request { return servicetest.Request("GET", base+"/events") },
		},
		Bad: map[string]string{
			``:                              "missing",
			`upstreams = []`:                "no upstream",
			`upstreams = ["127.0.0.1:80"]`:  "http://127.0.0.1:80",
			`upstreams = ["http://a/path"]`: "only a host and a port",
			`upstreams = ["http://a"]` + "\n" + `balance = "random"`:                                   "no way to choose",
			`upstreams = ["http://a"]` + "\n" + `hash_key = "user"`:                                    "nothing to go by",
			`upstreams = ["http://a"]` + "\n" + `host = "a b"`:                                         "not a host",
			`upstreams = ["http://a"]` + "\n" + `strip_prefix = "api"`:                                 "beginning of a path",
			`upstreams = ["http://a"]` + "\n" + `strip_prefix = "/api/"`:                               "beginning of a path",
			`upstreams = ["http://a"]` + "\n" + `rewrite = "/{uri}"`:                                   "only {path}",
			`upstreams = ["http://a"]` + "\n" + `rewrite = "x{path}"`:                                  "must begin with a slash",
			`upstreams = ["http://a"]` + "\n" + `weights = { "http://b" = 2 }`:                         "not among",
			`upstreams = ["http://a"]` + "\n" + `cache { size = "1KiB" }`:                              "out of range",
			`upstreams = ["http://a"]` + "\n" + "cache {\nsize = \"1MiB\"\nmax_answer = \"1MiB\"\n}":   "a quarter",
			`upstreams = ["http://a"]` + "\n" + `timeouts { header = "0s" }`:                           "must be positive",
			`upstreams = ["http://a"]` + "\n" + `limits { requests = -1 }`:                             "out of range",
			`upstreams = ["http://a"]` + "\n" + `retry { attempts = 0 }`:                               "out of range",
			`upstreams = ["http://a"]` + "\n" + `retry { statuses = [200] }`:                           "not a status",
			`upstreams = ["http://a"]` + "\n" + `passive { within = "0s" }`:                            "must be positive",
			`upstreams = ["http://a"]` + "\n" + `health { path = "healthz" }`:                          "not a path",
			`upstreams = ["http://a"]` + "\n" + `health { status = [100] }`:                            "not a status",
			`upstreams = ["http://a"]` + "\n" + "headers {\nrequest {\nset = { Host = \"x\" }\n}\n}":   "cannot be changed",
			`upstreams = ["http://a"]` + "\n" + "headers {\nresponse {\nadd = { X = \"a\\nb\" }\n}\n}": "line break",
			`upstreams = ["http://a"]` + "\n" + "headers {\nresponse {\nremove = [\"a b\"]\n}\n}":      "not the name",
			`upstreams = ["http://a"]` + "\n" + `tls { ca = "/dev/null" }`:                             "no certificate",
			`upstreams = ["http://a"]` + "\n" + `tls { server_name = "a b" }`:                          "not a name",
		},
	})
}

// application is what stands behind the proxy.
func application(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		mirrorWebSocket(w, r)
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/missing":
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("ETag", `"1"`)
		_, _ = io.WriteString(w, strings.Repeat("hello ", 400))
	}
}

type mirror struct{ gws.BuiltinEventHandler }

func (mirror) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	_ = c.WriteMessage(m.Opcode, m.Bytes())
}

func mirrorWebSocket(w http.ResponseWriter, r *http.Request) {
	c, err := gws.NewUpgrader(mirror{}, nil).Upgrade(w, r)
	if err == nil {
		c.ReadLoop()
	}
}

// seen is what an upstream was asked.
type seen struct {
	Method, URI, Host, Body string
	Header                  http.Header
}

func show(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.RequestURI, r.Host, string(b), r.Header})
}

func ask(t *testing.T, srv *servicetest.HTTPServer, req *http.Request) (s seen) {
	t.Helper()
	res, body := do(t, srv, req)
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%s: %s %q", req.URL, res.Status, body)
	}
	return s
}

func TestEverySchemeIsSpoken(t *testing.T) {
	for name, up := range map[string]string{"http": backend(t, show), "unix": unixBackend(t, show), "h2c": h2cBackend(t, show)} {
		_, _, srv := open(t, one(up))
		req := request(t, "POST", srv.URL+"/a%2Fb//c?x=1;y=%zz&z", strings.NewReader("body"), "X-Own: 1", "X-Own: 2")
		req.Host = "site.example.org"
		got := ask(t, srv, req)
		if got.Method != "POST" || got.URI != "/a%2Fb//c?x=1;y=%zz&z" || got.Host != "site.example.org" || got.Body != "body" ||
			!reflect.DeepEqual(got.Header["X-Own"], []string{"1", "2"}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTLSUpstreams(t *testing.T) {
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	up.EnableHTTP2 = true
	up.StartTLS()
	t.Cleanup(up.Close)
	_, _, srv := open(t, one(up.URL))
	if got := get(t, srv, "/"); !strings.HasPrefix(got, "502 ") {
		t.Errorf("a certificate of nobody is taken: %s", got)
	}
	_, _, srv = open(t, one(up.URL, func(c *proxy.Config) { c.TLS.Insecure = true }))
	if got := get(t, srv, "/"); got != "200 HTTP/2.0" {
		t.Errorf("%s", got)
	}
	_, _, srv = open(t, one(up.URL, func(c *proxy.Config) { c.TLS.CA = writeCA(t, up); c.TLS.ServerName = "example.com" }))
	if got := get(t, srv, "/"); got != "200 HTTP/2.0" {
		t.Errorf("%s", got)
	}
}

// A CA file with another content is another configuration, so that a reload
// takes it.
func TestChangedCAIsAnotherConfiguration(t *testing.T) {
	up := httptest.NewTLSServer(http.HandlerFunc(application))
	t.Cleanup(up.Close)
	ca := writeCA(t, up)
	body := fmt.Sprintf("upstreams = [\"https://a\"]\ntls { ca = %q }", ca)
	before := servicetest.MustDecode(t, kind, body)
	if !before.Same(servicetest.MustDecode(t, kind, body)) {
		t.Error("the same file twice is two configurations")
	}
	b, err := os.ReadFile(string(ca))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(string(ca), append(b, b...), 0o600); err != nil {
		t.Fatal(err)
	}
	if before.Same(servicetest.MustDecode(t, kind, body)) {
		t.Error("a changed file is not noticed")
	}
}

func TestForwardedHeaders(t *testing.T) {
	_, _, srv := open(t, one(backend(t, show)))
	req := request(t, "GET", srv.URL, nil, "X-Request-Id: 123", "Connection: X-Private, X-Request-Id, close", "X-Private: 1",
		"Proxy-Authorization: x", "Keep-Alive: 5", "Te: trailers, deflate", "Upgrade: h2c", "Http2-Settings: AAA")
	req.Host = `a"b.example.org:80`
	req.Host = "b.example.org:80"
	h := ask(t, srv, req).Header
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "b.example.org:80",
		"Forwarded":    `for=127.0.0.1;host="b.example.org:80";proto=http`,
		"X-Request-Id": "123", "X-Private": "", "Proxy-Authorization": "", "Keep-Alive": "", "Te": "trailers", "Upgrade": "", "Http2-Settings": "",
	} {
		if got := strings.Join(h[name], "|"); got != want {
			t.Errorf("%s: %q instead of %q", name, got, want)
		}
	}
	// What the front door let through came from a trusted proxy.
	h = ask(t, srv, request(t, "GET", srv.URL, nil, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https",
		"X-Forwarded-Host: site", "Forwarded: for=192.0.2.1")).Header
	if h.Get("X-Forwarded-For") != "192.0.2.1, 127.0.0.1" || h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-Host") != "site" ||
		!strings.HasPrefix(h.Get("Forwarded"), "for=192.0.2.1, for=127.0.0.1;") {
		t.Errorf("%v", h)
	}
}

// The front door puts the client that a trusted proxy named in place of the peer.
func TestForwardedHeadersBehindATrustedProxy(t *testing.T) {
	s, _, _ := open(t, one(backend(t, show)))
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.RemoteAddr = "[2001:db8::1]:0"
	r.Header.Set("X-Forwarded-For", "2001:db8::1")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var got seen
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if f := got.Header.Get("X-Forwarded-For"); f != "2001:db8::1" {
		t.Errorf("the client is there twice: %s", f)
	}
	if f := got.Header.Get("Forwarded"); f != `for="[2001:db8::1]";host="example.com";proto=http` {
		t.Errorf("%s", f)
	}
}

func TestHostOption(t *testing.T) {
	up := backend(t, show)
	u, _ := url.Parse(up)
	for option, want := range map[string]string{"client": "asked.example.org", "upstream": u.Host, "fixed.example.org": "fixed.example.org"} {
		_, _, srv := open(t, one(up, func(c *proxy.Config) { c.Host = option }))
		req := request(t, "GET", srv.URL, nil)
		req.Host = "asked.example.org"
		if got := ask(t, srv, req); got.Host != want || got.Header.Get("X-Forwarded-Host") != "asked.example.org" {
			t.Errorf("%s: %s, %s", option, got.Host, got.Header.Get("X-Forwarded-Host"))
		}
	}
}

func TestHeaderRules(t *testing.T) {
	_, _, srv := open(t, one(backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "secret/1.0")
		w.Header().Set("X-Seen", fmt.Sprint(r.Header["X-Set"], r.Header["X-Add"], r.Header["Cookie"]))
		w.Header().Add("X-Add", "up")
		w.Header().Set("X-Set", "up")
	}), func(c *proxy.Config) {
		c.Headers.Request = proxy.HeaderRules{Remove: []string{"cookie"}, Set: map[string]string{"x-set": "new"}, Add: map[string]string{"X-Add": "two"}}
		c.Headers.Response = proxy.HeaderRules{Remove: []string{"Server"}, Set: map[string]string{"X-Set": "new"}, Add: map[string]string{"x-add": "more"}}
	}))
	for range 2 { // the rules stay as they are
		res, _ := do(t, srv, request(t, "GET", srv.URL, nil, "X-Set: old", "X-Add: one", "Cookie: a=b"))
		if got := res.Header.Get("X-Seen"); got != "[new] [one two] []" {
			t.Errorf("the upstream saw %s", got)
		}
		if h := res.Header; h.Get("Server") != "" || fmt.Sprint(h["X-Set"], h["X-Add"]) != "[new] [up more]" {
			t.Errorf("%v", h)
		}
	}
}

func TestPathRules(t *testing.T) {
	up := backend(t, show)
	for _, c := range []struct{ strip, rewrite, path, want string }{
		{"", "", "/a%20b/../c", "/a%20b/../c"},
		{"/api", "", "/api/v1?q=1", "/v1?q=1"},
		{"/api", "", "/api", "/"},
		{"/api", "", "/apis/v1", "/apis/v1"},
		{"/api", "", "/%61pi/a%2Fb", "/a%2Fb"},
		{"/api", "", "/api%2Fv1", "/api%2Fv1"},
		{"", "/v2{path}", "/x?y", "/v2/x?y"},
		{"/api", "/v2{path}", "/api/x", "/v2/x"},
		{"", "/index.php", "/x?y", "/index.php?y"},
	} {
		_, _, srv := open(t, one(up, func(cfg *proxy.Config) { cfg.StripPrefix, cfg.Rewrite = c.strip, c.rewrite }))
		conn := dial(t, srv.Addr)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", c.path)
		b, _ := io.ReadAll(conn)
		if !bytes.Contains(b, fmt.Appendf(nil, `"URI":%q,`, c.want)) {
			t.Errorf("%+v: %s", c, b)
		}
	}
	_, _, srv := open(t, one(up, func(cfg *proxy.Config) { cfg.StripPrefix = "/api" }))
	for _, path := range []string{"/api/../secret", "/api/%2e%2E/secret", "/api/./x", "/api/.."} {
		conn := dial(t, srv.Addr)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		if b, _ := io.ReadAll(conn); !bytes.HasPrefix(b, []byte("HTTP/1.1 400 ")) {
			t.Errorf("%s: %s", path, b)
		}
	}
}

func TestRequestBodyIsStreamed(t *testing.T) {
	for name, up := range map[string]string{"http": backend(t, echoBody), "h2c": h2cBackend(t, echoBody)} {
		_, _, srv := open(t, one(up))
		pr, pw := io.Pipe()
		go func() { _, _ = io.WriteString(pw, "first") }()
		res, err := srv.Client.Do(request(t, "POST", srv.URL, pr))
		if err != nil {
			t.Fatal(err)
		}
		for i, word := range []string{"first", "second", "third"} {
			got := make([]byte, len(word))
			if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != word {
				t.Fatalf("%s: %q, %v instead of %q", name, got, err, word)
			}
			if next := []string{"second", "third", ""}[i]; next != "" {
				go func() { _, _ = io.WriteString(pw, next) }()
			}
		}
		_ = pw.Close()
		if b, err := io.ReadAll(res.Body); err != nil || len(b) != 0 {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		_ = res.Body.Close()
	}
}

// echoBody sends back what comes while it comes.
func echoBody(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex()
	buf := make([]byte, 1000)
	for {
		n, err := r.Body.Read(buf)
		_, _ = w.Write(buf[:n])
		_ = rc.Flush()
		if err != nil {
			return
		}
	}
}

func TestLargeBodies(t *testing.T) {
	want := make([]byte, 5<<20)
	_, _ = rand.Read(want)
	_, _, srv := open(t, one(backend(t, echoBody)))
	res, got := do(t, srv, request(t, "POST", srv.URL, bytes.NewReader(want)))
	if res.StatusCode != 200 || got != string(want) {
		t.Errorf("%s, %d bytes of %d", res.Status, len(got), len(want))
	}
}

// An answer that breaks off must not be taken for a whole one.
func TestBrokenAnswer(t *testing.T) {
	for _, length := range []string{"100", ""} {
		_, _, srv := open(t, one(backend(t, func(w http.ResponseWriter, _ *http.Request) {
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})))
		res, err := srv.Client.Do(request(t, "GET", srv.URL, nil))
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Error("half an answer is a whole one")
		}
	}
}

func TestEarlyHintsAndTrailers(t *testing.T) {
	_, _, srv := open(t, one(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "43")
	})))
	c := dial(t, srv.Addr)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	br := bufio.NewReader(c)
	early, err := http.ReadResponse(br, nil)
	if err != nil || early.StatusCode != 103 || early.Header.Get("Link") == "" {
		t.Fatalf("%v, %v", early, err)
	}
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v, %v", res, err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "body" || res.Trailer.Get("X-Sum") != "42" || res.Trailer.Get("X-Late") != "43" {
		t.Errorf("%q, %v, %v", b, err, res.Trailer)
	}
}

func TestEventsComeAtOnce(t *testing.T) {
	more := make(chan string)
	_, env, srv := open(t, one(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for e := range more {
			_, _ = io.WriteString(w, e)
			_ = http.NewResponseController(w).Flush()
		}
	})))
	go func() { more <- "data: 1\n\n" }()
	res, err := srv.Client.Do(request(t, "GET", srv.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 9)
	for i := range 3 {
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != fmt.Sprintf("data: %d\n\n", i+1) {
			t.Fatalf("%q, %v", buf, err)
		}
		if i < 2 {
			more <- fmt.Sprintf("data: %d\n\n", i+2)
		}
	}
	env.Drain(1001)
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Errorf("a stream that was drained ends with %v", err)
	}
	close(more)
}

func TestClientThatLeavesEndsTheRequest(t *testing.T) {
	begun, gone := make(chan struct{}), make(chan struct{})
	s, env, srv := open(t, one(backend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(gone)
	})))
	c := dial(t, srv.Addr)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	_ = c.Close()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the upstream works on for nobody")
	}
	waitMetric(t, s, "in_flight_requests", 0)
	if n := metric(t, s, "failures_total"); n != 0 || len(env.LoudLogs()) > 0 {
		t.Errorf("%v failures: the upstream is blamed for the client", n)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var conns atomic.Int64
	up := httptest.NewUnstartedServer(http.HandlerFunc(application))
	up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	up.Start()
	t.Cleanup(up.Close)
	cfg := one(up.URL)
	s, _, srv := open(t, cfg)
	for i := range 20 {
		if got := get(t, srv, "/"); !strings.HasPrefix(got, "200 ") {
			t.Fatal(got)
		}
		// A reload that does not change how upstreams are spoken to keeps them.
		cfg.Compress = i%2 == 0
		s.Update(cfg)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for one client", n)
	}
}

func TestSmuggling(t *testing.T) {
	var requests atomic.Int64
	_, _, srv := open(t, one(backend(t, func(_ http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if strings.Contains(r.RequestURI, "smuggled") {
			t.Errorf("%s came through", r.RequestURI)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})))
	const inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, head := range []string{
		"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(inner), inner),
		fmt.Sprintf("Content-Length: %d\r\nContent-Length: %d\r\n\r\n%s", len(inner), len(inner), inner),
		"Content-Length: 3\r\nContent-Length: 40\r\n\r\n" + inner,
		"Transfer-Encoding: xchunked\r\n\r\n" + inner,
		"Transfer-Encoding: chunked, identity\r\n\r\n" + inner,
		"Transfer-Encoding : chunked\r\n\r\n" + inner,
		fmt.Sprintf("Connection: Content-Length\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		fmt.Sprintf("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: %d\r\n\r\n%s", len(inner), inner),
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
	} {
		c := dial(t, srv.Addr)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\n%s", head)
		_ = c.CloseWrite()
		b, err := io.ReadAll(c)
		if bytes.HasPrefix(b, []byte("HTTP/1.1 101")) {
			t.Errorf("%q: %q, %v", head, b, err)
		}
	}
}

func TestForwardProxyRequestsAreRefused(t *testing.T) {
	_, _, srv := open(t, one(backend(t, show)))
	c := dial(t, srv.Addr)
	fmt.Fprintf(c, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 400 {
		t.Errorf("%v, %v", res, err)
	}
	_ = res.Body.Close()
	got := ask(t, srv, request(t, "OPTIONS", srv.URL, nil))
	if got.Method != "OPTIONS" {
		t.Errorf("%+v", got)
	}
}
