package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/services/proxy"
	"github.com/porticod/portico/services/servicetest"
)

func withCache(c *proxy.Config) {
	c.Cache = &proxy.Cache{Size: 16 << 20, MaxAnswer: 1 << 20, Wait: patience}
}

// cached is a proxy with a cache in front of a handler whose calls are counted.
func cached(t testing.TB, f http.HandlerFunc, change ...func(*proxy.Config)) (*proxy.Service, *servicetest.HTTPServer, *atomic.Int32) {
	t.Helper()
	calls := new(atomic.Int32)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		f(w, r)
	})
	s, _, srv := open(t, one(up, append([]func(*proxy.Config){withCache}, change...)...))
	return s, srv, calls
}

// says answers with headers, "Name: value", and a body.
func says(body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		_, _ = io.WriteString(w, body)
	}
}

// fetch is a request whose answer is status, body and Cache-Status.
func fetch(t testing.TB, srv *servicetest.HTTPServer, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	req := request(t, method, srv.URL+path, nil)
	for _, h := range headers {
		if name, value, _ := strings.Cut(h, ": "); name == "Host" {
			req.Host = value
		} else {
			req.Header.Add(name, value)
		}
	}
	res, body := do(t, srv, req)
	return res, fmt.Sprint(res.StatusCode, " ", body, " ", strings.Join(res.Header["Cache-Status"], ", "))
}

func expect(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%q instead of %q", got, want)
	}
}

const someDate = "Mon, 02 Jan 2006 15:04:05 GMT"

func TestCacheAnswersFromMemory(t *testing.T) {
	s, srv, calls := cached(t, says("0123456789", "Cache-Control: max-age=100", `ETag: "a"`, "Last-Modified: "+someDate, "Content-Type: text/plain"))
	_, got := fetch(t, srv, "GET", "/x?y")
	expect(t, got, "200 0123456789 portico; fwd=uri-miss; stored")
	for _, c := range []struct {
		method, header, want string
	}{
		{"GET", "X-Any: 1", "200 0123456789"},
		{"HEAD", "X-Any: 1", "200 "},
		{"GET", `If-None-Match: "b", W/"a"`, "304 "},
		{"HEAD", `If-None-Match: "a"`, "304 "},
		{"GET", `If-None-Match: "b"`, "200 0123456789"},
		{"GET", "If-Modified-Since: " + someDate, "304 "},
		{"GET", "Range: bytes=2-4", "206 234"},
		{"GET", "Range: bytes=-1", "206 9"},
		{"GET", "Range: bytes=20-", "416 invalid range: failed to overlap\n"},
	} {
		res, got := fetch(t, srv, c.method, "/x?y", c.header)
		status, ttl, _ := strings.Cut(got, " portico; hit; ttl=")
		expect(t, status, c.want)
		if left, err := strconv.Atoi(ttl); err != nil || left < 40 || left > 100 || res.Header.Get("Age") == "" || res.StatusCode < 400 && res.Header.Get("Etag") != `"a"` {
			t.Errorf("%s: %s, %v", c.header, ttl, res.Header)
		}
	}
	res, got := fetch(t, srv, "GET", "/x?y", "Range: bytes=2-4", `If-Range: "b"`)
	expect(t, got[:14], "200 0123456789")
	if n := calls.Load(); n != 1 || res.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%d calls, %v", n, res.Header)
	}
	if hits := metric(t, s, "cache_hits_total"); hits != 10 {
		t.Errorf("%v hits", hits)
	}
	// Another resource is another resource, by every byte of its name.
	for i, path := range []string{"/x", "/x?", "/x?z", "/X?y", "//x?y", "/x%3Fy", "/x/../x?y", "/%78?y"} {
		_, got := fetch(t, srv, "GET", path)
		expect(t, got, "200 0123456789 portico; fwd=uri-miss; stored")
		if n := calls.Load(); int(n) != i+2 {
			t.Errorf("%s: %d calls", path, n)
		}
	}
	_, got = fetch(t, srv, "GET", "/x?y", "Host: other")
	expect(t, got, "200 0123456789 portico; fwd=uri-miss; stored")
}

