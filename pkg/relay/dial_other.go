//go:build !linux

package relay

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Dial connects over TCP, within a time; 0: as long as ctx lasts.
func Dial(ctx context.Context, to netip.AddrPort, within time.Duration) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, Timeout: within}
	return d.DialContext(ctx, "tcp", to.String())
}
