package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/proxy"
	"github.com/porticod/portico/services/servicetest"
)

func TestCacheValidates(t *testing.T) {
	var asked atomic.Pointer[http.Header]
	var gone atomic.Bool
	s, srv, calls := cached(t, func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		asked.Store(&h)
		w.Header().Set("Cache-Control", "max-age=9")
		w.Header().Set("Age", "9") // so that it is stale at once
		if r.Header.Get("If-None-Match") == `"1"` && !gone.Load() {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Age", "0")
			w.Header().Set("X-New", "1")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("X-New", "0")
		_, _ = io.WriteString(w, "body")
	})
	fetch(t, srv, "GET", "/")
	// The client's own conditions and ranges are the cache's affair.
	res, got := fetch(t, srv, "GET", "/", `If-None-Match: "client's"`, "Range: bytes=0-1")
	expect(t, got, "206 bo portico; fwd=stale; fwd-status=304")
	if h := *asked.Load(); h.Get("If-None-Match") != `"1"` || h.Get("Range") != "" || res.Header.Get("X-New") != "1" {
		t.Errorf("%v, %v", h, res.Header)
	}
	_, got = fetch(t, srv, "GET", "/") // fresh again
	if n := calls.Load(); n != 2 || !strings.HasPrefix(got, "200 body portico; hit; ttl=") {
		t.Errorf("%d calls, %s", n, got)
	}
	_, got = fetch(t, srv, "GET", "/", "Cache-Control: no-cache", `If-None-Match: "1"`)
	expect(t, got, "304  portico; fwd=request; fwd-status=304")
	gone.Store(true)
	_, got = fetch(t, srv, "GET", "/", "Cache-Control: no-cache")
	expect(t, got, "200 body portico; fwd=request; fwd-status=200; stored")
	if n := metric(t, s, "cache_validated_total"); n != 2 {
		t.Errorf("%v validated", n)
	}
}

func TestStaleWhileRevalidate(t *testing.T) {
	release, n := make(chan struct{}), new(atomic.Int32)
	_, srv, _ := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=50, stale-while-revalidate=100")
		if n.Add(1) == 1 {
			w.Header().Set("Age", "60")
		} else {
			await(release)
		}
		fmt.Fprintf(w, "%d %s", n.Load(), r.Header.Get("X-Client"))
	})
	fetch(t, srv, "GET", "/", "X-Client: a")
	for range 3 { // nobody waits for the new one
		_, got := fetch(t, srv, "HEAD", "/", "X-Client: b")
		if !strings.HasPrefix(got, "200  portico; hit; ttl=-1") {
			t.Error(got)
		}
	}
	close(release)
	wait.Right(t, func() string { // the old one is given until the new one is whole
		_, got := fetch(t, srv, "GET", "/")
		if strings.HasPrefix(got, "200 2 b portico; ") {
			return ""
		}
		return got
	})
	if got := n.Load(); got != 2 {
		t.Errorf("%d calls", got)
	}
}

// What is fetched without a client ends with the service.
func TestCloseEndsRefreshing(t *testing.T) {
	begun, n := make(chan struct{}, 1), new(atomic.Int32)
	s, srv, _ := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=50, stale-while-revalidate=100")
		w.Header().Set("Age", "60")
		if n.Add(1) > 1 {
			begun <- struct{}{}
			await(r.Context().Done())
		}
	})
	fetch(t, srv, "GET", "/")
	fetch(t, srv, "GET", "/")
	await(begun)
	done := make(chan struct{})
	go func() { _ = s.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Close waits")
	}
}

