package cli

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/listen"
	"github.com/porticod/portico/pkg/logging"
	"github.com/porticod/portico/pkg/memory"
	"github.com/porticod/portico/pkg/sdnotify"
)

const (
	// applyTimeout bounds opening services and binding sockets at a reload.
	applyTimeout = 60 * time.Second
	// startTimeout does at a start, where migrations of large data take place.
	startTimeout = 30 * time.Minute
)

// A runner is one life of the daemon process.
type runner struct {
	env    *env
	src    source
	root   *logging.Root
	log    zerolog.Logger
	notify *sdnotify.Notifier
	work   func(context.Context) error // in place of the announcement, once everything is there; nil: none
	again  bool                        // a SIGHUP came before there was anything to load again

	// Set by start, in this order; nil where it did not get that far.
	lease  *durable.Lease
	shared bool // env.Shared is open
	daemon *daemon.Daemon
	admin  *admin.Server

	degraded atomic.Pointer[string] // why something else than the file runs; nil: the file does
	doing    atomic.Pointer[string] // what start does that takes long; nil: it opens services

	mu     sync.Mutex    // one reload at a time; guards what follows
	pacer  *memory.Pacer // nil: not yet
	cfg    *config.Config
	access accessFile
}

// logPatience is how long the end waits for somebody to read the last lines.
const logPatience = 2 * time.Second

// newRunner returns a runner whose run must be called, once.
func newRunner(e *env, src source) *runner {
	r := &runner{env: e, src: src, root: logging.New(e.Err), notify: sdnotify.New(e.getenv, os.Getpid())}
	if _, ok := e.Err.(*os.File); ok { // who reads is another process
		r.root.Detach()
	}
	r.log = r.root.Logger()
	return r
}

// start brings up everything for the first time.
func (r *runner) start(ctx context.Context) error {
	cfg, err := r.first()
	if err != nil {
		return err
	}
	if err := r.root.Set(cfg.Log.Level, cfg.Log.Format); err != nil {
		return failed(err)
	}
	if r.lease, err = openDataDir(cfg.DataDir); err != nil {
		return failed(err)
	}
	r.warn(ownFolder(cfg.DataDir), "the files that are made now may be of no use to their owner")
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if cfg, err = r.arrive(ctx, cfg); err != nil {
		return failed(err)
	}
	if r.env.Shared != nil {
		if err := r.env.Shared.Open(ctx, cfg, r.log); err != nil {
			return failed(err)
		}
		r.shared = true
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	sockets := listen.New(r.log)
	frozen, handed := daemon.Frozen(sdnotify.Files(r.env.getenv, os.Getpid()))
	options := daemon.Options{Log: r.log, Metrics: metrics, Sockets: sockets, Version: version(), Frozen: frozen}
	if r.notify.Store() > 0 {
		sockets.Keeper, options.Store = r.notify, r.notify
	}
	r.warn(sockets.Inherit(handed...), "not everything that systemd handed over is a listening socket")
	r.daemon = daemon.New(options)
	metrics.MustRegister(watch.NewHealth(r.status))
	if m, ok := r.env.Shared.(metered); ok {
		metrics.MustRegister(m.Collectors()...)
	}
	r.admin = admin.New(r.adminOptions(metrics))
	if err := r.admin.ServeSocket(cfg.Admin.Socket); err != nil {
		return failed(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.apply(ctx, cfg); err != nil {
		return failed(err)
	}
	for _, left := range sockets.CloseInherited() {
		r.log.Warn().Str("address", left).Msg("systemd handed over a socket that no listener names; it is closed")
	}
	r.keep(cfg)
	return nil
}

func (r *runner) adminOptions(metrics *prometheus.Registry) admin.Options {
	o := admin.Options{
		Log:     r.log.With().Str("part", "admin").Logger(),
		Status:  r.status,
		Sockets: r.daemon.Sockets,
		Ready:   r.ready,
		Reload:  r.reload,
		Metrics: metrics,
	}
	if r.shared && r.env.Shared.Directory() != nil {
		o.Users = http.StripPrefix("/users", account.AdminHandler(r.env.Shared.Directory()))
	}
	return o
}

// status is the daemon's, and what only the runner knows.
func (r *runner) status() daemon.Status {
	s := r.daemon.Status()
	if why := r.degraded.Load(); why != nil {
		s.Ready, s.Degraded = false, *why
	}
	if st, ok := r.env.Shared.(storer); ok {
		s.Storage = st.Where()
	}
	return s
}

func (r *runner) ready(context.Context) error {
	if s := r.status(); !s.Ready {
		return errors.New(s.Degraded)
	}
	return nil
}

// reopen opens log files anew that were moved away.
func (r *runner) reopen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.access.file == nil {
		return
	}
	if err := r.access.file.Reopen(); err != nil {
		r.log.Error().Err(err).Msg("the access log could not be reopened; the old file stays in use")
		return
	}
	r.log.Info().Str("file", r.access.file.Path()).Msg("access log reopened")
}

// stop ends the daemon gently, unless a second signal comes.
func (r *runner) stop(signals <-chan os.Signal) error {
	r.tell(r.notify.Stopping())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.daemon.Stop(ctx) }()
	beats, stopBeats := ticks(beat)
	defer stopBeats()
	for {
		select {
		case <-beats:
			r.stillStopping()
		case err := <-done:
			// What was cut had its time; that is no failure of the daemon.
			r.warn(err, "something had to be cut")
			r.close()
			return nil
		case s := <-signals:
			if ends(s) {
				r.log.Warn().Str("signal", s.String()).Msg("second signal: ending at once")
				return errAtOnce
			}
		}
	}
}

// beat is how often systemd is told how starting and stopping go, and asked for
// three times as much time. startTimeout and package daemon bound how long they
// take.
const beat = 3 * time.Second

func (r *runner) stillStopping() {
	calls, connections := r.daemon.Busy()
	r.stillAtIt("stopping: waiting for " + count(calls, "request") + " and " + count(connections, "connection"))
}

func (r *runner) stillAtIt(status string) {
	r.tell(r.notify.Extend(3 * beat))
	r.tell(r.notify.Alive())
	r.tell(r.notify.Status(status))
}

// close lets go of what start opened, the last first. It is safe after a start
// that failed halfway.
func (r *runner) close() {
	if r.admin != nil {
		r.warn(r.admin.Close(), "closing the admin socket failed")
	}
	if r.shared {
		r.warn(r.env.Shared.Close(), "closing the accounts failed")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warn(r.access.close(), "closing the access log failed")
	if r.lease != nil {
		r.warn(r.lease.Release(), "giving the data folder up failed")
	}
}

func (r *runner) warn(err error, message string) {
	if err != nil {
		r.log.Warn().Err(err).Msg(message)
	}
}

// tell logs that systemd did not take a word. Nothing else can be done about it.
func (r *runner) tell(err error) { r.warn(err, "systemd does not listen") }

// ticks ticks every d; never, where d is 0.
func ticks(d time.Duration) (<-chan time.Time, func()) {
	if d <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(d)
	return t.C, t.Stop
}

// A storer is a Shared that knows where services keep what is not in their folders.
type storer interface{ Where() map[string]string }

// A metered Shared has metrics of its own.
type metered interface{ Collectors() []prometheus.Collector }

// buildInfo is the metric that tells versions apart.
func buildInfo() prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "portico_build_info", Help: "1, labelled with the version that runs."}, []string{"version"})
	g.WithLabelValues(Version).Set(1)
	return g
}
