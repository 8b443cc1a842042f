package mux

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxPacket  = 64 << 10 // bytes; UDP has no larger ones
	flowQueue  = 64       // packets that wait for a service; more are dropped, as a network does
	packetsEnd = time.Second
)

// Packets is the UDP peers of one socket, each handed to the port's service as a
// connection of its own. It lives as long as the socket, whatever port uses it.
type Packets struct {
	pc   *net.UDPConn
	port atomic.Pointer[Port] // nil: packets are dropped
	done sync.WaitGroup

	mu     sync.Mutex // guards the rest
	flows  map[flowKey]*flow
	closed bool
}

// A flowKey tells flows apart. A peer that asks two addresses of this machine
// has two, because each must answer from its own.
type flowKey struct {
	peer  netip.AddrPort
	local netip.Addr // zero: not known
}

// NewPackets reads from pc alone until Close; closing pc is the caller's.
func NewPackets(pc *net.UDPConn) *Packets {
	d := &Packets{pc: pc, flows: map[flowKey]*flow{}}
	wantLocal(pc)
	d.done.Go(d.read)
	return d
}

// SetPort says whose policy holds for new peers from now on.
func (d *Packets) SetPort(p *Port) { d.port.Store(p) }

// read hands packets to their flows until Close.
func (d *Packets) read() {
	buf, oob := make([]byte, maxPacket), make([]byte, 128)
	for {
		n, oobn, _, peer, err := d.pc.ReadMsgUDPAddrPort(buf, oob)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // about one peer, such as one that closed its port
		}
		key := flowKey{netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), localOf(oob[:oobn])}
		if f := d.flow(key, peer); f != nil {
			f.deliver(buf[:n])
		}
	}
}

// flow finds the flow of a peer, or begins one; nil: it may not.
func (d *Packets) flow(key flowKey, peer netip.AddrPort) *flow {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.flows[key]; f != nil {
		return f
	}
	p := d.port.Load()
	if p == nil || d.closed {
		return nil
	}
	s := p.state.Load()
	if s == nil || s.Packets == nil {
		return nil
	}
	c, reason := p.openSession(s, net.UDPAddrFromAddrPort(key.peer), UDP)
	if reason != "" {
		return nil
	}
	f := &flow{from: d, key: key, peer: peer, session: c, queue: make(chan []byte, flowQueue), ended: make(chan struct{})}
	f.readBy.make()
	p.mu.Lock()
	c.traffic = func() (net.Addr, int64, int64) { return f.LocalAddr(), f.in.Load(), f.out.Load() }
	p.mu.Unlock()
	d.flows[key] = f
	d.done.Go(func() { d.serve(p, s, f) })
	return f
}

func (d *Packets) serve(p *Port, s *state, f *flow) {
	defer p.closeSession(f.session)
	defer f.Close()
	defer func() {
		if v := recover(); v != nil {
			p.log.Error().Interface("panic", v).Bytes("stack", debug.Stack()).Msg("a service of packets panicked")
		}
	}()
	s.Packets(context.WithValue(p.ctx, sessionKey{}, f.session), f)
}

type sessionKey struct{}

// NameSession notes which service has the session of ctx, for the list of
// sockets. It does nothing where ctx has none.
func NameSession(ctx context.Context, service string) {
	if c, ok := ctx.Value(sessionKey{}).(*session); ok {
		c.service.Store(&service)
	}
}

// Close ends the reading and all flows, and waits until they have ended or ctx
// has.
func (d *Packets) Close(ctx context.Context) {
	d.mu.Lock()
	d.closed = true
	flows := make([]*flow, 0, len(d.flows))
	for _, f := range d.flows {
		flows = append(flows, f)
	}
	d.mu.Unlock()
	_ = d.pc.SetReadDeadline(time.Unix(1, 0))
	for _, f := range flows {
		_ = f.Close()
	}
	ended := make(chan struct{})
	go func() { d.done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// A flow is the packets of one peer, as a connection.
type flow struct {
	from    *Packets
	key     flowKey
	peer    netip.AddrPort // as the socket knows it
	session *session
	queue   chan []byte
	once    sync.Once
	ended   chan struct{}
	readBy  deadline
	in, out atomic.Int64 // bytes
}

var _ net.Conn = (*flow)(nil)

// deliver queues a copy of b, or drops it where the service is too slow.
func (f *flow) deliver(b []byte) {
	select {
	case f.queue <- append([]byte(nil), b...):
		f.in.Add(int64(len(b)))
	default:
	}
}

// Read returns one packet, cut off where it is longer than b.
func (f *flow) Read(b []byte) (int, error) {
	p, err := f.ReadPacket()
	return copy(b, p), err
}

// ReadPacket returns one packet, which is the caller's. Who waits in it needs no
// buffer.
func (f *flow) ReadPacket() ([]byte, error) {
	late := f.readBy.wait()
	select {
	case <-late: // also where a packet is there: a deadline in the past means stop
		return nil, os.ErrDeadlineExceeded
	default:
	}
	select {
	case p := <-f.queue:
		return p, nil
	case <-late:
		return nil, os.ErrDeadlineExceeded
	case <-f.ended:
		return nil, net.ErrClosed
	}
}

// Write sends b as one packet, from the address that the peer asked.
func (f *flow) Write(b []byte) (int, error) {
	select {
	case <-f.ended:
		return 0, net.ErrClosed
	default:
	}
	n, _, err := f.from.pc.WriteMsgUDPAddrPort(b, fromLocal(f.key.local), f.peer)
	f.out.Add(int64(n))
	return n, err
}

func (f *flow) Close() error {
	f.once.Do(func() {
		close(f.ended)
		f.from.mu.Lock()
		delete(f.from.flows, f.key)
		f.from.mu.Unlock()
	})
	return nil
}

func (f *flow) RemoteAddr() net.Addr { return f.session.remote }

func (f *flow) LocalAddr() net.Addr {
	bound := f.from.pc.LocalAddr().(*net.UDPAddr)
	if !f.key.local.IsValid() {
		return bound
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.key.local, uint16(bound.Port)))
}

func (f *flow) SetDeadline(t time.Time) error     { return f.SetReadDeadline(t) }
func (f *flow) SetReadDeadline(t time.Time) error { f.readBy.set(t); return nil }

// SetWriteDeadline does nothing: the kernel takes a packet at once, or drops it.
func (f *flow) SetWriteDeadline(time.Time) error { return nil }

// A deadline is closed when it passes, and made anew when it is moved.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	late  chan struct{}
}

func (d *deadline) make() { d.late = make(chan struct{}) }

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.late
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.late // it fired: whoever waited for it was told
	}
	d.timer = nil
	select {
	case <-d.late:
		d.late = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	late := d.late
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(late) })
	} else {
		close(late)
	}
}
