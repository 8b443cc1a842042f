package daemon_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/listen"
	"github.com/porticod/portico/pkg/service"
)

// A fake is a service of the tests: it answers with its configuration's text.
type fake struct {
	t      *fakes
	text   atomic.Pointer[string]
	env    service.Env
	ctx    context.Context
	closed chan struct{}
}

type fakeConfig struct {
	Text string
	Fail string // Open fails with it
}

// fakes is what the instances of one test share.
type fakes struct {
	mu      sync.Mutex
	opened  []*fake
	hold    chan struct{} // /hold waits for it
	entered chan struct{} // /hold says that it waits
	back    atomic.Bool   // what some need is back
}

// errAway is an error of who needs something that is away.
var errAway error = away{}

type away struct{}

func (away) Error() string { return "the sea is away" }
func (away) Away() bool    { return true }

func newFakes() *fakes { return &fakes{hold: make(chan struct{}), entered: make(chan struct{}, 100)} }

func (f *fakes) count() int  { f.mu.Lock(); defer f.mu.Unlock(); return len(f.opened) }
func (f *fakes) last() *fake { f.mu.Lock(); defer f.mu.Unlock(); return f.opened[len(f.opened)-1] }

// replaced is a kind whose instances are replaced, updated one whose are not.
type replaced struct{ *fakes }
type updated struct{ *fakes }
type updatedFake struct{ *fake }

func (replaced) Kind() string        { return "replaced" }
func (replaced) Default() fakeConfig { return fakeConfig{} }
func (k replaced) Open(ctx context.Context, env service.Env, cfg fakeConfig) (*fake, error) {
	return k.open(ctx, env, cfg)
}

func (updated) Kind() string        { return "updated" }
func (updated) Default() fakeConfig { return fakeConfig{} }
func (k updated) Open(ctx context.Context, env service.Env, cfg fakeConfig) (*updatedFake, error) {
	f, err := k.open(ctx, env, cfg)
	return &updatedFake{f}, err
}
func (f *updatedFake) Update(cfg fakeConfig) { f.text.Store(&cfg.Text) }

func (f *fakes) open(ctx context.Context, env service.Env, cfg fakeConfig) (*fake, error) {
	if cfg.Fail == "wait" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	switch {
	case cfg.Fail == "away" && !f.back.Load():
		return nil, fmt.Errorf("open: %w", errAway)
	case cfg.Fail != "" && cfg.Fail != "away":
		return nil, errors.New(cfg.Fail)
	}
	s := &fake{t: f, env: env, ctx: ctx, closed: make(chan struct{})}
	s.text.Store(&cfg.Text)
	f.mu.Lock()
	f.opened = append(f.opened, s)
	f.mu.Unlock()
	return s, nil
}

func (s *fake) Close() error {
	if s.ctx.Err() == nil {
		return errors.New("the context did not end before Close")
	}
	close(s.closed)
	return nil
}

func (s *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.closed:
		panic("a request after Close")
	default:
	}
	if r.URL.Path == "/derive" {
		before := runtime.NumGoroutine()
		for range 100 {
			_, cancel := context.WithCancel(r.Context())
			defer cancel()
		}
		_, _ = fmt.Fprint(w, runtime.NumGoroutine()-before)
		return
	}
	if r.URL.Path == "/poll" {
		drained := make(chan struct{})
		defer s.env.Track(nil, func(int) { close(drained) })()
		select {
		case <-drained:
		case <-r.Context().Done():
		}
		return
	}
	if r.URL.Path == "/hold" {
		s.t.entered <- struct{}{}
		select {
		case <-s.t.hold:
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(w, *s.text.Load())
}

func (s *fake) ServeConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	_, _ = io.Copy(c, c)
}

// rig is a daemon with two kinds.
type rig struct {
	*daemon.Daemon
	t     *testing.T
	kinds service.Registry
	fakes *fakes
	dir   string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	f := newFakes()
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	r := &rig{t: t, fakes: f, dir: t.TempDir(), kinds: service.NewRegistry(service.KindOf(replaced{f}), service.KindOf(updated{f}))}
	r.Daemon = daemon.New(daemon.Options{Log: log, Metrics: prometheus.NewRegistry(), Sockets: listen.New(log), Version: "test"})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = r.Stop(ctx)
	})
	return r
}

