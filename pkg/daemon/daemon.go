// Package daemon runs generations of services behind sockets that outlive them.
// A generation is what one successful load of the config produced. Getting from
// one to the next has four steps: plan (pure), prepare (may fail, touches
// nothing that runs), commit (cannot fail) and retire (in the background).
//
// It does not read files, parse flags or talk to the service manager.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/acme"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/front"
	"github.com/porticod/portico/pkg/listen"
	"github.com/porticod/portico/pkg/memory"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/tlsconf"
)

// Options are what a Daemon is made of. All fields but Access, Store and
// Frozen are required.
type Options struct {
	Log     zerolog.Logger
	Access  *accesslog.Log       // nil: no access log
	Metrics *prometheus.Registry // gets the daemon's metrics and its services'
	Sockets *listen.Set          // the caller's; the daemon closes the sockets it opened
	Version string               // shown by status
	Store   Store                // keeps connections for the next process; nil: nobody does
	Frozen  []*os.File           // what the process before left there; see Frozen. The daemon's
}

// A Daemon runs one configuration at a time.
type Daemon struct {
	log         zerolog.Logger
	metrics     *prometheus.Registry
	requests    *front.Metrics
	connections *mux.Metrics
	reloads     reloadMetrics
	sockets     *listen.Set
	version     string
	started     time.Time
	access      atomic.Pointer[accesslog.Log]
	stopping    atomic.Bool
	budget      mux.Budget // connections over all listeners
	memory      memory.Guard
	store       Store
	thawed      *prometheus.CounterVec
	thawing     *thawing
	retiring    sync.WaitGroup // what is coming to its end
	accepting   sync.WaitGroup // accept loops

	mu            sync.Mutex // held while the configuration changes; guards what follows
	stopped       bool
	cfg           *config.Config
	generation    int
	lastReload    Reload
	services      map[service.Ref]*instance
	draining      map[service.Ref][]*instance
	listeners     map[string]*listener
	bound         map[socketKey]*listen.Socket
	packetServers map[socketKey]packetServer // of UDP sockets
	tls           secure
	keeper        *tlsconf.Keeper // nil before the first Apply
	unguard       func()          // ends guarding the memory; nil: nobody does

	acme atomic.Pointer[acme.Manager] // nil while nothing needs one
}

// New returns a Daemon that runs nothing yet.
func New(o Options) *Daemon {
	d := &Daemon{
		log: o.Log, metrics: o.Metrics, sockets: o.Sockets, version: o.Version, started: time.Now(),
		requests: front.NewMetrics(o.Metrics), connections: mux.NewMetrics(), reloads: newReloadMetrics(o.Metrics),
		services: map[service.Ref]*instance{}, draining: map[service.Ref][]*instance{},
		listeners: map[string]*listener{}, bound: map[socketKey]*listen.Socket{},
		packetServers: map[socketKey]packetServer{},
		store:         o.Store, thawed: newThawedMetric(), thawing: newThawing(o.Frozen),
	}
	o.Metrics.MustRegister(d.connections, d.thawed)
	d.access.Store(o.Access)
	return d
}

// Counts are how many listeners and services there are, and the generation.
func (d *Daemon) Counts() (listeners, services, generation int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.listeners), len(d.services), d.generation
}

// SetAccess makes l the access log of requests that end from now on.
func (d *Daemon) SetAccess(l *accesslog.Log) { d.access.Store(l) }

// ErrStopping is returned by Apply once Stop was called.
var ErrStopping = errors.New("the daemon is stopping")

// Plan says what Apply would do with cfg. Nothing happens.
func (d *Daemon) Plan(cfg *config.Config) Plan {
	d.mu.Lock()
	defer d.mu.Unlock()
	return plan(d.cfg, cfg)
}

// A Report says what Apply did.
type Report struct {
	Plan       Plan          `json:"plan"`
	Generation int           `json:"generation"`
	Took       time.Duration `json:"took_ns"`
}

// Apply makes cfg the running configuration. An error means that preparing it
// failed and that nothing changed. ctx bounds the preparation only.
func (d *Daemon) Apply(ctx context.Context, cfg *config.Config) (Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	start := time.Now()
	if d.stopped {
		return Report{}, ErrStopping
	}
	p := plan(d.cfg, cfg)
	n, err := d.prepare(ctx, cfg)
	if err != nil {
		d.undo(n)
		d.reloads.fail()
		d.lastReload = Reload{At: start, Error: err.Error()}
		return Report{Plan: p, Generation: d.generation}, err
	}
	old := d.commit(n, p)
	d.retire(old)
	d.generation++
	d.beginThawing()
	d.reloads.succeeded(d.generation)
	d.lastReload = Reload{At: start, OK: true}
	r := Report{Plan: p, Generation: d.generation, Took: time.Since(start)}
	d.log.Info().Int("generation", d.generation).Dur("took_ms", r.Took).Int("services", len(d.services)).Int("listeners", len(d.listeners)).Msg("configuration applied")
	return r, nil
}

