// Package servicetest is the contract suite that every kind of service runs, and
// what a kind's own tests need around a service: an environment, an HTTP server,
// a raw server, a pair of connected sockets. It plays the daemon's part of the
// contract; it does not know listeners, routes or config files.
package servicetest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/porticod/portico/pkg/service"
)

// patience is how long a check waits for what should happen at once. It is long
// because test machines are slow, never because services may be; and shorter than a
// long poll.
// Only the test of this package shortens it.
var patience = 40 * time.Second

// A Suite is a kind and what the contract cannot know of it.
type Suite struct {
	Kind service.Kind
	// Config is the smallest useful body of a service block. Relative paths in
	// it resolve against the folder of the test.
	Config string
	// Changed is another valid body. Where the kind updates in place, a running
	// service goes from Config to Changed and back under load.
	Changed string
	// Bad maps bodies that must be refused to a part of the message.
	Bad map[string]string
	// Paths answer GET with something other than a server error; "/" if nil.
	Paths []string
	// Healthz says that the kind serves /healthz.
	Healthz bool
	// Client is one client's conversation with the service at base, such as
	// http://127.0.0.1:1234. It is called from many goroutines at a time. If
	// nil, it gets each of Paths.
	Client func(ctx context.Context, base string) error
	// Streams are requests that stay open until their context ends: event
	// streams and long polls. Each is made from a base like Client's.
	Streams []func(base string) *http.Request
	// WebSocket makes a request for a handshake; its headers are completed. If
	// nil, the kind's probe says whether and where there is one.
	WebSocket func(base string) *http.Request
}

// Run checks the contract. It must not run beside other tests of the package:
// it counts goroutines and descriptors.
func Run(t *testing.T, s Suite) {
	t.Helper()
	if s.Kind.Name() == "" {
		t.Fatal("servicetest: Suite without a Kind")
	}
	if s.Paths == nil {
		s.Paths = []string{"/"}
	}
	for _, c := range []struct {
		name  string
		check func(*testing.T, Suite)
	}{
		{"Config", checkConfig},
		{"PlainData", checkPlainData},
		{"CleanLife", checkCleanLife},
		{"NoLeaks", checkNoLeaks},
		{"Folder", checkFolder},
		{"Change", checkChange},
		{"CloseUnderLoad", checkCloseUnderLoad},
		{"Head", checkHead},
		{"Hostile", checkHostile},
		{"Healthz", checkHealthz},
		{"Streams", checkStreams},
		{"Raw", checkRaw},
		{"WebSocket", checkWebSocket},
		{"Metrics", checkMetrics},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, s) })
	}
}

// Decode decodes the body of a service block named "test", as the daemon would
// from a file in the folder of the test.
func Decode(t testing.TB, k service.Kind, body string) (service.Spec, hcl.Diagnostics) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	f, diags := hclsyntax.ParseConfig([]byte(body), filepath.Join(dir, "servicetest.hcl"), hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("the test's own HCL does not parse: %v\n%s", diags, body)
	}
	return k.Decode("test", f.Body, &hcl.EvalContext{})
}

// MustDecode is Decode for a body that is valid.
func MustDecode(t testing.TB, k service.Kind, body string) service.Spec {
	t.Helper()
	spec, diags := Decode(t, k, body)
	if diags.HasErrors() {
		t.Fatalf("decode %s: %v", k.Name(), diags.Errs())
	}
	return spec
}

// Open decodes body and opens a service from it, which the end of the test
// closes.
func Open(t testing.TB, k service.Kind, body string) (service.Service, *Env) {
	t.Helper()
	env := NewEnv(t, k.Name(), "test")
	ctx, cancel := context.WithCancel(context.Background())
	svc, err := MustDecode(t, k, body).Open(ctx, env.Env)
	if err != nil {
		cancel()
		t.Fatalf("open %s: %v", k.Name(), err)
	}
	t.Cleanup(func() {
		cancel()
		if err := svc.Close(); err != nil {
			t.Errorf("close %s: %v", k.Name(), err)
		}
	})
	return svc, env
}

// A life is a service between Open and Close with servers in front of it.
type life struct {
	suite  Suite
	spec   service.Spec
	env    *Env
	svc    service.Service
	http   *HTTPServer
	raw    *RawServer
	cancel context.CancelFunc
}

// begin opens body in env and puts servers in front of it.
func (s Suite) begin(t testing.TB, env *Env, body string) *life {
	t.Helper()
	spec := MustDecode(t, s.Kind, body)
	ctx, cancel := context.WithCancel(context.Background())
	svc, err := spec.Open(ctx, env.Env)
	if err != nil {
		cancel()
		t.Fatalf("open: %v", err)
	}
	l := &life{suite: s, spec: spec, env: env, svc: svc, cancel: cancel}
	if h, ok := svc.(http.Handler); ok {
		l.http = HTTP(t, h)
	}
	if h, ok := svc.(service.ConnHandler); ok {
		l.raw = Raw(t, h)
	}
	return l
}

