package respond_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/allocs"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/respond"
	"github.com/porticod/portico/services/servicetest"
)

var kind = service.KindOf(respond.Type{})

func TestContract(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		Kind:    kind,
		Changed: `body = "<!doctype html><p>soon</p>"`,
		Bad: map[string]string{
			`status = 99`:                                  "not the status",
			`status = 101`:                                 "not the status",
			`status = 600`:                                 "not the status",
			"status = 204\nbody = \"x\"":                   "cannot have a body",
			`headers = { "a b" = "c" }`:                    "not a name",
			`headers = { a = "b\r\nc: d" }`:                "line break",
			`headers = { content-length = "7" }`:           "writes Content-Length itself",
			`headers = { x-a = "1", X-A = "2" }`:           "twice",
			`body = "` + strings.Repeat("x", 1<<20) + `x"`: "too large",
		},
	})
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		config, body, ctype string
		status              int
	}{
		{``, "", "text/plain; charset=utf-8", 200},
		{`body = "User-agent: *"`, "User-agent: *", "text/plain; charset=utf-8", 200},
		{`body = "{\"a\": 1}"`, `{"a": 1}`, "application/json", 200},
		{`body = "{not json"`, `{not json`, "text/plain; charset=utf-8", 200},
		{`body = "<!DOCTYPE html><p>ü"`, `<!DOCTYPE html><p>ü`, "text/html; charset=utf-8", 200},
		{"body = \"<p>x\"\nheaders = { content-type = \"text/plain\" }", "<p>x", "text/plain", 200},
		{"status = 503\nbody = \"soon\"\nheaders = { Retry-After = \"60\" }", "soon", "text/plain; charset=utf-8", 503},
		{`status = 204`, "", "", 204},
		{`status = 304`, "", "", 304},
	} {
		svc, _ := servicetest.Open(t, kind, c.config)
		srv := servicetest.HTTP(t, svc.(http.Handler))
		for _, method := range []string{"GET", "POST", "BREW"} {
			res, err := srv.Client.Do(servicetest.Request(method, srv.URL+"/any?x"))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(body) != c.body || res.StatusCode != c.status || res.Header.Get("Content-Type") != c.ctype {
				t.Errorf("%s of %q: %s %q %q %v", method, c.config, res.Status, body, res.Header.Get("Content-Type"), err)
			}
			if strings.Contains(c.config, "Retry-After") && res.Header.Get("Retry-After") != "60" {
				t.Errorf("%q: %v", c.config, res.Header)
			}
		}
	}
}

func TestProbeExpectsTheStatus(t *testing.T) {
	p := servicetest.MustDecode(t, kind, `status = 503`).Probe()
	if p.Kind != service.ProbeHTTP || fmt.Sprint(p.Status) != "[503]" {
		t.Errorf("%+v", p)
	}
}

// nowhere is a ResponseWriter of no cost.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// All answers share what they say: one more takes no memory.
func TestAllocations(t *testing.T) {
	svc, _ := servicetest.Open(t, kind, `body = "hello"`)
	h, r, w := svc.(http.Handler), servicetest.Request("GET", "http://example.org/"), nowhere{http.Header{}}
	if n := allocs.Per(100, 0, func() { clear(w.h); h.ServeHTTP(w, r) }); n > 0 {
		t.Errorf("%.0f allocations for an answer", n)
	}
	if w.h.Get("Content-Length") != "5" {
		t.Errorf("%v", w.h)
	}
}