// next is a generation that is being prepared, with what undoes it.
type next struct {
	cfg           *config.Config
	services      map[service.Ref]*instance
	opened        []*instance
	revived       []*instance
	updates       []func()
	bound         map[socketKey]*listen.Socket
	fresh         map[socketKey]*listen.Socket
	packetServers map[socketKey]packetServer // of fresh sockets
	tls           secure
}

// undo takes back what prepare did.
func (d *Daemon) undo(n *next) {
	for _, in := range n.opened {
		in.retire(in.beginRetire(), closeGoingAway, 0)
	}
	for _, in := range n.revived {
		d.retireInstance(in)
	}
	for _, q := range n.packetServers {
		q.Close(context.Background()) // nobody was let in
	}
	for _, s := range n.fresh {
		if d.cfg == nil && s.Held() {
			_ = s.Release() // clients may wait in it already; the next start has it again
			continue
		}
		d.retiring.Go(func() { _ = s.Close() })
	}
}

// prepare opens what cfg has anew. It touches nothing that runs.
func (d *Daemon) prepare(ctx context.Context, cfg *config.Config) (*next, error) {
	n := &next{cfg: cfg, services: map[service.Ref]*instance{}, bound: map[socketKey]*listen.Socket{}, fresh: map[socketKey]*listen.Socket{}, packetServers: map[socketKey]packetServer{}}
	var err error
	if n.tls, err = d.prepareTLS(cfg); err != nil {
		return n, err
	}
	if err := d.distinct(cfg); err != nil {
		return n, err
	}
	// Sockets first: they fail most often and cost least.
	for _, l := range cfg.Listeners {
		for _, a := range sockets(l) {
			key := keyOf(l, a)
			if s, ok := d.bound[key]; ok {
				if q, isQUIC := d.packetServers[key].(*mux.QUIC); key.Network == "udp" && (q != nil && isQUIC) != l.HTTP3 {
					return n, fmt.Errorf("listener %q: %s turns from packets to HTTP/3 or back: remove it with one reload and add it with the next", l.Name, a)
				}
				n.bound[key] = s
				continue
			}
			if err := d.bind(n, l, key); err != nil {
				return n, fmt.Errorf("listener %q: %w", l.Name, err)
			}
		}
	}
	for _, spec := range cfg.Services {
		if err := d.prepareService(ctx, n, spec); err != nil {
			return n, fmt.Errorf("service %q %q: %w", spec.Kind.Name(), spec.Name, err)
		}
	}
	return n, nil
}

// distinct finds an address that a listener names anew while another keeps it,
// having got it from the kernel by asking for any port. The file alone cannot
// show that, and the socket set lets a process share a port with itself.
func (d *Daemon) distinct(cfg *config.Config) error {
	kept := map[string]string{}
	for _, l := range cfg.Listeners {
		for _, a := range l.Addresses {
			if s := d.bound[keyOf(l, a)]; s != nil && a.Port == 0 {
				kept[s.Addr().String()] = l.Name
			}
		}
	}
	for _, l := range cfg.Listeners {
		for _, a := range l.Addresses {
			if other, taken := kept[a.String()]; taken {
				return fmt.Errorf("listener %q: listen on %s: listener %q has this port, the kernel picked it; choose another", l.Name, a, other)
			}
		}
	}
	return nil
}

// prepareService finds the instance for spec: the running one where it is the
// same or can be updated, else a new one.
func (d *Daemon) prepareService(ctx context.Context, n *next, spec service.Spec) error {
	ref := spec.Ref()
	if in := d.services[ref]; in != nil {
		if in.spec.Same(spec) {
			n.services[ref] = in
			return nil
		}
		if commit, ok := spec.UpdateFrom(in.spec, in.service()); ok {
			n.services[ref] = in
			n.updates = append(n.updates, func() { commit(); in.setSpec(spec) })
			return nil
		}
	}
	if spec.Kind.UpdatesInPlace() {
		// Such a kind holds something that two instances cannot share: one
		// that is still draining is taken back, or waited for.
		if in, err := d.takeBack(ctx, n, spec); in != nil || err != nil {
			return err
		}
	}
	in, err := open(ctx, spec, filepath.Join(n.cfg.DataDir, spec.Kind.Name(), spec.Name), d.log, d.metrics, d.cfg == nil)
	if err != nil {
		return err
	}
	n.services[ref] = in
	n.opened = append(n.opened, in)
	return nil
}
