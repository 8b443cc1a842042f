package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/services/proxy"
)

func TestErrorsLookLikeTheFrontDoors(t *testing.T) {
	_, env, srv := open(t, one(refused(t)))
	res, body := do(t, srv, request(t, "GET", srv.URL, nil))
	if res.StatusCode != 502 || body != "502 Bad Gateway: The server behind this port did not answer.\n" {
		t.Errorf("%s %q", res.Status, body)
	}
	res, body = do(t, srv, request(t, "GET", srv.URL, nil, "Accept: application/json"))
	if res.StatusCode != 502 || body != `{"error":{"code":"bad_gateway","message":"The server behind this port did not answer."}}`+"\n" {
		t.Errorf("%s %q", res.Status, body)
	}
	if strings.Contains(body, "127.0.0.1") || !strings.Contains(env.Logs(), "connection refused") {
		t.Error("where the upstream is belongs into the log, not into the answer")
	}
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	s, _, srv := open(t, one(up, func(c *proxy.Config) { c.Timeouts.Header = 100 * time.Millisecond }))
	if got := get(t, srv, "/"); got != "504 504 Gateway Timeout: The server behind this port did not answer in time.\n" {
		t.Errorf("%q", got)
	}
	waitMetric(t, s, "timeouts_total", 1)
	if n := metric(t, s, "attempts_total"); n != 1 {
		t.Errorf("%v attempts: another upstream takes as long", n)
	}
	_, _, srv = open(t, one(up, func(c *proxy.Config) { c.Timeouts.Idle = 100 * time.Millisecond }))
	res, err := srv.Client.Do(request(t, "GET", srv.URL+"/body", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%q of an upstream that fell silent is a whole answer", b)
	}
}

// The wait for the header has its own timeout, and no other.
func TestSlowAnswerIsNotIdle(t *testing.T) {
	_, _, srv := open(t, one(backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-time.After(time.Second) // what is tried is time itself
		_, _ = io.WriteString(w, "done")
	}), func(c *proxy.Config) { c.Timeouts.Idle = 500 * time.Millisecond }))
	if res, body := do(t, srv, request(t, "POST", srv.URL, strings.NewReader("body"))); body != "done" {
		t.Errorf("%s %q", res.Status, body)
	}
}

