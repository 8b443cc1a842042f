package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// padding makes a text of about a hundred bytes.
var padding = strings.Repeat("x", 80)

// trimmed is how long the daemon takes to notice that it is idle, twice its
// interval, and a moment.
const trimmed = 64 * time.Second

// measureIdle opens connections that are signed in and say nothing.
func (b *chatBench) measureIdle(w io.Writer, n int) error {
	warm, err := b.dial(0)
	if err != nil {
		return err
	}
	defer warm.conn.Close()
	before, err := b.memory()
	if err != nil {
		return err
	}
	sockets := make([]*chatSocket, n)
	defer func() { closeAll(slices.DeleteFunc(sockets, func(s *chatSocket) bool { return s == nil })) }()
	var g errgroup.Group
	g.SetLimit(64)
	took, cpu, err := b.measured(func() error {
		for i := range sockets {
			g.Go(func() (err error) {
				if sockets[i], err = b.dial(i % chatPeople); err == nil {
					sockets[i].br = nil // a client's buffer is not what is measured
				}
				return err
			})
		}
		return g.Wait()
	})
	if err != nil {
		return fmt.Errorf("idle connections: %w", err)
	}
	fmt.Fprintf(w, "| %d idle connections, signed in | KiB of process memory each | of it stacks | heap in use |\n|---|---|---|---|\n", n)
	for _, at := range []struct {
		name string
		wait time.Duration
	}{{"just connected", time.Second}, {"when the daemon has given back what it does not need", trimmed}} {
		time.Sleep(at.wait)
		after, err := b.memory()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f |\n", at.name, (after[0]-before[0])/float64(n), (after[1]-before[1])/float64(n), (after[2]-before[2])/float64(n))
	}
	fmt.Fprintf(w, "\nConnecting them: %.0f a second, %.2f ms of server CPU each.\n\n", float64(n)/took.Seconds(), cpu.Seconds()*1e3/float64(n))
	return nil
}

// memory is the server's, in KiB: resident, stacks of goroutines, and the heap
// with what the collector has yet to find.
func (b *chatBench) memory() ([3]float64, error) {
	stacks, err1 := b.p.metric("go_memstats_stack_inuse_bytes")
	heap, err2 := b.p.metric("go_memstats_heap_inuse_bytes")
	return [3]float64{rss(b.p.cmd.Process.Pid), stacks / 1024, heap / 1024}, errors.Join(err1, err2)
}

// measureSends counts acknowledgements: everybody sends a frame and waits for
// all that it holds, in a conversation of his own with somebody who is away.
func (b *chatBench) measureSends(w io.Writer) error {
	fmt.Fprint(w, "| senders | messages a frame | acknowledged a second, after the fsync | p50 ms | p99 ms | server CPU s a second | acknowledged per CPU s |\n|---|---|---|---|---|---|---|\n")
	for _, senders := range []int{1, 16, 256} {
		convs := make([]string, senders)
		sockets := make([]*chatSocket, senders)
		for i := range sockets {
			var err error
			if convs[i], err = b.create(i, map[string]string{"kind": "direct", "with": b.names[chatPeople-1]}); err != nil {
				return err
			}
			if sockets[i], err = b.dial(i); err != nil {
				return err
			}
		}
		for _, lines := range []int{1, 64} {
			var mu sync.Mutex
			var times []time.Duration
			took, cpu, err := b.measured(func() error {
				var g errgroup.Group
				for i, s := range sockets {
					g.Go(func() error {
						t, err := s.sendFor(b.each, convs[i], lines)
						mu.Lock()
						times = append(times, t...)
						mu.Unlock()
						return err
					})
				}
				return g.Wait()
			})
			if err != nil {
				return fmt.Errorf("%d senders: %w", senders, err)
			}
			slices.Sort(times)
			n := float64(len(times) * lines)
			fmt.Fprintf(w, "| %d | %d | %.0f | %.1f | %.1f | %.2f | %.0f |\n", senders, lines, n/took.Seconds(),
				percentile(times, .5), percentile(times, .99), cpu.Seconds()/took.Seconds(), n/cpu.Seconds())
		}
		closeAll(sockets)
	}
	fmt.Fprintln(w)
	return nil
}

// sendFor sends frame after frame and returns how long each waited for its
// acknowledgements.
func (s *chatSocket) sendFor(d time.Duration, conv string, lines int) ([]time.Duration, error) {
	var times []time.Duration
	_ = s.conn.SetDeadline(time.Now().Add(d + chatTimeout))
	for n, end := 0, time.Now().Add(d); time.Now().Before(end); n++ {
		begun := time.Now()
		if err := s.write(messages(conv, fmt.Sprintf("%d-%d", begun.UnixNano(), n), lines, begun)); err != nil {
			return nil, err
		}
		if err := s.acks(lines); err != nil {
			return nil, err
		}
		times = append(times, time.Since(begun))
	}
	return times, nil
}

