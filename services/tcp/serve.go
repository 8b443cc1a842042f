package tcp

import (
	"context"
	"net"
	"time"

	"github.com/porticod/portico/pkg/relay"
	"github.com/porticod/portico/pkg/upstream"
)

// maxTries is how many upstreams are tried for one connection: its client waits
// for all of them.
const maxTries = 3

// TakesLean implements service.LeanHandler.
func (*Service) TakesLean() {}

// ServeConn implements service.ConnHandler.
func (s *Service) ServeConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	cfg := s.cfg.Load()
	up, lease := s.connect(ctx, c, cfg)
	if up == nil {
		s.metrics.unserved.Inc()
		return
	}
	defer lease.Release()
	defer up.Close()
	s.metrics.relayed.Inc()
	s.metrics.open.Inc()
	defer s.metrics.open.Dec()

	why := relay.New(c, up, relay.Options{
		Loops:    &s.loops,
		Idle:     cfg.IdleTimeout,
		Received: s.metrics.countReceived,
		Sent:     s.metrics.countSent,
	}).Run(ctx)
	switch why {
	case relay.EndIdle:
		s.metrics.idle.Inc()
	case relay.EndBroken:
		s.metrics.aborted.Inc()
	}
	if e := s.log.Debug(); e.Enabled() {
		e.Stringer("peer", c.RemoteAddr()).Stringer("upstream", lease.Upstream.Address).Stringer("end", why).Msg("relayed")
	}
}

// connect connects to an upstream, another one where that fails. The header is
// sent when it returns; c is nil if nobody was reached.
func (s *Service) connect(ctx context.Context, client net.Conn, cfg *Config) (net.Conn, *upstream.Lease) {
	want := upstream.Want{}
	if cfg.Balance == string(upstream.Hash) {
		want.Key = hostOf(client.RemoteAddr())
	}
	for range maxTries {
		lease, err := s.pool.Acquire(ctx, want)
		if err != nil {
			s.log.Debug().Stringer("peer", client.RemoteAddr()).Err(err).Msg("nobody takes the connection")
			return nil, nil
		}
		up, err := s.introduce(ctx, client, lease.Upstream.Address, cfg)
		if err == nil {
			lease.OK()
			return up, lease
		}
		if ctx.Err() == nil { // else it is our time that is up, not the upstream that is down
			lease.Fail(err)
			s.metrics.failures.Inc()
			s.log.Debug().Err(err).Msg("connecting to the upstream failed")
		}
		lease.Release()
		want.Not = append(want.Not, lease.Upstream)
	}
	return nil, nil
}

// introduce connects and sends the PROXY header, if one is due.
func (s *Service) introduce(ctx context.Context, client net.Conn, a upstream.Address, cfg *Config) (net.Conn, error) {
	start := time.Now()
	up, err := dial(ctx, a, cfg.ConnectTimeout)
	if err != nil {
		return nil, err
	}
	s.metrics.connect.Observe(time.Since(start).Seconds())
	if cfg.SendProxy == "" {
		return up, nil
	}
	// It fits into the empty buffer of the socket, so this does not block.
	if _, err := up.Write(proxyHeader(cfg.SendProxy, client.RemoteAddr(), client.LocalAddr())); err != nil {
		_ = up.Close()
		return nil, err
	}
	return up, nil
}

// hostOf is the address without the port, which is another one each time.
func hostOf(a net.Addr) string {
	switch t := a.(type) {
	case *net.TCPAddr:
		return t.IP.String()
	case *net.UDPAddr:
		return t.IP.String()
	}
	return a.String()
}