func TestStaleIfError(t *testing.T) {
	for _, c := range []struct {
		control, want string
		fail          func(http.ResponseWriter)
	}{
		{"max-age=50, stale-if-error=100", "200 fine portico; fwd=stale; fwd-status=503; detail=stale-if-error", func(w http.ResponseWriter) { w.WriteHeader(503) }},
		{"max-age=50, stale-if-error=100", "200 fine portico; fwd=stale; detail=stale-if-error", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
		{"max-age=50, stale-if-error=5", "503  portico; fwd=stale; fwd-status=503", func(w http.ResponseWriter) { w.WriteHeader(503) }},
		{"max-age=50, stale-if-error=100, must-revalidate", "503  portico; fwd=stale; fwd-status=503", func(w http.ResponseWriter) { w.WriteHeader(503) }},
		{"max-age=50, stale-if-error=100", "404  portico; fwd=stale; fwd-status=404", func(w http.ResponseWriter) { w.WriteHeader(404) }},
	} {
		var n atomic.Int32
		_, srv, _ := cached(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) > 1 {
				c.fail(w)
				return
			}
			w.Header().Set("Cache-Control", c.control)
			w.Header().Set("Age", "60")
			_, _ = io.WriteString(w, "fine")
		}, func(c *proxy.Config) { c.Passive.Fails = 0 })
		fetch(t, srv, "GET", "/")
		_, got := fetch(t, srv, "GET", "/")
		expect(t, got, c.want)
	}
}

// await waits for something to happen, but not for ever.
func await(c <-chan struct{}) {
	select {
	case <-c:
	case <-time.After(patience):
	}
}

// together runs n requests at the same time.
func together(t *testing.T, srv *servicetest.HTTPServer, n int) []string {
	t.Helper()
	got := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			res, err := srv.Client.Get(srv.URL + "/")
			if err != nil {
				got[i] = err.Error()
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			got[i] = fmt.Sprint(res.StatusCode, " ", string(b), " ", res.Header.Get("Cache-Status"))
		})
	}
	all.Wait()
	return got
}

func TestRequestsAreCollapsed(t *testing.T) {
	const n = 20
	var s *proxy.Service
	s, srv, calls := cached(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		servicetest.WaitMetric(t, s, "portico_proxy_cache_collapsed_total", n-1)
		_, _ = io.WriteString(w, "once")
	})
	collapsed := 0
	for _, got := range together(t, srv, n) {
		switch got {
		case "200 once portico; fwd=uri-miss; stored":
		case "200 once portico; fwd=uri-miss; collapsed":
			collapsed++
		default:
			t.Error(got)
		}
	}
	if calls.Load() != 1 || collapsed != n-1 {
		t.Errorf("%d calls, %d collapsed", calls.Load(), collapsed)
	}
}

// Where the answer is nobody else's, or takes too long, each asks for itself.
func TestCollapsingIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		control string
		wait    time.Duration
	}{"private": {"private", patience}, "slow": {"max-age=60", 20 * time.Millisecond}} {
		const n = 5
		all, got := make(chan struct{}), new(atomic.Int32)
		_, srv, _ := cached(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", c.control)
			_ = http.NewResponseController(w).Flush() // the header alone must be enough
			if got.Add(1) == n {
				close(all)
			}
			select {
			case <-all:
			case <-time.After(patience):
				t.Error("not everybody asks")
			}
		}, func(cfg *proxy.Config) { cfg.Cache.Wait = c.wait })
		for _, got := range together(t, srv, n) {
			if !strings.HasPrefix(got, "200  portico; fwd=uri-miss") {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

func TestChangesForget(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	_, srv, calls := cached(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Location", "/other?1")
			if r.Header.Get("X-Fail") != "" {
				w.WriteHeader(http.StatusForbidden)
			}
			return
		}
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).Flush()
			held <- struct{}{}
			await(hold)
		}
	})
	hit := func(path string, want bool) {
		t.Helper()
		if _, got := fetch(t, srv, "GET", path); strings.Contains(got, "; hit;") != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for _, path := range []string{"/", "/other?1", "/third"} {
		hit(path, false)
		hit(path, true)
	}
	_, got := fetch(t, srv, "POST", "/", "X-Fail: 1")
	expect(t, got, "403  portico; fwd=method")
	hit("/", true)
	fetch(t, srv, "DELETE", "/")
	hit("/", false)
	hit("/other?1", false)
	hit("/third", true)

	// An answer that was on its way while the change was made is as it was before.
	done := make(chan struct{})
	go func() { defer close(done); fetch(t, srv, "GET", "/slow") }()
	await(held)
	fetch(t, srv, "PUT", "/slow")
	close(hold)
	await(done)
	before := calls.Load()
	hit("/slow", false)
	if calls.Load() != before+1 {
		t.Error("kept")
	}
}

