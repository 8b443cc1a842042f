package front_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/front"
	"github.com/porticod/portico/pkg/route"
)

// rig is a Front behind a real HTTP server.
type rig struct {
	*httptest.Server
	front    *front.Front
	metrics  *front.Metrics
	registry *prometheus.Registry
	stopping atomic.Bool
	lines    *buffer.Buffer
	log      *buffer.Buffer
}

func newRig(t *testing.T, s front.Settings, h http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{registry: prometheus.NewRegistry(), lines: &buffer.Buffer{}, log: &buffer.Buffer{}}
	r.metrics = front.NewMetrics(r.registry)
	access := accesslog.NewWriter(r.lines, "json")
	r.front = front.New(zerolog.New(r.log), r.stopping.Load, func() *accesslog.Log { return access })
	if h != nil {
		s.Listener = "l"
		s.Table = &route.Table{Default: &route.Target{
			Label: "default", Service: "k.n", Extra: r.metrics.Counters("l", "default", "k.n"),
			HTTP: func(w http.ResponseWriter, q *http.Request) bool { h(w, q); return true },
		}}
		r.front.Apply(&s)
	}
	r.Server = httptest.NewServer(r.front)
	t.Cleanup(r.Close)
	return r
}

func (r *rig) do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := r.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func (r *rig) get(t *testing.T, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", r.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(t, req)
}

func echoHeaders(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s|%s|%s|%s", r.RemoteAddr, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Request-Id"))
}

func TestForwardedHeadersOnlyFromTrustedProxies(t *testing.T) {
	forged := []string{"X-Forwarded-For", "203.0.113.9, 198.51.100.7", "X-Forwarded-Proto", "https", "X-Request-Id", "from-outside"}

	r := newRig(t, front.Settings{}, echoHeaders)
	res, body := r.get(t, "/", forged...)
	id := res.Header.Get("X-Request-Id")
	if !strings.HasPrefix(body, "127.0.0.1:") || !strings.HasSuffix(body, "|||"+id) || id == "from-outside" || len(id) != 32 {
		t.Errorf("an untrusted peer was believed: %s, id %s", body, id)
	}

	r = newRig(t, front.Settings{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("198.51.100.0/24")}}, echoHeaders)
	res, body = r.get(t, "/", forged...)
	if want := "203.0.113.9:0|203.0.113.9, 198.51.100.7|https|from-outside"; body != want || res.Header.Get("X-Request-Id") != "from-outside" {
		t.Errorf("trusted proxy: got %s, want %s", body, want)
	}
	if _, body = r.get(t, "/", "X-Request-Id", strings.Repeat("x", 200)); strings.Contains(body, "xxx") {
		t.Errorf("an overlong request id was taken over: %s", body)
	}
}

func TestErrorsOfTheFrontDoor(t *testing.T) {
	r := newRig(t, front.Settings{}, nil)
	res, body := r.get(t, "/")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || res.Header.Get("X-Request-Id") != "" && body == "" {
		t.Errorf("without settings: %d %s", res.StatusCode, body)
	}
	r.front.Apply(&front.Settings{Listener: "l", Table: &route.Table{}})
	res, body = r.get(t, "/x", "Accept", "application/json")
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || res.StatusCode != 404 || e.Error.Code != "no_service" {
		t.Errorf("JSON error: %d %s (%v)", res.StatusCode, body, err)
	}
	res, body = r.get(t, "/x")
	if strings.Count(body, "\n") != 1 || !strings.HasPrefix(body, "404 Not Found: There is nothing at this address") {
		t.Errorf("text error: %q", body)
	}
	if res.Header.Get("X-Request-Id") == "" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("text error's headers: %v", res.Header)
	}
}

