package process

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// ServeConn connects c to the program, byte for byte; either side may end its
// half. The bytes of plain connections stay in the kernel (splice). Without the
// option raw it only closes c: a program that expects HTTP from portico believes
// what the headers say of the client.
func (s *Service) ServeConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	if !s.cfg.Load().Raw {
		return
	}
	child, err := s.gate.enter(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.metrics.refused.Inc()
		}
		return
	}
	defer s.gate.leave(child)
	program, err := child.ep.dial(ctx)
	if err != nil {
		s.env.Log.Debug().Err(err).Msg("connect to the program")
		return
	}
	defer program.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close(); _ = program.Close() })()

	r := &relay{idle: s.cfg.Load().IdleTimeout}
	up := make(chan struct{})
	go func() {
		defer close(up)
		if !r.copy(program, kernelSocket(c)) {
			_ = program.Close() // the other direction is of no use any more
		}
	}()
	if r.copy(kernelSocket(c), program) {
		// The program may have ended, with nobody left for what the client says.
		select {
		case <-up:
			return
		case <-child.life.Done():
		case <-ctx.Done():
		}
	}
	_ = c.Close()
	_ = program.Close()
	<-up
}

// A relay is a pair of connections. It is idle when nothing came from either.
type relay struct {
	idle  time.Duration
	bytes atomic.Int64
}

// copy copies until src ends, then ends dst's half; false: something broke, or
// nothing happened for too long. Each direction notes its bytes once in a window
// of half the idle time, so that two windows without any are idleness.
func (r *relay) copy(dst, src net.Conn) bool {
	for quiet := 0; quiet < 2; {
		before, now := r.bytes.Load(), time.Now()
		if err := src.SetReadDeadline(now.Add(r.idle / 2)); err != nil {
			return false
		}
		// Who does not read gets longer: the bytes are in our hands and would be
		// lost.
		if err := dst.SetWriteDeadline(now.Add(2 * r.idle)); err != nil {
			return false
		}
		n, err := io.Copy(dst, src)
		if r.bytes.Add(n) > before {
			quiet = 0
		} else {
			quiet++
		}
		switch {
		case err == nil:
			half, ok := dst.(interface{ CloseWrite() error })
			return ok && half.CloseWrite() == nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return false
		}
	}
	return false
}

// kernelSocket unwraps c to what the kernel can copy from and to, if that is all
// there is to c. What NetConn returns of a TLS connection is not what it carries.
func kernelSocket(c net.Conn) net.Conn {
	if w, ok := c.(interface{ NetConn() net.Conn }); ok {
		switch sock := w.NetConn().(type) {
		case *net.TCPConn, *net.UnixConn:
			return sock
		}
	}
	return c
}