func TestCacheIsBounded(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 200<<10)
	s, srv, calls := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		size := len(big)
		if strings.HasPrefix(r.URL.Path, "/huge") {
			size *= 10
		}
		if strings.HasSuffix(r.URL.Path, "known") {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		for ; size > 0; size -= len(big) {
			_, _ = w.Write(big)
		}
	}, func(c *proxy.Config) { c.Cache.Size, c.Cache.MaxAnswer = 4<<20, 1<<20 })
	for i := range 40 {
		fetch(t, srv, "GET", fmt.Sprint("/", i))
		if n := metric(t, s, "cache_bytes"); n > 3<<20 {
			t.Fatalf("%v bytes", n)
		}
	}
	if n := metric(t, s, "cache_resources"); n < 5 || n > 20 {
		t.Errorf("%v resources", n)
	}
	calls.Store(0)
	for range 2 {
		fetch(t, srv, "GET", "/huge")
		fetch(t, srv, "GET", "/huge-known")
	}
	if n := calls.Load(); n != 4 {
		t.Errorf("%d calls", n)
	}
}

func TestBrokenAnswersAreNotKept(t *testing.T) {
	for _, length := range []string{"100", ""} {
		_, srv, calls := cached(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		for range 2 {
			res, err := srv.Client.Get(srv.URL)
			if err != nil {
				continue
			}
			if _, err = io.ReadAll(res.Body); err == nil {
				t.Error("half an answer is a whole one")
			}
			_ = res.Body.Close()
		}
		if n := calls.Load(); n < 2 {
			t.Errorf("%d calls", n)
		}
	}
}

func TestCacheAndUpdates(t *testing.T) {
	up, other := backend(t, says("a", "Cache-Control: max-age=60")), backend(t, says("b", "Cache-Control: max-age=60"))
	s, _, srv := open(t, one(up, withCache))
	fetch(t, srv, "GET", "/")
	s.Update(one(up, withCache, func(c *proxy.Config) {
		c.Cache.Size, c.Balance = 8<<20, "least_connections"
		c.Headers.Response.Set = map[string]string{"X-Rule": "1"}
	}))
	res, got := fetch(t, srv, "GET", "/")
	if !strings.HasPrefix(got, "200 a portico; hit") || res.Header.Get("X-Rule") != "1" {
		t.Errorf("%s, %v", got, res.Header)
	}
	s.Update(one(other, withCache))
	_, got = fetch(t, srv, "GET", "/")
	expect(t, got, "200 b portico; fwd=uri-miss; stored")
	s.Update(one(other))
	_, got = fetch(t, srv, "GET", "/")
	expect(t, got, "200 b ")
}

func TestCompressedFromTheCache(t *testing.T) {
	text := strings.Repeat("compressible text. ", 1000)
	_, srv, calls := cached(t, says(text, "Cache-Control: max-age=60", "Content-Type: text/plain", `ETag: "a"`), func(c *proxy.Config) { c.Compress = true })
	for range 2 {
		for accept, encoding := range map[string]string{"gzip": "gzip", "br": "br", "identity": ""} {
			req := request(t, "GET", srv.URL, nil, "Accept-Encoding: "+accept)
			res, body := do(t, srv, req)
			if encoding != "" {
				body = decode(t, encoding, body)
			}
			if res.Header.Get("Content-Encoding") != encoding || body != text || res.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: %v, %d bytes", accept, res.Header, len(body))
			}
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// The cache forgets its waiters too when a client leaves.
func TestLeaderThatLeaves(t *testing.T) {
	begun := make(chan struct{}, 2)
	var n atomic.Int32
	s, srv, _ := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if n.Add(1) == 1 {
			begun <- struct{}{}
			await(r.Context().Done())
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
		if res, err := srv.Client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	await(begun)
	done := make(chan string)
	go func() { done <- together(t, srv, 1)[0] }()
	waitMetric(t, s, "cache_collapsed_total", 1)
	leave()
	select {
	case got := <-done:
		expect(t, got, "200  portico; fwd=uri-miss; stored; collapsed")
	case <-time.After(patience):
		t.Fatal("the one that waits was forgotten")
	}
}
