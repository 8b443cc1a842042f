package servicetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/service"
)

// checkCleanLife: a life without trouble is quiet, ready, and leaves traces in
// its own folder only.
func checkCleanLife(t *testing.T, s Suite) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("HOME", tmp)
	before := tree(t, ".")
	env := NewEnv(t, s.Kind.Name(), "test")
	l := s.begin(t, env, s.Config)
	if c, ok := l.svc.(service.Checker); ok {
		wait.Works(t, "ready after Open", func() error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return c.Check(ctx)
		})
	}
	if err := l.talk(t.Context()); err != nil {
		t.Error(err)
	}
	l.end(t)
	for _, line := range env.LoudLogs() {
		t.Errorf("logged above info in a clean life: %s", line)
	}
	if after := tree(t, "."); after != before {
		t.Errorf("the folder that the process runs in changed from\n%s\nto\n%s", before, after)
	}
	if left := tree(t, tmp); left != "" {
		t.Errorf("left behind in TMPDIR or HOME:\n%s", left)
	}
	if fi, err := os.Stat(env.Dir); err == nil && fi.Mode().Perm() != 0o700 {
		t.Errorf("the private folder has mode %v, not 0700", fi.Mode().Perm())
	}
}

// tree lists the files below dir with size and time.
func tree(t *testing.T, dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %d %v\n", path, fi.Size(), fi.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func checkNoLeaks(t *testing.T, s Suite) {
	cycle := func() {
		l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
		if err := l.talk(t.Context()); err != nil {
			t.Error(err)
		}
		l.end(t)
	}
	cycle() // what a process makes once and keeps is no leak
	before := holdings()
	for range 3 {
		cycle()
	}
	if err := before.settle(patience); err != nil {
		t.Error(err)
	}
}

// checkFolder: the folder can be opened again after Close. A second instance
// beside a running one is what the daemon makes of a changed kind without
// Update, so that must work; a kind with Update may refuse it.
func checkFolder(t *testing.T, s Suite) {
	env := NewEnv(t, s.Kind.Name(), "test")
	first := s.begin(t, env, s.Config)
	if err := first.talk(t.Context()); err != nil {
		t.Error(err)
	}
	spec := MustDecode(t, s.Kind, s.Config)
	ctx, cancel := context.WithCancel(t.Context())
	second, err := spec.Open(ctx, NewEnvAt(t, s.Kind.Name(), "test", env.Dir).Env)
	cancel()
	switch {
	case err == nil:
		if err := second.Close(); err != nil {
			t.Errorf("close the second instance: %v", err)
		}
		if err := first.talk(t.Context()); err != nil {
			t.Errorf("after a second instance came and went: %v", err)
		}
	case !s.Kind.UpdatesInPlace():
		t.Errorf("a kind without Update is replaced by a new instance before the old one closes, but a second Open fails: %v", err)
	}
	first.end(t)
	again := s.begin(t, NewEnvAt(t, s.Kind.Name(), "test", env.Dir), s.Config)
	if err := again.talk(t.Context()); err != nil {
		t.Errorf("open again after Close: %v", err)
	}
	again.end(t)
}

// checkChange goes from Config to Changed and back under load.
func checkChange(t *testing.T, s Suite) {
	if s.Changed == "" {
		return
	}
	env := NewEnv(t, s.Kind.Name(), "test")
	l := s.begin(t, env, s.Config)
	defer l.end(t)
	one, two := l.spec, MustDecode(t, s.Kind, s.Changed)
	if _, ok := two.UpdateFrom(one, l.svc); ok != s.Kind.UpdatesInPlace() {
		t.Fatalf("UpdateFrom says %v, the kind says %v", ok, s.Kind.UpdatesInPlace())
	}
	if !s.Kind.UpdatesInPlace() {
		other := s.begin(t, NewEnvAt(t, s.Kind.Name(), "test", env.Dir), s.Changed)
		if err := other.talk(t.Context()); err != nil {
			t.Errorf("with the changed configuration: %v", err)
		}
		other.end(t)
		return
	}
	load := l.load(t, 4, true)
	for i := range 20 {
		commit, ok := two.UpdateFrom(one, l.svc)
		if !ok {
			t.Fatalf("update %d was refused", i)
		}
		commit()
		one, two = two, one
		load.waitFor(t, (i+1)*2)
	}
	load.stop()
}