func TestWhatIsKept(t *testing.T) {
	for _, c := range []struct {
		headers string
		request string
		kept    bool
	}{
		{"Cache-Control: max-age=9", "", true},
		{"Cache-Control: s-maxage=9", "", true},
		{"Cache-Control: max-age=0, s-maxage=9", "", true},
		{"Cache-Control: max-age=9, s-maxage=0", "", false},
		{"Cache-Control: max-age=9, max-age=0", "", false},
		{"Cache-Control: max-age=x", "", false},
		{"Cache-Control: MAX-AGE=\"9\"", "", true},
		{"Cache-Control: public", "", false},
		{`ETag: "a"`, "", false},
		{"Expires: " + time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "", true},
		{"Expires: 0", "", false},
		{"Expires: " + time.Now().Add(time.Hour).UTC().Format(http.TimeFormat) + "|Cache-Control: max-age=0", "", false},
		{"Cache-Control: max-age=9, private", "", false},
		{"Cache-Control: max-age=9, private=\"x\"", "", false},
		{"Cache-Control: max-age=9|Cache-Control: no-store", "", false},
		{"Cache-Control: max-age=9, no-cache", "", false},
		{"Cache-Control: max-age=9, x=\"no-store, private\"", "", true},
		{"Cache-Control: max-age=9|Set-Cookie: a=b", "", false},
		{"Cache-Control: max-age=9|Vary: *", "", false},
		{"Cache-Control: max-age=9|Age: 10", "", false},
		{"Cache-Control: max-age=9|Age: 2", "", true},
		{"Cache-Control: max-age=9|Content-Type: text/event-stream", "", false},
		{"Cache-Control: max-age=9", "Authorization: Basic x", false},
		{"Cache-Control: max-age=9, public", "Authorization: Basic x", true},
		{"Cache-Control: s-maxage=9", "Authorization: Basic x", true},
		{"Cache-Control: max-age=9, must-revalidate", "Authorization: Basic x", true},
		{"Cache-Control: max-age=9", "Cache-Control: no-store", false},
		{"Cache-Control: max-age=9", "Cache-Control: no-cache", false},
		{"Cache-Control: max-age=9", "Pragma: no-cache", false},
		{"Cache-Control: max-age=9", "Cache-Control: max-age=0, min-fresh=1", false},
		{"Cache-Control: max-age=9", "Cache-Control: min-fresh=20", false},
		{"Cache-Control: max-age=9|Age: 20", "Cache-Control: max-stale=60", true},
		{"Cache-Control: max-age=9|Age: 80", "Cache-Control: max-stale=60", false},
		{"Cache-Control: max-age=9|Age: 20|ETag: \"a\"", "Cache-Control: max-stale=60", true},
		{"Cache-Control: max-age=9, must-revalidate|Age: 20|ETag: \"a\"", "Cache-Control: max-stale", false},
	} {
		t.Run(c.headers+","+c.request, func(t *testing.T) {
			_, srv, calls := cached(t, says("x", strings.Split(c.headers, "|")...))
			for range 2 {
				if c.request != "" {
					fetch(t, srv, "GET", "/", c.request)
				} else {
					fetch(t, srv, "GET", "/")
				}
			}
			if n := calls.Load(); (n == 1) != c.kept {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func TestStatusesThatAreKept(t *testing.T) {
	for status, kept := range map[int]bool{200: true, 301: true, 302: true, 404: true, 400: false, 403: false, 405: false, 413: false, 431: false, 500: false, 503: false} {
		_, srv, calls := cached(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.WriteHeader(status)
		})
		for range 2 {
			fetch(t, srv, "GET", "/")
		}
		if n := calls.Load(); (n == 1) != kept {
			t.Errorf("%d: %d calls", status, n)
		}
	}
}

// What the cache holds for people without a name is not shown to those with one,
// nor the other way round.
func TestCacheAndAuthorization(t *testing.T) {
	_, srv, _ := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "for "+r.Header.Get("Authorization"))
	})
	for range 2 {
		_, got := fetch(t, srv, "GET", "/", "Authorization: me")
		expect(t, got, "200 for me portico; fwd=uri-miss")
	}
	fetch(t, srv, "GET", "/")
	_, got := fetch(t, srv, "GET", "/", "Authorization: me")
	expect(t, got, "200 for me portico; fwd=vary-miss")
}

func TestCacheVary(t *testing.T) {
	_, srv, calls := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "accept-language, X-Mode")
		_, _ = io.WriteString(w, r.Header.Get("Accept-Language")+r.Header.Get("X-Mode"))
	})
	for range 2 {
		for _, h := range [][]string{{"Accept-Language: de"}, {"Accept-Language: fr"}, {"Accept-Language: fr", "X-Mode: 1"}, {"X-Other: 1"}} {
			want := "200 "
			for _, l := range h {
				if _, v, _ := strings.Cut(l, ": "); !strings.HasPrefix(l, "X-Other") {
					want += v
				}
			}
			if _, got := fetch(t, srv, "GET", "/", h...); !strings.HasPrefix(got, want+" ") {
				t.Errorf("%v: %s", h, got)
			}
		}
	}
	if n := calls.Load(); n != 4 {
		t.Errorf("%d calls", n)
	}
	for i := range 100 { // more variants than are kept
		fetch(t, srv, "GET", "/", fmt.Sprint("X-Mode: ", i))
	}
	if _, got := fetch(t, srv, "GET", "/", "Accept-Language: de"); !strings.HasSuffix(got, "fwd=vary-miss; stored") {
		t.Error(got)
	}
}

func TestOnlyIfCached(t *testing.T) {
	_, srv, _ := cached(t, says("x", "Cache-Control: max-age=60"))
	res, _ := fetch(t, srv, "GET", "/", "Cache-Control: only-if-cached")
	if res.StatusCode != 504 {
		t.Error(res.Status)
	}
	fetch(t, srv, "GET", "/")
	res, _ = fetch(t, srv, "GET", "/", "Cache-Control: only-if-cached")
	if res.StatusCode != 200 {
		t.Error(res.Status)
	}
}