// messages makes a frame of sends, with the time in their texts.
func messages(conv, cid string, lines int, at time.Time) []byte {
	var b []byte
	for i := range lines {
		b = fmt.Appendf(b, "{\"id\":%d,\"send\":{\"conv\":%q,\"cid\":\"%s-%d\",\"text\":\"@%d@%s\"}}\n", i, conv, cid, i, at.UnixNano(), padding)
	}
	return b
}

// acks waits for n acknowledgements.
func (s *chatSocket) acks(n int) error {
	for n > 0 {
		msg, err := s.read()
		if err != nil {
			return err
		}
		if bytes.Contains(msg, []byte(`"error":{`)) || bytes.Contains(msg, []byte(`{"close":`)) {
			return fmt.Errorf("a send was answered with %s", msg)
		}
		n -= bytes.Count(msg, []byte(`"ack":{`))
	}
	return nil
}

// measureDeliveries has one sender in a group of receivers: first as fast as
// everybody keeps up, then at half of that.
func (b *chatBench) measureDeliveries(w io.Writer) error {
	fmt.Fprint(w, "| receivers of a group | messages a frame | deliveries a second | server CPU s a second | deliveries per CPU s | at half of that: deliveries a second | p50 ms send to receive | p99 ms | server CPU s a second |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, load := range []struct{ receivers, lines int }{{1, 64}, {100, 64}, {1000, 16}, {5000, 16}, {5000, 4}, {5000, 1}} {
		row, err := b.deliver(load.receivers, load.lines)
		if err != nil {
			return fmt.Errorf("%d receivers: %w", load.receivers, err)
		}
		fmt.Fprintln(w, row)
	}
	fmt.Fprintln(w)
	return nil
}

// gather makes a group and connects its receivers; person 0 sends.
func (b *chatBench) gather(receivers int, name string) (conv string, from *chatSocket, c *crowd, err error) {
	members := min(receivers, chatPeople-1)
	conv, err = b.create(0, map[string]any{"kind": "group", "cid": name, "title": "bench", "members": b.names[1 : members+1]})
	if err != nil {
		return "", nil, nil, err
	}
	c = &crowd{sockets: make([]*chatSocket, receivers), arrived: make(chan struct{}, 1), failed: make(chan error, 1)}
	var g errgroup.Group
	g.SetLimit(64)
	for i := range c.sockets {
		g.Go(func() (err error) {
			c.sockets[i], err = b.dial(1 + i%members)
			return err
		})
	}
	if err = g.Wait(); err == nil {
		from, err = b.dial(0)
	}
	return conv, from, c, err
}

func (b *chatBench) deliver(receivers, lines int) (row string, err error) {
	conv, from, c, err := b.gather(receivers, fmt.Sprintf("g%d-%d", receivers, lines))
	if err != nil {
		return "", err
	}
	stop, err := c.follow()
	if err != nil {
		return "", err
	}
	sent := 0
	round := func(n int) error {
		if err := from.write(messages(conv, fmt.Sprintf("%d-%d-%d", receivers, lines, sent), n, time.Now())); err != nil {
			return err
		}
		sent += n
		return from.acks(n)
	}
	took, cpu, err := b.measured(func() error {
		for end := time.Now().Add(b.each); time.Now().Before(end); {
			if err := round(lines); err != nil {
				return err
			}
			if err := c.await(int64(sent * receivers)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	fast := float64(sent*receivers) / took.Seconds()
	row = fmt.Sprintf("| %d | %d | %.0f | %.2f | %.0f |", receivers, lines, fast, cpu.Seconds()/took.Seconds(), float64(sent*receivers)/cpu.Seconds())

	c.timing.Store(true)
	before := sent
	took, cpu, err = b.measured(func() error {
		go from.ignore()
		if err := b.pace(from, conv, lines, fast/2/float64(receivers), &sent); err != nil {
			return err
		}
		return c.await(int64(sent * receivers))
	})
	if err != nil {
		return "", err
	}
	stop()
	closeAll(append(c.sockets, from))
	slices.Sort(c.times)
	return row + fmt.Sprintf(" %.0f | %.1f | %.1f | %.2f |", float64((sent-before)*receivers)/took.Seconds(),
		percentile(c.times, .5), percentile(c.times, .99), cpu.Seconds()/took.Seconds()), nil
}

// pace sends frames of so many lines, so many messages a second, and waits for
// nothing.
func (b *chatBench) pace(from *chatSocket, conv string, lines int, perSecond float64, sent *int) error {
	begun, start := time.Now(), *sent
	for time.Since(begun) < b.each {
		time.Sleep(time.Duration(float64(*sent-start+lines)/perSecond*float64(time.Second)) - time.Since(begun))
		if err := from.write(messages(conv, fmt.Sprintf("paced-%d", *sent), lines, time.Now())); err != nil {
			return err
		}
		*sent += lines
	}
	return nil
}

// ignore takes what comes, so that the chat need not wait.
func (s *chatSocket) ignore() {
	for {
		if _, err := s.read(); err != nil {
			return
		}
	}
}