type spec struct{ kind, name, text, fail string }

// config makes a Config with the services, and for each a listener of its name.
func (r *rig) config(drain time.Duration, specs ...spec) *config.Config {
	c := &config.Config{File: "test.hcl", DataDir: r.dir, Drain: drain}
	for _, s := range specs {
		c.Services = append(c.Services, service.Spec{Kind: r.kinds[s.kind], Name: s.name, Config: fakeConfig{Text: s.text, Fail: s.fail}})
		c.Listeners = append(c.Listeners, config.Listener{
			Name: s.name, Addresses: []config.Address{{Network: "tcp", Host: "127.0.0.1"}},
			Service: &service.Ref{Kind: s.kind, Name: s.name}, Detect: config.Detect{Timeout: 3 * time.Second},
			Timeouts: config.Timeouts{Header: 5 * time.Second, Idle: 30 * time.Second, Read: 10 * time.Second, Write: 10 * time.Second},
			Limits:   config.Limits{Header: 64 << 10},
		})
	}
	return c
}

func (r *rig) apply(c *config.Config) daemon.Report {
	r.t.Helper()
	rep, err := r.Apply(context.Background(), c)
	if err != nil {
		r.t.Fatal(err)
	}
	return rep
}

func (r *rig) addr(listener string) string {
	r.t.Helper()
	for _, l := range r.Status().Listeners {
		if l.Name == listener {
			return l.Addresses[0]
		}
	}
	r.t.Fatalf("no listener %q", listener)
	return ""
}