func TestAnotherUpstreamIsTried(t *testing.T) {
	cuts := backend(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, c := range []struct {
		name, first, method, body string
		want                      string
	}{
		{"GET, no connection", refused(t), "GET", "", "200 here"},
		{"POST, no connection", refused(t), "POST", "body", "200 here"},
		{"GET, broken off", cuts, "GET", "", "200 here"},
		{"DELETE, broken off", cuts, "DELETE", "", "200 here"},
		{"POST, broken off", cuts, "POST", "body", "502 "},
		{"POST without a body, broken off", cuts, "POST", "", "502 "},
		{"PUT, broken off", cuts, "PUT", "body", "502 "},
	} {
		cfg := config([]string{c.first, named(t, "here")}, func(cfg *proxy.Config) { cfg.Passive.Fails = 0 })
		s, _, srv := open(t, cfg)
		failed := ""
		for range 2 { // one of the two begins with the first
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			res, b := do(t, srv, request(t, c.method, srv.URL, body))
			if got := fmt.Sprint(res.StatusCode, " ", b); got != "200 here" {
				failed = got
			}
		}
		if c.want == "200 here" && failed != "" || !strings.HasPrefix(failed, c.want) && c.want != "200 here" {
			t.Errorf("%s: %q", c.name, failed)
		}
		if n := metric(t, s, "failures_total"); n != 1 {
			t.Errorf("%s: %v failures", c.name, n)
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	s, _, srv := open(t, config([]string{refused(t), refused(t), refused(t), refused(t)}, func(c *proxy.Config) { c.Retry.Attempts = 2 }))
	if got := get(t, srv, "/"); !strings.HasPrefix(got, "502 ") {
		t.Errorf("%q", got)
	}
	if n := metric(t, s, "attempts_total"); n != 2 {
		t.Errorf("%v attempts", n)
	}
	s, _, srv = open(t, one(refused(t)))
	get(t, srv, "/")
	if n := metric(t, s, "attempts_total"); n != 1 {
		t.Errorf("%v attempts at the same upstream", n)
	}
}

func TestRetryOfStatuses(t *testing.T) {
	var asked atomic.Int64
	bad := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(503)
		_, _ = io.WriteString(w, "not now")
	})
	retry := func(c *proxy.Config) { c.Retry.Statuses = []int{503} }
	_, _, srv := open(t, config([]string{bad, named(t, "here")}, retry))
	for range 4 {
		if got := get(t, srv, "/"); got != "200 here" {
			t.Errorf("%q", got)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
	_, _, srv = open(t, one(bad, retry)) // nobody has better
	if got := get(t, srv, "/"); got != "503 not now" {
		t.Errorf("%q", got)
	}
	s, _, srv := open(t, config([]string{bad, named(t, "here")}, func(c *proxy.Config) { c.Passive.Statuses = []int{503}; c.Passive.Fails = 2 }))
	for range 8 {
		get(t, srv, "/")
	}
	if n := metric(t, s, "upstreams_up"); n != 1 {
		t.Errorf("%v are up", n)
	}
}

func TestAllDown(t *testing.T) {
	s, env, srv := open(t, config([]string{refused(t), refused(t)}, func(c *proxy.Config) { c.Passive.Fails = 1 }))
	get(t, srv, "/")
	res, body := do(t, srv, request(t, "GET", srv.URL, nil))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "5" || !strings.Contains(body, "No server") {
		t.Errorf("%s %v %q", res.Status, res.Header, body)
	}
	if s.Check(t.Context()) == nil {
		t.Error("ready without an upstream")
	}
	if n := strings.Count(env.Logs(), "the last upstream is down"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	waitMetric(t, s, "unserved_total", 1)
}

func TestQueue(t *testing.T) {
	release, busy := make(chan struct{}), make(chan struct{}, 10)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		busy <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "done")
	})
	s, _, srv := open(t, one(up, func(c *proxy.Config) {
		c.Limits = proxy.Limits{Requests: 1, Queue: 1, Wait: patience}
	}))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if got := get(t, srv, "/"); got != "200 done" {
				t.Errorf("%q", got)
			}
		})
	}
	<-busy
	waitMetric(t, s, "waiting_requests", 1)
	res, _ := do(t, srv, request(t, "GET", srv.URL, nil))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" {
		t.Errorf("%s", res.Status)
	}
	close(release)
	wg.Wait()
	waitMetric(t, s, "busy_total", 1)
	waitMetric(t, s, "in_flight_requests", 0)
}

func TestHealth(t *testing.T) {
	var sick atomic.Bool
	sick.Store(true)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && (sick.Load() || r.Host != "app" || r.URL.RawQuery != "a=b") {
			w.WriteHeader(500)
		}
		_, _ = io.WriteString(w, "one")
	})
	s, _, srv := open(t, config([]string{up, named(t, "two")}, func(c *proxy.Config) {
		c.Health = &proxy.Health{Path: "/healthz?a=b", Host: "app", Status: []int{200}, Interval: 5 * time.Millisecond, Timeout: patience, Rise: 2, Fall: 2}
	}))
	waitMetric(t, s, "upstreams_up", 1)
	for range 4 {
		if got := get(t, srv, "/"); got != "200 two" {
			t.Errorf("%q", got)
		}
	}
	sick.Store(false)
	waitMetric(t, s, "upstreams_up", 2)
	if a, b := get(t, srv, "/"), get(t, srv, "/"); a == b {
		t.Errorf("both came to %q", a)
	}
	if n := metric(t, s, "failures_total"); n != 0 {
		t.Errorf("%v failures", n)
	}
}

// A reload keeps what is known of the upstreams that stay.
func TestUpdateKeepsHealth(t *testing.T) {
	cfg := config([]string{refused(t), named(t, "here")}, func(c *proxy.Config) { c.Passive.Fails = 1; c.Passive.Down = time.Hour })
	s, _, srv := open(t, cfg)
	get(t, srv, "/")
	get(t, srv, "/")
	waitMetric(t, s, "upstreams_up", 1)
	cfg.Upstreams = append(cfg.Upstreams, named(t, "new"))
	s.Update(cfg)
	if up, all := metric(t, s, "upstreams_up"), metric(t, s, "upstreams"); up != 2 || all != 3 {
		t.Errorf("%v of %v are up", up, all)
	}
	got := map[string]bool{}
	for range 4 {
		got[get(t, srv, "/")] = true
	}
	if len(got) != 2 || !got["200 new"] {
		t.Errorf("%v", got)
	}
}