// checkCloseUnderLoad: where their time was up, requests may still run while the
// service closes. They may fail; they may not panic or hang.
func checkCloseUnderLoad(t *testing.T, s Suite) {
	l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
	load := l.load(t, 6, false)
	load.waitFor(t, 6)
	l.cancel()
	if l.http != nil {
		l.http.Kill()
	}
	if l.raw != nil {
		l.raw.Kill()
	}
	if err := within(patience, func() {
		if err := l.svc.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}); err != nil {
		t.Errorf("Close under load: %v", err)
	}
	load.stop()
	l.env.Drain(1001)
	if l.http != nil {
		l.http.Close()
	}
	if l.raw != nil {
		l.raw.Close()
	}
}

// load is clients that talk until they are stopped.
type load struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	done   int
	step   chan struct{} // holds a token where something was done
}

// load starts n clients; strict: none of their conversations may fail.
func (l *life) load(t *testing.T, n int, strict bool) *load {
	ctx, cancel := context.WithCancel(context.Background())
	ld := &load{cancel: cancel, step: make(chan struct{}, 1)}
	t.Cleanup(ld.stop)
	for range n {
		ld.wg.Go(func() {
			for ctx.Err() == nil {
				// A conversation that has begun is finished: only the pause
				// between two is where a client leaves.
				err := l.talk(context.WithoutCancel(ctx))
				if err != nil && strict {
					t.Errorf("under load: %v", err)
					return
				}
				ld.mu.Lock()
				ld.done++
				ld.mu.Unlock()
				select {
				case ld.step <- struct{}{}:
				default:
				}
			}
		})
	}
	return ld
}

// waitFor waits until n conversations have ended since the start.
func (ld *load) waitFor(t *testing.T, n int) {
	t.Helper()
	late := time.After(patience)
	for {
		ld.mu.Lock()
		done := ld.done
		ld.mu.Unlock()
		if done >= n {
			return
		}
		select {
		case <-ld.step:
		case <-late:
			t.Fatalf("%d of %d conversations after %v", done, n, patience)
		}
	}
}

func (ld *load) stop() {
	ld.cancel()
	ld.wg.Wait()
}

// checkMetrics: names, help texts and labels as Prometheus and design want them.
func checkMetrics(t *testing.T, s Suite) {
	l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
	defer l.end(t)
	m, ok := l.svc.(service.Metered)
	if !ok {
		return
	}
	if err := l.talk(t.Context()); err != nil {
		t.Error(err)
	}
	reg := prometheus.NewPedanticRegistry()
	with := prometheus.WrapRegistererWith(prometheus.Labels{"service": l.env.Label()}, reg)
	for _, c := range m.Collectors() {
		if err := with.Register(c); err != nil {
			t.Errorf("register: %v", err)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Errorf("gather: %v", err)
	}
	prefix := "portico_" + s.Kind.Name() + "_"
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), prefix) {
			t.Errorf("metric %s does not begin with %s", f.GetName(), prefix)
		}
		for _, metric := range f.GetMetric() {
			for _, lp := range metric.GetLabel() {
				switch lp.GetName() {
				case "user", "username", "path", "url", "peer", "ip", "address", "id":
					t.Errorf("metric %s has the label %s, which has no bound", f.GetName(), lp.GetName())
				}
			}
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Errorf("lint: %v", err)
	}
	for _, p := range problems {
		t.Errorf("metric %s: %s", p.Metric, p.Text)
	}
}

func checkHealthz(t *testing.T, s Suite) {
	if !s.Healthz {
		return
	}
	l := s.begin(t, NewEnv(t, s.Kind.Name(), "test"), s.Config)
	defer l.end(t)
	res, body := l.do(t, http.MethodGet, "/healthz", nil)
	if res.StatusCode != 200 || strings.TrimSpace(body) != `{"status":"ok"}` {
		t.Errorf("/healthz: %s %q", res.Status, body)
	}
	if cc := res.Header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("/healthz: Cache-Control: %q instead of no-store", cc)
	}
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		t.Errorf("/healthz: Content-Type: %q", ct)
	}
}
