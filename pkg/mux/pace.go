package mux

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// maxPart is how much of a write goes out at once where answers are slowed, in
// bytes, so that connections of one address take turns.
const maxPart = 16 << 10

// pacedConn slows what a raw service sends. It hides NetConn, through which the
// service would move bytes past the limit.
type pacedConn struct {
	net.Conn
	ctx    context.Context
	client netip.Addr
	pace   func(netip.Addr, int) time.Duration
}

// Write sends b in parts. A write deadline holds for each of them, not for the
// time in between.
func (c pacedConn) Write(b []byte) (n int, err error) {
	for {
		part := b[n:min(len(b), n+maxPart)]
		if wait := c.pace(c.client, len(part)); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-c.ctx.Done():
				t.Stop()
				return n, net.ErrClosed
			}
		}
		m, err := c.Conn.Write(part)
		n += m
		if err != nil || n >= len(b) {
			return n, err
		}
	}
}

// CloseWrite ends the stream to the client; reading goes on.
func (c pacedConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}