func TestSticky(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	cfg := config([]string{a, b}, func(c *proxy.Config) { c.Balance = "sticky" })
	s, _, srv := open(t, cfg)
	res, first := do(t, srv, request(t, "GET", srv.URL, nil))
	cookies := res.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "portico_proxy_test" || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("%v", cookies)
	}
	u, _ := url.Parse(a)
	if strings.Contains(cookies[0].Value, u.Port()) {
		t.Error("the cookie shows the address")
	}
	for range 4 {
		res, body := do(t, srv, request(t, "GET", srv.URL, nil, "Cookie: other=1; portico_proxy_test="+cookies[0].Value))
		if body != first || len(res.Cookies()) != 0 {
			t.Errorf("%q after %q, cookies %v", body, first, res.Cookies())
		}
	}
	cfg.Upstreams = []string{map[string]string{"a": b, "b": a}[first]} // its own is gone
	s.Update(cfg)
	res, body := do(t, srv, request(t, "GET", srv.URL, nil, "Cookie: portico_proxy_test="+cookies[0].Value))
	if body == first || len(res.Cookies()) != 1 {
		t.Errorf("%q, cookies %v", body, res.Cookies())
	}
}

func TestHashKeys(t *testing.T) {
	ups := []string{named(t, "a"), named(t, "b"), named(t, "c")}
	for key, header := range map[string]string{"header:X-User": "X-User: %d", "cookie:session": "Cookie: session=%d"} {
		_, _, srv := open(t, config(ups, func(c *proxy.Config) { c.Balance, c.HashKey = "hash", key }))
		seen := map[string]bool{}
		for user := range 60 { // that none of them comes to one of three is unlikely enough
			h := fmt.Sprintf(header, user)
			one, two := get(t, srv, "/", h), get(t, srv, "/", h)
			if one != two {
				t.Errorf("%s %d: %q and %q", key, user, one, two)
			}
			seen[one] = true
		}
		if len(seen) != 3 {
			t.Errorf("%s: 60 users came to %v", key, seen)
		}
		if a, b := get(t, srv, "/"), get(t, srv, "/"); a != b { // by the address
			t.Errorf("%s: %q and %q", key, a, b)
		}
	}
}

// A service that is its own upstream, by mistake, says so in the end.
func TestLoop(t *testing.T) {
	s, env, srv := open(t, one(named(t, "first")))
	s.Update(one(srv.URL))
	if got := get(t, srv, "/"); !strings.HasPrefix(got, "508 ") {
		t.Errorf("%q", got)
	}
	if n := metric(t, s, "attempts_total"); n != 10 {
		t.Errorf("%v attempts", n)
	}
	if !strings.Contains(env.Logs(), "leads back") {
		t.Error("the log does not say why")
	}
}

// A client whose body breaks off is told so, and the upstream is not blamed.
func TestClientBreaksOff(t *testing.T) {
	s, env, srv := open(t, one(backend(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })))
	c := dial(t, srv.Addr)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\nnot hex\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 400 {
		t.Errorf("%v, %v", res, err)
	}
	waitMetric(t, s, "in_flight_requests", 0)
	if n := metric(t, s, "failures_total"); n != 0 || len(env.LoudLogs()) > 0 {
		t.Errorf("%v failures", n)
	}
}

func TestBodyThatIsTooLarge(t *testing.T) {
	s, _, _ := open(t, one(backend(t, echoBody)))
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1000)
		s.ServeHTTP(w, r)
	})
	ln := backend(t, front)
	pr, pw := io.Pipe()
	go func() {
		_, _ = pw.Write(make([]byte, 900))
		_, _ = pw.Write(make([]byte, 900))
		_ = pw.Close()
	}()
	res, err := http.DefaultClient.Do(request(t, "POST", ln, pr))
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil && res.StatusCode != 413 {
		t.Errorf("%s", res.Status)
	}
}

// An upstream that answers what is not HTTP is a bad gateway, not a crash.
func TestNonsenseFromTheUpstream(t *testing.T) {
	for _, answer := range []string{
		"", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10) + "\r\n\r\n",
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
						_, _ = io.WriteString(c, answer)
					}
				}()
			}
		}()
		_, _, srv := open(t, one("http://"+ln.Addr().String()))
		if got := get(t, srv, "/"); !strings.HasPrefix(got, "502 ") {
			t.Errorf("%.60q: %q", answer, got)
		}
	}
}
