package servicetest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/servicetest"
)

// broken is a kind that breaks one rule of the contract, which Rule names.
type broken struct{ Rule string }

type config struct {
	Word string `hcl:"word,optional"`
}

func (broken) Kind() string    { return "broken" }
func (broken) Default() config { return config{Word: "hi"} }
func (broken) Probe(config) service.Probe {
	return service.Probe{Kind: service.ProbeRaw, Send: []byte("x"), Expect: []byte("x")}
}

func (b broken) Open(_ context.Context, env service.Env, _ config) (*instance, error) {
	s := &instance{rule: b.Rule, env: env}
	switch b.Rule {
	case "goroutine":
		go func() { select {} }()
	case "descriptor":
		_, _ = os.Open(os.DevNull)
	case "loud":
		env.Log.Warn().Msg("all is well")
	case "mode":
		return s, os.MkdirAll(env.Dir, 0o755)
	case "elsewhere":
		return s, os.WriteFile(os.TempDir()+"/litter", nil, 0o600)
	case "relock":
		if err := os.MkdirAll(env.Dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(env.Dir+"/lock", os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		return s, f.Close()
	}
	return s, nil
}

type instance struct {
	rule   string
	env    service.Env
	broken atomic.Bool
}

func (s *instance) Close() error { return nil }

func (s *instance) Update(config) {
	if s.rule == "update" {
		s.broken.Store(true)
	}
}

func (s *instance) Collectors() []prometheus.Collector {
	switch s.rule {
	case "metric name":
		return []prometheus.Collector{prometheus.NewCounter(prometheus.CounterOpts{Name: "greetings_total", Help: "Greetings."})}
	case "metric unit":
		return []prometheus.Collector{prometheus.NewGauge(prometheus.GaugeOpts{Name: "portico_broken_age_ms", Help: "Age."})}
	case "metric label":
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "portico_broken_greetings_total", Help: "Greetings."}, []string{"user"})
		c.WithLabelValues("alice").Inc()
		return []prometheus.Collector{c}
	}
	return nil
}

// serveWebSocket answers the one handshake that the suite sends, and says
// goodbye with the code that it was asked for.
func (s *instance) serveWebSocket(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	if s.rule == "untracked" {
		return
	}
	var done func()
	ready := make(chan struct{})
	done = s.env.Track(c, func(code int) {
		<-ready
		if s.rule == "wrong code" {
			code = 1000
		}
		if s.rule != "no goodbye" {
			_, _ = c.Write([]byte{0x88, 2, byte(code >> 8), byte(code)})
		}
		_ = c.Close()
		done()
	})
	close(ready)
}

// serveStream stays open until its drain or its end.
func (s *instance) serveStream(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if s.rule != "untracked stream" {
		defer s.env.Track(nil, func(int) {
			if s.rule != "deaf stream" {
				cancel()
			}
		})()
	}
	_ = http.NewResponseController(w).Flush()
	<-ctx.Done()
}

func (s *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.broken.Load():
		w.WriteHeader(http.StatusBadGateway)
	case r.Header.Get("Upgrade") != "":
		s.serveWebSocket(w)
	case r.URL.Path == "/stream":
		s.serveStream(w, r)
	case r.URL.Path == "/healthz" && s.rule != "healthz":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(w, `{"status":"ok"}`)
	case s.rule == "panic":
		panic("oh")
	case s.rule == "head" && r.Method == http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case s.rule == "500" && strings.Contains(r.URL.Path, ".."):
		w.WriteHeader(http.StatusInternalServerError)
	default:
		fmt.Fprint(w, "hi")
	}
}

func (s *instance) ServeConn(ctx context.Context, c net.Conn) {
	if s.rule == "open" {
		return
	}
	defer c.Close()
	if s.rule != "context" {
		defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	}
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

const ruleVar = "PORTICO_TEST_BROKEN_RULE"

// TestBroken is the suite against one kind, run by TestSuiteFindsBrokenKinds in
// a process of its own.
func TestBroken(t *testing.T) {
	if os.Getenv(ruleVar) != "" {
		servicetest.SetPatience(400 * time.Millisecond)
	}
	servicetest.Run(t, servicetest.Suite{
		Kind:    service.KindOf(broken{Rule: os.Getenv(ruleVar)}),
		Changed: `word = "ho"`,
		Healthz: true,
		Streams: []func(string) *http.Request{
			func(base string) *http.Request { return servicetest.Request("GET", base+"/stream") },
		},
		WebSocket: func(base string) *http.Request { return servicetest.Request("GET", base+"/") },
	})
}

// A suite that finds nothing is worth nothing: each broken rule must be found.
func TestSuiteFindsBrokenKinds(t *testing.T) {
	for rule, want := range map[string]string{
		"goroutine":        "goroutines instead of",
		"descriptor":       "descriptors instead of",
		"loud":             "logged above info",
		"mode":             "has mode",
		"elsewhere":        "left behind in TMPDIR",
		"relock":           "open: lock",
		"panic":            "panic",
		"head":             "HEAD says 405",
		"500":              "500 Internal Server Error",
		"open":             "without closing its connection",
		"context":          "ServeConn did not return",
		"update":           "under load: GET /: 502",
		"healthz":          "/healthz: 200 OK",
		"metric name":      "does not begin with portico_broken_",
		"metric unit":      "metric portico_broken_age_ms",
		"metric label":     "has the label user",
		"untracked":        "the WebSocket is not tracked",
		"wrong code":       "closed the WebSocket with 1000",
		"no goodbye":       "no close frame",
		"untracked stream": "/stream is not tracked",
		"deaf stream":      "/stream did not end after its drain",
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$", "-test.count=1")
			cmd.Env = append(os.Environ(), ruleVar+"="+rule)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite does not say %q: %v\n%s", want, err, out)
			}
		})
	}
}
