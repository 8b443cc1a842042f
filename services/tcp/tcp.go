// Package tcp is the kind that passes connections on to other servers as they
// are: SSH, a database, TLS that ends elsewhere. It understands nothing of what
// it moves, and on Linux the bytes never enter the process. Packets of UDP it
// passes on too, those of each peer with a socket of their own.
package tcp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/relay"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/upstream"
)

// Type is the kind.
type Type struct{}

// Kind implements service.Type.
func (Type) Kind() string { return "tcp" }

// SpeaksFirst implements service.FirstSpeaker: nobody knows what the upstream is.
func (Type) SpeaksFirst(Config) bool { return true }

// Probe implements service.Prober: what could be sent is unknown.
func (Type) Probe(Config) service.Probe { return service.Probe{Kind: service.ProbeConnect} }

// Open implements service.Type.
func (Type) Open(_ context.Context, env service.Env, cfg Config) (*Service, error) {
	s := &Service{log: env.Log}
	s.cfg.Store(&cfg)
	s.pool = upstream.New(cfg.options(s.check), s.changed)
	s.metrics = newMetrics(s.pool)
	return s, nil
}

// Service is a running relay.
type Service struct {
	log     zerolog.Logger
	pool    *upstream.Pool
	metrics *metrics
	loops   relay.Loops
	cfg     atomic.Pointer[Config]
}

// Update implements service.Updater.
func (s *Service) Update(cfg Config) {
	s.cfg.Store(&cfg)
	s.pool.Update(cfg.options(s.check))
}

// Check implements service.Checker.
func (s *Service) Check(context.Context) error { return s.pool.Ready() }

// Collectors implements service.Metered.
func (s *Service) Collectors() []prometheus.Collector { return s.metrics.all }

// Close implements service.Service.
func (s *Service) Close() error {
	s.pool.Close()
	return s.loops.Close()
}

// changed logs that an upstream went up or down.
func (s *Service) changed(c upstream.Change) {
	switch {
	case c.Up:
		s.log.Info().Stringer("upstream", c.Upstream.Address).Int("up", c.Left).Msg("the upstream is up again")
	case c.Left > 0:
		s.log.Warn().Stringer("upstream", c.Upstream.Address).Err(c.Err).Int("up", c.Left).Msg("the upstream is down")
	default:
		s.log.Error().Stringer("upstream", c.Upstream.Address).Err(c.Err).Msg("the last upstream is down")
	}
}

// checker is how an upstream is checked.
type checker = func(context.Context, upstream.Address) error

// check connects, introduces itself where the upstream expects that, and leaves.
func (s *Service) check(ctx context.Context, a upstream.Address) error {
	c, err := dial(ctx, a, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	if version := s.cfg.Load().SendProxy; version != "" {
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(ownHeader(version)); err != nil {
			return fmt.Errorf("send the PROXY header: %w", err)
		}
	}
	return nil
}

// dial connects to an upstream before ctx ends, and within a time; 0: that of ctx.
// Keep-alive is off: the relay turns it on where a connection lasts.
func dial(ctx context.Context, a upstream.Address, within time.Duration) (c net.Conn, err error) {
	if to, perr := netip.ParseAddrPort(a.Addr); perr == nil && a.Network == "tcp" {
		c, err = relay.Dial(ctx, to, within)
	} else {
		d := net.Dialer{KeepAlive: -1, Timeout: within}
		c, err = d.DialContext(ctx, a.Network, a.Addr)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a, err)
	}
	return c, nil
}
