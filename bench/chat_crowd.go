package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A dialect is how messages look to who only counts them.
type dialect struct {
	mark  []byte                 // once in each message
	stamp []byte                 // before the time in a text, which ends with @
	whole func(b []byte) (n int) // how many bytes of b are frames that are complete
}

// webSocket is portico's.
var webSocket = dialect{mark: []byte(`"type":"message"`), stamp: []byte(`"text":"@`), whole: wholeFrames}

// A crowd is receivers that count.
type crowd struct {
	dialect
	conns   []net.Conn
	early   [][]byte // what had come when each was ready
	got     atomic.Int64
	arrived chan struct{} // a token: something came
	failed  chan error
	timing  atomic.Bool // latencies are kept
	mu      sync.Mutex
	times   []time.Duration // guarded by mu
}

func newCrowd(d dialect, sockets []*chatSocket) (*crowd, error) {
	c := &crowd{dialect: d, arrived: make(chan struct{}, 1), failed: make(chan error, 1)}
	for _, s := range sockets {
		early := make([]byte, s.br.Buffered())
		if _, err := io.ReadFull(s.br, early); err != nil {
			return nil, err
		}
		c.conns, c.early = append(c.conns, s.conn), append(c.early, early)
	}
	return c, nil
}

// heard counts what came to a receiver at once.
func (c *crowd) heard(msg []byte, now time.Time) {
	n := bytes.Count(msg, c.mark)
	if n == 0 {
		return
	}
	var times []time.Duration
	for rest := msg; c.timing.Load(); {
		var at []byte
		var found bool
		if _, rest, found = bytes.Cut(rest, c.stamp); !found {
			break
		}
		at, rest, _ = bytes.Cut(rest, []byte("@"))
		if sent, err := strconv.ParseInt(string(at), 10, 64); err == nil {
			times = append(times, time.Duration(now.UnixNano()-sent))
		}
	}
	if len(times) > 0 {
		c.mu.Lock()
		c.times = append(c.times, times...)
		c.mu.Unlock()
	}
	c.got.Add(int64(n))
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// takeTimes returns the latencies that were kept since the last time, sorted.
func (c *crowd) takeTimes() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	times := c.times
	c.times = nil
	slices.Sort(times)
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

// wholeFrames is how many bytes of b are frames of a WebSocket that are complete.
func wholeFrames(b []byte) (n int) {
	for len(b)-n >= 2 {
		size := 2 + int(b[n+1]&0x7f)
		switch rest := b[n:]; {
		case b[n+1] == 126 && len(rest) >= 4:
			size = 4 + int(binary.BigEndian.Uint16(rest[2:]))
		case b[n+1] == 127 && len(rest) >= 10:
			size = 10 + int(binary.BigEndian.Uint64(rest[2:]))
		case b[n+1] >= 126:
			return n
		}
		if n+size > len(b) {
			return n
		}
		n += size
	}
	return n
}