func TestBodyLimit(t *testing.T) {
	var handled atomic.Int32
	r := newRig(t, front.Settings{MaxBody: 10}, func(w http.ResponseWriter, q *http.Request) {
		handled.Add(1)
		_, err := io.ReadAll(q.Body)
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	for _, c := range []struct {
		body    io.Reader
		status  int
		handled int32
	}{
		{strings.NewReader("0123456789"), 200, 1},
		{strings.NewReader("0123456789x"), 413, 1},                      // refused unread
		{struct{ io.Reader }{strings.NewReader("0123456789x")}, 413, 2}, // length unknown
	} {
		req, _ := http.NewRequest("POST", r.URL, c.body)
		if res, _ := r.do(t, req); res.StatusCode != c.status || handled.Load() != c.handled {
			t.Errorf("status %d, handled %d; want %d, %d", res.StatusCode, handled.Load(), c.status, c.handled)
		}
	}
}

// raw sends text and returns the answers that came before the server closed.
func (r *rig) raw(t *testing.T, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("the connection was not closed: %v", err)
	}
	return string(b)
}

func TestStoppingEndsConnectionsWithTheirAnswer(t *testing.T) {
	r := newRig(t, front.Settings{}, echoHeaders)
	r.stopping.Store(true)
	if got := r.raw(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(got, "Connection: close") {
		t.Errorf("no Connection: close in %s", got)
	}
}

func TestPanicBecomes500AndIsLogged(t *testing.T) {
	r := newRig(t, front.Settings{}, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/late" {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		}
		panic("oh no")
	})
	res, body := r.get(t, "/")
	if res.StatusCode != 500 || strings.Contains(body, "oh no") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if log := r.log.String(); !strings.Contains(log, "oh no") || !strings.Contains(log, res.Header.Get("X-Request-Id")) {
		t.Errorf("the log does not tell: %s", log)
	}
	if res, err := r.Client().Get(r.URL + "/late"); err == nil {
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("an answer that broke off looks whole")
		}
		res.Body.Close()
	}
}

func TestReroutesAwayFromARetiredService(t *testing.T) {
	r := newRig(t, front.Settings{}, nil)
	fresh := &route.Table{Default: &route.Target{HTTP: func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, "fresh")
		return true
	}}}
	r.front.Apply(&front.Settings{Table: &route.Table{Default: &route.Target{HTTP: func(http.ResponseWriter, *http.Request) bool {
		r.front.Apply(&front.Settings{Table: fresh}) // the reload that retired it
		return false
	}}}})
	if _, body := r.get(t, "/"); body != "fresh" {
		t.Errorf("got %q", body)
	}
	r.front.Apply(&front.Settings{Table: &route.Table{Default: &route.Target{HTTP: func(http.ResponseWriter, *http.Request) bool { return false }}}})
	if res, _ := r.get(t, "/"); res.StatusCode != 503 {
		t.Errorf("a service that is never there: %d", res.StatusCode)
	}
}

func TestMetricsAndAccessLine(t *testing.T) {
	r := newRig(t, front.Settings{}, func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(append(b, b...))
	})
	req, _ := http.NewRequest("POST", r.URL+"/tea?token=hunter2", strings.NewReader("12345"))
	r.do(t, req)
	want := strings.NewReader(`
# HELP portico_http_client_errors_total Requests that were answered with a status from 400 to 499.
# TYPE portico_http_client_errors_total counter
portico_http_client_errors_total{listener="l",route="default",service="k.n"} 1
# HELP portico_http_response_bytes_total Bytes of answers, without their headers.
# TYPE portico_http_response_bytes_total counter
portico_http_response_bytes_total{listener="l",route="default",service="k.n"} 10
`)
	wait.Until(t, "there is a line", func() bool { return strings.Contains(r.lines.String(), "\n") })
	if err := testutil.GatherAndCompare(r.registry, want, "portico_http_client_errors_total", "portico_http_response_bytes_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(r.registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics lint: %v %v", problems, err)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(r.lines.String()), &line); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]any{"listener": "l", "route": "default", "service": "k.n", "method": "POST", "path": "/tea", "status": 418.0, "bytes_in": 5.0, "bytes_out": 10.0, "peer": "127.0.0.1"} {
		if line[k] != v {
			t.Errorf("access line: %s is %v, want %v", k, line[k], v)
		}
	}
	if strings.Contains(r.lines.String(), "hunter2") {
		t.Error("the query went to the log")
	}
}

func TestHijackAndFlushReachTheConnection(t *testing.T) {
	r := newRig(t, front.Settings{}, func(w http.ResponseWriter, q *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\n\r\nhello\n")
		rw.Flush()
	})
	c, err := net.Dial("tcp", r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	b, _ := io.ReadAll(bufio.NewReader(c))
	if !strings.HasSuffix(string(b), "hello\n") {
		t.Errorf("got %q", b)
	}
	wait.Until(t, "the upgrade is logged", func() bool { return strings.Contains(r.lines.String(), `"status":101`) })
}
