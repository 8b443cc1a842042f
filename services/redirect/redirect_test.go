package redirect_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/redirect"
	"github.com/porticod/portico/services/servicetest"
)

var kind = service.KindOf(redirect.Type{})

func TestContract(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		Kind:    kind,
		Config:  `to = "https://example.org"`,
		Changed: "to = \"https://example.org\"\nstatus = 302",
		Bad: map[string]string{
			``:                          `"to" is missing`,
			`to = "example.org"`:        "cannot be sent there",
			`to = "//example.org"`:      "cannot be sent there",
			`to = "javascript:alert()"`: "cannot be sent there",
			`to = "https://"`:           "cannot be sent there",
			`to = "{path}"`:             "cannot be sent there",
			`to = "/x/{user}"`:          "known in braces",
			"to = \"/x\"\nstatus = 200": "does not redirect",
			"to = \"/x\"\nstatus = 304": "does not redirect",
		},
	})
}

func TestTargets(t *testing.T) {
	for _, c := range []struct{ to, host, uri, want string }{
		{"https://example.org", "a", "/x/y?b=c", "https://example.org/x/y?b=c"},
		{"https://example.org", "a", "/", "https://example.org/"},
		{"https://example.org/", "a", "/x", "https://example.org/"},
		{"https://example.org/moved.html", "a", "/x?b", "https://example.org/moved.html"},
		{"https://{host}{uri}", "shop.example.org:8080", "/x?b=c", "https://shop.example.org/x?b=c"},
		{"https://{host}:8443{path}", "[::1]:80", "/x?b=c", "https://[::1]:8443/x"},
		{"https://example.org/search?q={query}", "a", "/x?b=c", "https://example.org/search?q=b=c"},
		{"/new{uri}", "a", "/x%20y?b", "/new/x%20y?b"},
		{"/new", "a", "/x", "/new"},
		// Whatever the path, the host stays.
		{"https://example.org", "a", "//evil.test/x", "https://example.org/evil.test/x"},
		{"https://example.org", "a", "http://evil.test", "https://example.org/"},
		{"https://example.org{path}", "a", "/@evil.test", "https://example.org/@evil.test"},
		{"/{path}", "a", "//evil.test", "/evil.test"},
		{"/{uri}", "a", `/\evil.test`, "/%5Cevil.test"},
		{"/x{uri}", "a", "/é?\xff\"<", "/x/%C3%A9?%FF%22%3C"},
	} {
		svc, _ := servicetest.Open(t, kind, fmt.Sprintf("to = %q", c.to))
		res := raw(t, servicetest.HTTP(t, svc.(http.Handler)).Addr, "GET", c.uri, c.host)
		if got := res.Header.Get("Location"); got != c.want || res.StatusCode != 308 {
			t.Errorf("to %s from %s%s: %d %q instead of %q", c.to, c.host, c.uri, res.StatusCode, got, c.want)
		}
	}
}

func TestStatusHoldsForEveryMethod(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		svc, _ := servicetest.Open(t, kind, fmt.Sprintf("to = \"/x\"\nstatus = %d", status))
		addr := servicetest.HTTP(t, svc.(http.Handler)).Addr
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			if res := raw(t, addr, method, "/", "a"); res.StatusCode != status {
				t.Errorf("%s: %d instead of %d", method, res.StatusCode, status)
			}
		}
	}
}

// raw sends a target as it is, which a client would clean.
func raw(t *testing.T, addr, method, target, host string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", method, target, host)
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	_ = res.Body.Close()
	return res
}

func FuzzTarget(f *testing.F) {
	f.Add("https://example.org{uri}", "/x?y=z", "a:1")
	f.Add("/{path}", "//evil.test", "[::1]")
	f.Add("https://{host}/{query}", "/?\\", "x")
	f.Fuzz(func(t *testing.T, to, target, host string) {
		cfg := redirect.Config{To: to, Status: 301}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
			"GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
		if cfg.Validate() != nil || err != nil {
			return
		}
		s, err := redirect.Type{}.Open(t.Context(), service.Env{}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := &recorder{header: http.Header{}}
		s.ServeHTTP(w, req)
		got := w.header.Get("Location")
		if strings.HasPrefix(to, "/") && (strings.HasPrefix(got, "//") || strings.HasPrefix(got, `/\`)) {
			t.Errorf("%q sends %q to another host: %q", to, target, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("not fit for a header: %q", got)
		}
	})
}

type recorder struct{ header http.Header }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorder) WriteHeader(int)             {}