func get(t *testing.T, c *http.Client, addr, path string) string {
	t.Helper()
	res, err := c.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// patience is how long a test waits for what must come.
const patience = time.Minute

func client(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func TestReloadKeepsUpdatesAndReplaces(t *testing.T) {
	r, c := newRig(t), client(t)
	r.apply(r.config(time.Second, spec{"replaced", "a", "a1", ""}, spec{"updated", "b", "b1", ""}))
	a, b := r.addr("a"), r.addr("b")
	if got := get(t, c, a, "/") + get(t, c, b, "/"); got != "a1b1" {
		t.Fatalf("got %s", got)
	}
	if rep := r.apply(r.config(time.Second, spec{"replaced", "a", "a1", ""}, spec{"updated", "b", "b1", ""})); !rep.Plan.Empty() || r.fakes.count() != 2 {
		t.Errorf("the same configuration did something: %v, %d opened", rep.Plan, r.fakes.count())
	}
	if rep := r.apply(r.config(2*time.Second, spec{"replaced", "a", "a1", ""}, spec{"updated", "b", "b1", ""})); rep.Plan.String() != "~ change drain\n= 2 services stay as they are\n" {
		t.Errorf("the plan of another drain: %s", rep.Plan)
	}
	rep := r.apply(r.config(time.Second, spec{"replaced", "a", "a2", ""}, spec{"updated", "b", "b2", ""}))
	if got := get(t, c, a, "/") + get(t, c, b, "/"); got != "a2b2" {
		t.Errorf("got %s", got)
	}
	if r.fakes.count() != 3 || r.addr("a") != a || r.addr("b") != b {
		t.Errorf("%d instances opened, want 3; sockets %s %s, were %s %s", r.fakes.count(), r.addr("a"), r.addr("b"), a, b)
	}
	if want := "± replace service replaced.a\n"; !strings.Contains(rep.Plan.String(), want) {
		t.Errorf("plan: %s", rep.Plan)
	}
}

func TestFailedPrepareChangesNothing(t *testing.T) {
	r, c := newRig(t), client(t)
	r.apply(r.config(time.Second, spec{"replaced", "a", "a1", ""}, spec{"updated", "b", "b1", ""}))
	a, b := r.addr("a"), r.addr("b")
	_, err := r.Apply(context.Background(), r.config(time.Second, spec{"replaced", "a", "a2", ""}, spec{"updated", "b", "b2", ""}, spec{"replaced", "new", "n", ""}, spec{"replaced", "bad", "", "no such thing"}))
	if err == nil || err.Error() != `service "replaced" "bad": no such thing` {
		t.Fatalf("error %v", err)
	}
	if got := get(t, c, a, "/") + get(t, c, b, "/"); got != "a1b1" {
		t.Errorf("got %s", got)
	}
	s := r.Status()
	if len(s.Listeners) != 2 || s.Generation != 1 || s.LastReload.OK || !strings.Contains(s.LastReload.Error, "no such thing") || !s.Ready {
		t.Errorf("status %+v", s)
	}
	select {
	case <-r.fakes.last().closed:
	case <-time.After(patience):
		t.Error("what was opened was not closed")
	}
}

func TestRemovedServiceDrains(t *testing.T) {
	r, c := newRig(t), client(t)
	r.apply(r.config(10*time.Second, spec{"replaced", "a", "a1", ""}, spec{"replaced", "b", "b1", ""}))
	a := r.addr("a")
	got := make(chan string)
	go func() { got <- get(t, c, a, "/hold") }()
	<-r.fakes.entered
	inst := r.fakes.opened[0]
	asked := make(chan int, 1)
	done := inst.env.Track(nil, func(code int) { asked <- code })
	r.apply(r.config(10*time.Second, spec{"replaced", "b", "b1", ""}))
	if code := <-asked; code != 1001 {
		t.Errorf("asked to end with %d", code)
	}
	close(r.fakes.hold)
	if s := <-got; s != "a1" {
		t.Errorf("the request in progress got %q", s)
	}
	select {
	case <-inst.closed:
		t.Error("closed before its long-lived connection ended")
	case <-time.After(50 * time.Millisecond):
	}
	done()
	<-inst.closed
	if _, err := net.Dial("tcp", a); err == nil {
		t.Error("the removed listener still accepts")
	}
}

// TestDerivedContextsCostNoGoroutines counts, because a proxy derives several
// for each request.
func TestDerivedContextsCostNoGoroutines(t *testing.T) {
	r, c := newRig(t), client(t)
	r.apply(r.config(time.Second, spec{"replaced", "a", "a1", ""}))
	var n int
	if _, err := fmt.Sscan(get(t, c, r.addr("a"), "/derive"), &n); err != nil || n > 50 {
		t.Errorf("100 derived contexts started %d goroutines (%v)", n, err)
	}
}

func TestDrainTimeCuts(t *testing.T) {
	r, c := newRig(t), client(t)
	r.apply(r.config(100*time.Millisecond, spec{"replaced", "a", "a1", ""}, spec{"replaced", "b", "b1", ""}))
	res := make(chan error)
	go func() {
		resp, err := c.Get("http://" + r.addr("a") + "/hold")
		if err == nil {
			resp.Body.Close()
		}
		res <- err
	}()
	<-r.fakes.entered
	inst := r.fakes.opened[0]
	r.apply(r.config(100*time.Millisecond, spec{"replaced", "b", "b1", ""}))
	<-inst.closed
	<-res
}

func TestServiceThatComesBackGetsItsInstance(t *testing.T) {
	r, c := newRig(t), client(t)
	both := []spec{{"updated", "a", "a1", ""}, {"replaced", "b", "b1", ""}}
	r.apply(r.config(10*time.Second, both...))
	got := make(chan string)
	go func() { got <- get(t, c, r.addr("a"), "/hold") }()
	<-r.fakes.entered
	r.apply(r.config(10*time.Second, both[1]))
	if s := r.Status().Services; len(s) != 2 || s[1].State != "draining" {
		t.Errorf("services %+v", s)
	}
	both[0].text = "a2"
	r.apply(r.config(10*time.Second, both...))
	if n := r.fakes.count(); n != 2 {
		t.Errorf("%d instances, want 2", n)
	}
	if s := get(t, c, r.addr("a"), "/"); s != "a2" {
		t.Errorf("got %q", s)
	}
	close(r.fakes.hold)
	<-got
	// Its end was called off: it must still be there well after it was empty.
	for range 20 {
		if s := get(t, c, r.addr("a"), "/"); s != "a2" {
			t.Fatalf("got %q", s)
		}
	}
}

func TestOverlappingAddress(t *testing.T) {
	r := newRig(t)
	cfg := r.config(time.Second, spec{"replaced", "a", "a1", ""})
	r.apply(cfg)
	_, port, _ := net.SplitHostPort(r.addr("a"))
	fixed := *cfg
	fixed.Listeners = []config.Listener{cfg.Listeners[0]}
	fmt.Sscan(port, &fixed.Listeners[0].Addresses[0].Port)
	// Give the address its number, then move it to all addresses and back, under load.
	stop, failed := make(chan struct{}), make(chan error, 1)
	var wg sync.WaitGroup
	move := func(host string) *config.Config {
		c := fixed
		l := c.Listeners[0]
		l.Addresses = []config.Address{{Network: "tcp", Host: host, Port: fixed.Listeners[0].Addresses[0].Port}}
		c.Listeners = []config.Listener{l}
		return &c
	}
	if _, err := r.Apply(context.Background(), move("127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		wg.Go(func() {
			tr := &http.Transport{DisableKeepAlives: true}
			cl := &http.Client{Transport: tr, Timeout: patience}
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := cl.Get("http://127.0.0.1:" + port)
				if err != nil {
					select {
					case failed <- err:
					default:
					}
					return
				}
				res.Body.Close()
			}
		})
	}
	for i := range 20 {
		if _, err := r.Apply(context.Background(), move([]string{"", "127.0.0.1"}[i%2])); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	select {
	case err := <-failed:
		t.Error(err)
	default:
	}
}

func TestPortOfAnotherListenerIsTaken(t *testing.T) {
	r := newRig(t)
	r.apply(r.config(time.Second, spec{"replaced", "a", "a1", ""}))
	cfg := r.config(time.Second, spec{"replaced", "a", "a1", ""}, spec{"replaced", "b", "b1", ""})
	_, port, _ := net.SplitHostPort(r.addr("a"))
	fmt.Sscan(port, &cfg.Listeners[1].Addresses[0].Port)
	want := fmt.Sprintf(`listener "b": listen on 127.0.0.1:%s: listener "a" has this port, the kernel picked it; choose another`, port)
	if _, err := r.Apply(context.Background(), cfg); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 50 { // none of them may have gone to a socket that nobody serves
		if s := get(t, c, r.addr("a"), "/"); s != "a1" {
			t.Fatalf("got %q", s)
		}
	}
}

// TestOpenIsGivenUp: who waits for a service that does not open is not kept.
func TestOpenIsGivenUp(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := r.Apply(ctx, r.config(time.Second, spec{"replaced", "a", "", "wait"}))
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestTLSSessionsSurviveAReload: a client that comes back after a reload need
// not shake hands in full.
func TestTLSSessionsSurviveAReload(t *testing.T) {
	r := newRig(t)
	apply := func(text string) {
		cfg := r.config(time.Second, spec{"replaced", "a", text, ""})
		cfg.Listeners[0].TLS = &config.TLS{SelfSigned: true}
		r.apply(cfg)
	}
	apply("a1")
	sessions := tls.NewLRUClientSessionCache(4)
	ask := func() (text string, resumed bool) {
		c := &http.Client{Timeout: patience, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: sessions},
		}}
		res, err := c.Get("https://" + r.addr("a"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b), res.TLS.DidResume
	}
	ask()
	apply("a2")
	if text, resumed := ask(); text != "a2" || !resumed {
		t.Errorf("after the reload: %q, resumed %v", text, resumed)
	}
}

func TestStopFinishesAndServesMeanwhile(t *testing.T) {
	r, c := newRig(t), client(t)
	r.apply(r.config(10*time.Second, spec{"replaced", "a", "a1", ""}))
	a := r.addr("a")
	got := make(chan string)
	go func() { got <- get(t, c, a, "/hold") }()
	<-r.fakes.entered
	stopped := make(chan error)
	go func() { stopped <- r.Stop(context.Background()) }()
	fresh := &http.Client{Transport: &http.Transport{}}
	for deadline := time.Now().Add(patience); ; {
		res, err := fresh.Get("http://" + a + "/")
		if err != nil {
			t.Fatalf("a new request while stopping: %v", err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.Close {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no answer says Connection: close")
		}
	}
	close(r.fakes.hold)
	if s := <-got; s != "a1" {
		t.Errorf("the request in progress got %q", s)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	if _, err := r.Apply(context.Background(), r.config(time.Second)); !errors.Is(err, daemon.ErrStopping) {
		t.Errorf("Apply after Stop: %v", err)
	}
}
