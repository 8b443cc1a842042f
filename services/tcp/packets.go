package tcp

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/upstream"
)

// packetSize holds any packet of UDP.
const packetSize = 64 << 10

// packetBuffers are buffers for one packet each.
var packetBuffers = sync.Pool{New: func() any { return new([packetSize]byte) }}

// ServePackets implements service.PacketHandler: the packets of one peer go to
// one upstream and its packets back, until nothing has come either way for
// udp_timeout.
func (s *Service) ServePackets(ctx context.Context, c net.Conn) {
	defer c.Close()
	cfg := s.cfg.Load()
	up, lease := s.connectPackets(ctx, c, cfg)
	if up == nil {
		s.metrics.unserved.Inc()
		return
	}
	defer lease.Release()
	defer up.Close()
	s.metrics.relayed.Inc()
	s.metrics.open.Inc()
	defer s.metrics.open.Dec()

	f := &packetRelay{client: c, up: up, idle: cfg.UDPTimeout}
	f.heard.Store(time.Now().UnixNano())
	defer context.AfterFunc(ctx, f.end)()
	var back sync.WaitGroup
	back.Go(func() {
		defer f.end()
		learn := sync.OnceFunc(lease.OK)
		err := f.move(c, up, func(n int) { learn(); s.metrics.sent.Add(float64(n)) })
		if errors.Is(err, syscall.ECONNREFUSED) { // the upstream's host says that nobody listens
			lease.Fail(err)
			s.metrics.failures.Inc()
		}
	})
	_ = f.move(up, c, func(n int) { s.metrics.received.Add(float64(n)) })
	f.end()
	back.Wait()
	if f.left() <= 0 {
		s.metrics.idle.Inc()
	}
}

// connectPackets chooses an upstream. That it works shows when it answers.
func (s *Service) connectPackets(ctx context.Context, client net.Conn, cfg *Config) (net.Conn, *upstream.Lease) {
	want := upstream.Want{}
	if cfg.Balance == string(upstream.Hash) {
		want.Key = hostOf(client.RemoteAddr())
	}
	lease, err := s.pool.Acquire(ctx, want)
	if err != nil {
		return nil, nil
	}
	a := lease.Upstream.Address
	if a.Network == "tcp" {
		a.Network = "udp"
		up, err := dial(ctx, a)
		if err == nil {
			return up, lease
		}
		lease.Fail(err)
		s.metrics.failures.Inc()
	}
	lease.Release()
	return nil, nil
}

// A packetRelay moves packets between a peer and an upstream.
type packetRelay struct {
	client, up net.Conn
	idle       time.Duration
	heard      atomic.Int64 // when the last packet came, unix nanoseconds
	ended      atomic.Bool
}

// end ends both directions.
func (f *packetRelay) end() {
	f.ended.Store(true)
	past := time.Unix(1, 0)
	_ = f.client.SetReadDeadline(past)
	_ = f.up.SetReadDeadline(past)
}

// left is how long nothing may come yet.
func (f *packetRelay) left() time.Duration {
	return f.idle - time.Since(time.Unix(0, f.heard.Load()))
}

// move moves packets one way until nothing has come either way for the idle
// time. One that cannot be sent is lost, as in any network.
func (f *packetRelay) move(to, from net.Conn, count func(int)) error {
	b := packetBuffers.Get().(*[packetSize]byte)
	defer packetBuffers.Put(b)
	for {
		left := f.left()
		_ = from.SetReadDeadline(time.Now().Add(left))
		if left <= 0 || f.ended.Load() { // asked after the deadline was set: end sets it too
			return nil
		}
		n, err := from.Read(b[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue // perhaps the other direction was busy
		}
		if err != nil {
			return err
		}
		f.heard.Store(time.Now().UnixNano())
		if _, err := to.Write(b[:n]); err == nil {
			count(n)
		}
	}
}
