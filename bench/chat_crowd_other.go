//go:build !linux

package main

import (
	"sync"
	"time"
)

// follow reads in a goroutine for each receiver, until stop is called.
func (c *crowd) follow() (stop func(), err error) {
	var following sync.WaitGroup
	var mu sync.Mutex
	for _, s := range c.sockets {
		_ = s.conn.SetDeadline(time.Now().Add(2 * chatTimeout))
		following.Go(func() {
			var times []time.Duration
			msg, err := s.read()
			for ; err == nil; msg, err = s.read() {
				times = append(times, c.heard(msg, time.Now())...)
			}
			c.fail(err)
			mu.Lock()
			c.times = append(c.times, times...)
			mu.Unlock()
		})
	}
	return func() {
		closeAll(c.sockets)
		following.Wait()
	}, nil
}