// What one client can add to a request, and the key does not hold, must not change
// what others get.
func TestCachePoisoning(t *testing.T) {
	_, srv, _ := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		b, _ := io.ReadAll(r.Body)
		for name, v := range r.Header {
			if strings.Contains(fmt.Sprint(v), "evil") {
				fmt.Fprint(w, name)
			}
		}
		fmt.Fprintf(w, "%s%s", r.Host, b)
	})
	for i, h := range []string{
		"X-Forwarded-Host: evil", "X-Forwarded-Proto: evil", "X-Forwarded-Port: evil", "Forwarded: for=x;host=evil", "Forwarded: for=\"x;host=evil\"",
		"X-Forwarded-Scheme: evil", "X-Forwarded-Prefix: /evil", "X-Forwarded-Server: evil", "X-Original-URL: /evil", "X-Rewrite-Url: /evil", "X-Host: evil",
		"X-HTTP-Method-Override: evil", "X-Method-Override: evil", "X-Forwarded_host: evil", "X_forwarded_host: evil", "X-Http-Host-Override: evil", "Host: evil",
	} {
		path := fmt.Sprint("/", i)
		fetch(t, srv, "GET", path, h)
		if _, got := fetch(t, srv, "GET", path); strings.Contains(got, "evil") || strings.Contains(got, "X-") {
			t.Errorf("after %s: %s", h, got)
		}
		if _, got := fetch(t, srv, "GET", path, h); !strings.Contains(got, "vil") && !strings.Contains(got, http.CanonicalHeaderKey(strings.Split(h, ":")[0])) {
			t.Errorf("%s is lost: %s", h, got)
		}
	}
	// A GET with a body, and what hides behind Connection.
	req := request(t, "GET", srv.URL+"/body", strings.NewReader("evil"))
	do(t, srv, req)
	if _, got := fetch(t, srv, "GET", "/body"); strings.Contains(got, "evil") {
		t.Error(got)
	}
	fetch(t, srv, "GET", "/hop", "Connection: close, X-Forwarded-Host", "X-Forwarded-Host: evil")
	if _, got := fetch(t, srv, "GET", "/hop"); strings.Contains(got, "evil") {
		t.Error(got)
	}
}

// A query that HTTP/2 lets through would be two parts of a request line.
func TestBlankInTheQuery(t *testing.T) {
	s, _, calls := cached(t, says("x"))
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.URL.RawQuery = "a HTTP/1.1\r\nX: y"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 400 || calls.Load() != 0 {
		t.Errorf("%d", w.Code)
	}
}

// What is on its way in takes a quarter of the cache at most, however many ask; and
// what it took is given back.
func TestArrivingAnswersAreBounded(t *testing.T) {
	const n = 8
	begun, release := make(chan struct{}, n), make(chan struct{})
	_, srv, _ := cached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.URL.Path != "/later" {
			w.Header().Set("Content-Length", "250000")
			_, _ = w.Write(make([]byte, 1000))
			_ = http.NewResponseController(w).Flush()
			await(release)
			_, _ = w.Write(make([]byte, 249_000))
			return
		}
		_, _ = w.Write(make([]byte, 250_000))
	}, func(c *proxy.Config) { c.Cache.Size, c.Cache.MaxAnswer = 4<<20, 1<<20 })
	stored := make(chan bool, n)
	for i := range n {
		go func() {
			res, err := srv.Client.Get(fmt.Sprint(srv.URL, "/", i))
			begun <- struct{}{} // the proxy knows how much it will be
			if err != nil {
				stored <- false
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			stored <- strings.HasSuffix(res.Header.Get("Cache-Status"), "stored")
		}()
	}
	for range n {
		select {
		case <-begun:
		case <-time.After(patience):
			t.Fatal("not everybody asks")
		}
	}
	close(release)
	kept := 0
	for range n {
		if <-stored {
			kept++
		}
	}
	if kept != 4 { // of 1 MiB
		t.Errorf("%d are kept", kept)
	}
	if _, got := fetch(t, srv, "GET", "/later"); !strings.HasSuffix(got, "stored") {
		t.Error("the room was not given back")
	}
}

func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{"max-age=1", `private="a, b", no-cache`, `x="\"`, `max-age = 1 , s-maxage= "2"`, "max-age=99999999999999999999", ",,=,=\"", "stale-if-error, stale-while-revalidate=-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		seconds, noStore, noCache, private := proxy.CacheSeconds(s)
		for _, n := range seconds {
			if n < -1 || n > 1<<31 {
				t.Errorf("%q: %d", s, n)
			}
		}
		// In front of what is well-formed, nothing can take it away.
		_, ns, nc, p := proxy.CacheSeconds("no-store, no-cache, private, " + s)
		if !ns || !nc || !p {
			t.Errorf("%q: %v %v %v", s, ns, nc, p)
		}
		// Twice the same is the same.
		again, ns, nc, p := proxy.CacheSeconds(s + "," + s)
		if strings.Count(s, `"`) == 0 && (again != seconds || ns != noStore || nc != noCache || p != private) {
			t.Errorf("%q: %v, twice %v", s, seconds, again)
		}
	})
}
