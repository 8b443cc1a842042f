//go:build !linux

package postgres

import "net"

// netDialer is net's. A connection breaks where the server does not answer while
// nothing but an answer is waited for.
func netDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentTime / 2, Interval: silentTime / 4, Count: 2},
	}
}
