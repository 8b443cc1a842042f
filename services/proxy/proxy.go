// Package proxy is the kind that passes HTTP requests on to other servers and
// their answers back: an application, several of it, something in another
// language. It streams in both directions and keeps nothing on disk, and in memory
// only answers that their headers let it keep; what is not HTTP is for kind tcp.
package proxy

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/upstream"
)

// Type is the kind.
type Type struct{}

// Kind implements service.Type.
func (Type) Kind() string { return "proxy" }

// Open implements service.Type.
func (Type) Open(ctx context.Context, env service.Env, cfg Config) (*Service, error) {
	s := &Service{env: env, coders: newCoders()}
	s.tasks.ctx, s.tasks.cancel = context.WithCancel(ctx)
	// Many failures have one reason.
	s.often = env.Log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Minute})
	g, err := newGeneration(cfg, nil)
	if err != nil {
		s.tasks.cancel()
		return nil, err
	}
	s.gen.Store(g)
	s.pool = upstream.New(g.options(), s.changed)
	s.metrics = newMetrics(s)
	return s, nil
}

// Service is a running proxy.
type Service struct {
	env     service.Env
	often   zerolog.Logger // for what may happen with each request
	pool    *upstream.Pool
	metrics *metrics
	coders  *coders
	gen     atomic.Pointer[generation]
	tasks   tasks
}

// Update implements service.Updater.
func (s *Service) Update(cfg Config) {
	old := s.gen.Load()
	g, err := newGeneration(cfg, old)
	if err != nil {
		// It could be read a moment ago, when the configuration was checked.
		s.env.Log.Error().Err(err).Msg("the options of tls stay as they were")
		cfg.TLS = old.cfg.TLS
		g = mustGeneration(cfg, old)
	}
	s.gen.Store(g)
	s.pool.Update(g.options())
	old.leave(g)
}

// Check implements service.Checker.
func (s *Service) Check(context.Context) error { return s.pool.Ready() }

// Collectors implements service.Metered.
func (s *Service) Collectors() []prometheus.Collector { return s.metrics.all }

// Close implements service.Service.
func (s *Service) Close() error {
	s.tasks.close()
	s.pool.Close()
	s.gen.Load().leave(nil)
	return nil
}

// changed logs that an upstream went up or down.
func (s *Service) changed(c upstream.Change) {
	switch {
	case c.Up:
		s.env.Log.Info().Stringer("upstream", c.Upstream.Address).Int("up", c.Left).Msg("the upstream is up again")
	case c.Left > 0:
		s.env.Log.Warn().Stringer("upstream", c.Upstream.Address).Err(c.Err).Int("up", c.Left).Msg("the upstream is down")
	default:
		s.env.Log.Error().Stringer("upstream", c.Upstream.Address).Err(c.Err).Msg("the last upstream is down")
	}
}

// A generation is what one configuration means. It is never changed.
type generation struct {
	cfg           Config
	path          pathRule
	requestRules  headerRules
	responseRules headerRules
	wires         map[upstream.Address]*wire
	tls           *tlsClient
	store         *store // nil: answers are not kept
}

// newGeneration keeps the connections that old, if any, has to upstreams that
// stay and are spoken to in the same way. It fails where files cannot be read.
func newGeneration(cfg Config, old *generation) (*generation, error) {
	t, err := newTLSClient(cfg.TLS)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of tls: %w", err)
	}
	return makeGeneration(cfg, old, t), nil
}

// mustGeneration is newGeneration with the files of old.
func mustGeneration(cfg Config, old *generation) *generation {
	return makeGeneration(cfg, old, old.tls)
}

func makeGeneration(cfg Config, old *generation, t *tlsClient) *generation {
	g := &generation{
		cfg:           cfg,
		path:          pathRule{strip: cfg.StripPrefix, rewrite: cfg.Rewrite},
		requestRules:  newHeaderRules(cfg.Headers.Request),
		responseRules: newHeaderRules(cfg.Headers.Response),
		wires:         map[upstream.Address]*wire{},
		tls:           t,
	}
	if old != nil && old.tls.cfg == t.cfg {
		g.tls = old.tls
	}
	for _, target := range cfg.options().Targets {
		if old != nil {
			if w := old.wires[target.Address]; w != nil && w.timeouts == g.wireTimeouts() && w.tls == g.tls {
				g.wires[target.Address] = w
				continue
			}
		}
		g.wires[target.Address] = newWire(target.Address, g.wireTimeouts(), g.tls)
	}
	g.store = makeStore(cfg, old)
	return g
}

// makeStore keeps that of old where what is in it would be answered to the same
// requests still.
func makeStore(cfg Config, old *generation) *store {
	if cfg.Cache == nil {
		return nil
	}
	if old != nil && old.store != nil && sameAnswers(&old.cfg, &cfg) {
		old.store.resize(int64(cfg.Cache.Size))
		return old.store
	}
	return newStore(int64(cfg.Cache.Size))
}

func sameAnswers(a, b *Config) bool {
	return slices.Equal(slices.Sorted(slices.Values(a.Upstreams)), slices.Sorted(slices.Values(b.Upstreams))) &&
		a.Host == b.Host && a.StripPrefix == b.StripPrefix && a.Rewrite == b.Rewrite && a.TLS == b.TLS &&
		reflect.DeepEqual(a.Headers.Request, b.Headers.Request)
}

func (g *generation) wireTimeouts() Timeouts {
	t := g.cfg.Timeouts
	t.Idle = 0 // the exchange's own affair
	return t
}

// options are for the pool.
func (g *generation) options() upstream.Options {
	opt := g.cfg.options()
	if h := g.cfg.Health; h != nil {
		opt.Active = &upstream.Active{Interval: h.Interval, Timeout: h.Timeout, Rise: h.Rise, Fall: h.Fall, Check: g.check}
	}
	return opt
}

// leave closes what next does not use any more; requests under way go on.
func (g *generation) leave(next *generation) {
	for a, w := range g.wires {
		if next == nil || next.wires[a] != w {
			w.leave()
		}
	}
}
