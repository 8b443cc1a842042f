package process_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/process"
	"github.com/porticod/portico/services/servicetest"
)

const patience = time.Minute

// rig is a service with a server in front of it.
type rig struct {
	*servicetest.HTTPServer
	t    *testing.T
	svc  service.Service
	env  *servicetest.Env
	spec service.Spec
	file string // a name for the program to write
}

func start(t *testing.T, p, options string, env ...string) *rig {
	t.Helper()
	r := &rig{t: t, file: filepath.Join(t.TempDir(), "file")}
	b := body(p, options, append([]string{"PIDFILE", r.file}, env...)...)
	r.spec = servicetest.MustDecode(t, kind, b)
	r.svc, r.env = servicetest.Open(t, kind, b)
	r.HTTPServer = servicetest.HTTP(t, r.svc.(http.Handler))
	return r
}

// update changes the block.
func (r *rig) update(p, options string, env ...string) {
	r.t.Helper()
	next := servicetest.MustDecode(r.t, kind, body(p, options, append([]string{"PIDFILE", r.file}, env...)...))
	commit, ok := next.UpdateFrom(r.spec, r.svc)
	if !ok {
		r.t.Fatal("no update in place")
	}
	commit()
	r.spec = next
}

// try makes a request.
func (r *rig) try(path string) (int, string, error) { return r.do("GET", path) }

// post makes a request that must not be made twice.
func (r *rig) post(path string) (int, string, error) { return r.do("POST", path) }

func (r *rig) do(method, path string) (int, string, error) {
	res, err := r.Client.Do(servicetest.Request(method, r.URL+path))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// get makes a request that must succeed.
func (r *rig) get(path string) string {
	r.t.Helper()
	status, b, err := r.try(path)
	if err != nil || status != 200 {
		r.t.Fatalf("GET %s: %d %q %v", path, status, b, err)
	}
	return b
}

func (r *rig) pid() int {
	r.t.Helper()
	pid, err := strconv.Atoi(r.get("/pid"))
	if err != nil {
		r.t.Fatal(err)
	}
	return pid
}

func (r *rig) check() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return r.svc.(service.Checker).Check(ctx)
}

// metric is the value of portico_process_<name>.
func (r *rig) metric(name string) float64 {
	r.t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(r.svc.(service.Metered).Collectors()...)
	families, err := reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "portico_process_"+name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	r.t.Fatalf("there is no metric %s", name)
	return 0
}

// logged waits for a line of the log.
func (r *rig) logged(text string) {
	r.t.Helper()
	wait.Until(r.t, "the log says "+text, func() bool { return strings.Contains(r.env.Logs(), text) })
}

// alive reports whether there is a process.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// load makes requests until the returned function is called, which says how many
// there were. Each must succeed.
func (r *rig) load(clients int) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	counts := make(chan int, clients)
	for range clients {
		go func() {
			n := 0
			defer func() { counts <- n }()
			for ; ctx.Err() == nil; n++ {
				if status, b, err := r.try("/"); err != nil || status != 200 {
					r.t.Errorf("GET / under load: %d %q %v", status, b, err)
					return
				}
				text := fmt.Sprint("body ", n)
				res, err := r.Client.Post(r.URL+"/body", "text/plain", strings.NewReader(text))
				if err != nil {
					r.t.Errorf("POST under load: %v", err)
					return
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != 200 || string(b) != text {
					r.t.Errorf("POST under load: %d %q %v", res.StatusCode, b, err)
					return
				}
			}
		}()
	}
	return func() (total int) {
		cancel()
		for range clients {
			total += <-counts
		}
		return total
	}
}

var _ service.Updater[process.Config] = (*process.Service)(nil)