// end is what the daemon does to a service that was removed: it asks what is
// tracked to end, waits, cuts what is left, and closes the service.
func (l *life) end(t testing.TB) {
	t.Helper()
	l.env.Drain(1001)
	if err := l.env.WaitUntracked(patience); err != nil {
		t.Error(err)
	}
	if l.http != nil {
		l.http.Close()
	}
	if l.raw != nil {
		l.raw.Close()
	}
	l.cancel()
	if err := l.svc.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// talk is one client's conversation, over each of the abilities.
func (l *life) talk(ctx context.Context) error {
	if l.http != nil {
		if l.suite.Client != nil {
			if err := l.suite.Client(ctx, l.http.URL); err != nil {
				return err
			}
		} else {
			for _, p := range l.suite.Paths {
				if err := l.get(ctx, p); err != nil {
					return err
				}
			}
		}
	}
	if l.raw != nil {
		return l.probeRaw()
	}
	return nil
}

func (l *life) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.http.URL+path, nil)
	if err != nil {
		return err
	}
	res, err := l.http.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("GET %s: read the answer: %w", path, err)
	}
	if res.StatusCode >= 500 {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return nil
}

// probeRaw does over a raw connection what `portico check` would.
func (l *life) probeRaw() error {
	c, err := dial(l.raw.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	p := l.spec.Probe()
	if p.Kind != service.ProbeRaw {
		return nil
	}
	if _, err := c.Write(p.Send); err != nil {
		return fmt.Errorf("send the probe: %w", err)
	}
	got := make([]byte, len(p.Expect))
	if _, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("read the answer to the probe: %w", err)
	}
	if string(got) != string(p.Expect) {
		return fmt.Errorf("the probe expects %q and got %q", p.Expect, got)
	}
	return nil
}

func checkConfig(t *testing.T, s Suite) {
	if _, diags := Decode(t, s.Kind, ""); diags.HasErrors() {
		for _, d := range diags {
			if d.Summary == "" || d.Subject == nil {
				t.Errorf("an empty block: the diagnostic does not say what is wrong and where: %v", d)
			}
		}
	}
	one, two := MustDecode(t, s.Kind, s.Config), MustDecode(t, s.Kind, s.Config)
	if !one.Same(two) {
		t.Error("the same body decoded twice is not the same: a reload would replace the service each time")
	}
	if s.Changed != "" && one.Same(MustDecode(t, s.Kind, s.Changed)) {
		t.Error("Changed decodes to the same configuration as Config")
	}
	if _, diags := Decode(t, s.Kind, s.Config+"\nno_such_option = 1\n"); !diags.HasErrors() {
		t.Error("an unknown option is accepted")
	}
	for body, want := range s.Bad {
		_, diags := Decode(t, s.Kind, body)
		if !diags.HasErrors() {
			t.Errorf("accepted:\n%s", body)
			continue
		}
		if !strings.Contains(strings.ToLower(diags.Error()), strings.ToLower(want)) && !mentions(diags, want) {
			t.Errorf("the diagnostic for\n%s\ndoes not say %q: %v", body, want, diags.Errs())
		}
	}
}

func mentions(diags hcl.Diagnostics, want string) bool {
	for _, d := range diags {
		if strings.Contains(strings.ToLower(d.Summary+" "+d.Detail), strings.ToLower(want)) {
			return true
		}
	}
	return false
}

// checkPlainData: a configuration decides by equality whether a service survives
// a reload, so it must not hold what has identity.
func checkPlainData(t *testing.T, s Suite) {
	plain(t, s.Kind.ConfigType(), s.Kind.ConfigType().Name(), map[reflect.Type]bool{})
}

func plain(t *testing.T, typ reflect.Type, path string, seen map[reflect.Type]bool) {
	if seen[typ] {
		return
	}
	seen[typ] = true
	if p := typ.PkgPath(); strings.Contains(p, "hashicorp/hcl") || strings.Contains(p, "zclconf/go-cty") {
		t.Errorf("%s is a %s: HCL values have no place in a decoded configuration", path, typ)
		return
	}
	switch typ.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Uintptr, reflect.Interface:
		t.Errorf("%s is a %s, which is not plain data", path, typ)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		plain(t, typ.Elem(), path+"[]", seen)
	case reflect.Map:
		plain(t, typ.Key(), path+" key", seen)
		plain(t, typ.Elem(), path+"[]", seen)
	case reflect.Struct:
		for f := range typ.Fields() {
			if f.IsExported() {
				plain(t, f.Type, path+"."+f.Name, seen)
			}
		}
	}
}
