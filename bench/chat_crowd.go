package main

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// A crowd is the receivers of a group.
type crowd struct {
	sockets []*chatSocket
	got     atomic.Int64
	arrived chan struct{} // a token: something came
	failed  chan error
	timing  atomic.Bool     // latencies are kept
	times   []time.Duration // of who follows; to be read when that has stopped
}

// heard counts what came to a receiver at once.
func (c *crowd) heard(msg []byte, now time.Time) (times []time.Duration) {
	n := bytes.Count(msg, []byte(`"type":"message"`))
	if n == 0 {
		return nil
	}
	for rest := msg; c.timing.Load(); {
		var at []byte
		var found bool
		if _, rest, found = bytes.Cut(rest, []byte(`"text":"@`)); !found {
			break
		}
		at, rest, _ = bytes.Cut(rest, []byte("@"))
		if sent, err := strconv.ParseInt(string(at), 10, 64); err == nil {
			times = append(times, time.Duration(now.UnixNano()-sent))
		}
	}
	c.got.Add(int64(n))
	select {
	case c.arrived <- struct{}{}:
	default:
	}
	return times
}

func (c *crowd) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// await waits until n messages came in all.
func (c *crowd) await(n int64) error {
	timeout := time.NewTimer(chatTimeout)
	defer timeout.Stop()
	for c.got.Load() < n {
		select {
		case <-c.arrived:
		case err := <-c.failed:
			return fmt.Errorf("a receiver ended: %w", err)
		case <-timeout.C:
			return fmt.Errorf("%d messages of %d came", c.got.Load(), n)
		}
	}
	return nil
}
