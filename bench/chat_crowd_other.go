//go:build !linux

package main

import (
	"sync"
	"time"
)

// follow reads in a goroutine for each receiver, until stop is called.
func (c *crowd) follow() (stop func(), err error) {
	var following sync.WaitGroup
	for i, conn := range c.conns {
		following.Go(func() {
			buf := make([]byte, 256<<10)
			kept := copy(buf, c.early[i])
			n, err := conn.Read(buf[kept:])
			for ; err == nil; n, err = conn.Read(buf[kept:]) {
				whole := c.whole(buf[:kept+n])
				c.heard(buf[:whole], time.Now())
				kept = copy(buf, buf[whole:kept+n])
			}
			c.fail(err)
		})
	}
	return func() {
		for _, conn := range c.conns {
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		}
		following.Wait()
		for _, conn := range c.conns {
			_ = conn.SetReadDeadline(time.Time{})
		}
	}, nil
}
