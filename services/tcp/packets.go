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

// packetBuffers are buffers for one packet each, held only while there is one:
// ten thousand silent peers hold none.
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

	f := &packetRelay{client: c, up: up, idle: cfg.UDPTimeout, born: time.Now()}
	defer context.AfterFunc(ctx, f.end)()
	var back sync.WaitGroup
	back.Go(func() {
		defer f.end()
		learn := sync.OnceFunc(lease.OK)
		err := f.move(c, up, server(up), func(n int) { learn(); s.metrics.sent.Add(float64(n)) })
		if errors.Is(err, syscall.ECONNREFUSED) { // the upstream's host says that nobody listens
			lease.Fail(err)
			s.metrics.failures.Inc()
		}
	})
	_ = f.move(up, c, peer(c), func(n int) { s.metrics.received.Add(float64(n)) })
	f.end()
	back.Wait()
	if f.left(time.Now()) <= 0 {
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
		up, err := dial(ctx, a, 0)
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
	born       time.Time
	heard      atomic.Int64 // when the last packet came, in nanoseconds after born, whatever the time of day does
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
func (f *packetRelay) left(now time.Time) time.Duration {
	return f.idle + time.Duration(f.heard.Load()) - now.Sub(f.born)
}

// move moves packets one way until nothing has come either way for the idle
// time. One that cannot be sent is lost, as in any network.
func (f *packetRelay) move(to, from net.Conn, next source, count func(int)) error {
	pass := func(b []byte) {
		f.heard.Store(int64(time.Since(f.born)))
		if n, err := to.Write(b); err == nil {
			count(n)
		}
	}
	for {
		now := time.Now()
		left := f.left(now)
		_ = from.SetReadDeadline(now.Add(left))
		if left <= 0 || f.ended.Load() { // asked after the deadline was set: end sets it too
			return nil
		}
		if err := next(pass); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // then perhaps the other direction was busy
			return err
		}
	}
}

// A source waits for a packet and passes it on. The bytes are valid until pass
// returns.
type source func(pass func(b []byte)) error

// peer is the source of what a client sends.
func peer(c net.Conn) source {
	if q, ok := c.(interface{ ReadPacket() ([]byte, error) }); ok {
		return func(pass func([]byte)) error {
			b, err := q.ReadPacket()
			if err == nil {
				pass(b)
			}
			return err
		}
	}
	return func(pass func([]byte)) error {
		b := packetBuffers.Get().(*[packetSize]byte)
		defer packetBuffers.Put(b)
		n, err := c.Read(b[:])
		if err == nil {
			pass(b[:n])
		}
		return err
	}
}

// server is the source of what an upstream sends: a socket, which says when there
// is something to read.
func server(up net.Conn) source {
	sock, ok := up.(syscall.Conn)
	if !ok {
		return peer(up)
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return peer(up)
	}
	return func(pass func([]byte)) error {
		var b *[packetSize]byte
		var n int
		var rerr error
		err := raw.Read(func(fd uintptr) bool {
			b = packetBuffers.Get().(*[packetSize]byte)
			for {
				if n, rerr = syscall.Read(int(fd), b[:]); !errors.Is(rerr, syscall.EINTR) {
					break
				}
			}
			if !errors.Is(rerr, syscall.EAGAIN) {
				return true
			}
			packetBuffers.Put(b)
			b = nil
			return false
		})
		if b == nil {
			return err
		}
		defer packetBuffers.Put(b)
		if rerr != nil {
			return os.NewSyscallError("read", rerr)
		}
		pass(b[:n])
		return nil
	}
}
