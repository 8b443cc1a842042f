package servicetest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

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
	rule string
	env  service.Env
}

func (s *instance) Close() error { return nil }

func (s *instance) Update(config) {}

func (s *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
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
		servicetest.SetPatience(time.Second)
	}
	servicetest.Run(t, servicetest.Suite{
		Kind:    service.KindOf(broken{Rule: os.Getenv(ruleVar)}),
		Changed: `word = "ho"`,
	})
}

// A suite that finds nothing is worth nothing: each broken rule must be found.
func TestSuiteFindsBrokenKinds(t *testing.T) {
	for rule, want := range map[string]string{
		"goroutine":  "goroutines instead of",
		"descriptor": "descriptors instead of",
		"loud":       "logged above info",
		"mode":       "has mode",
		"elsewhere":  "left behind in TMPDIR",
		"relock":     "open: lock",
		"panic":      "panic",
		"head":       "HEAD says 405",
		"500":        "500 Internal Server Error",
		"open":       "without closing its connection",
		"context":    "ServeConn did not return",
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
