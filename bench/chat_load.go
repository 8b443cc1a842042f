package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// padding makes a text of about a hundred bytes.
var padding = strings.Repeat("x", 80)

// senderCounts are how many send at once, each a message at a time and 64.
var senderCounts = []int{1, 16, 256}

// measureSends counts acknowledgements: everybody sends a frame and waits for
// all that it holds, in a conversation of his own with somebody who is away.
func (c *chatBench) measureSends(ctx context.Context, r *report) error {
	t := newTable("senders", "messages a frame", "acknowledged a second, after the fsync", "p50, ms", "p99, ms", "server CPU s a second", "acknowledged for each CPU second")
	acks := &chart{title: "Messages acknowledged a second, after the fsync"}
	for _, senders := range senderCounts {
		convs := make([]string, senders)
		sockets := make([]*chatSocket, senders)
		for i := range sockets {
			var err error
			if convs[i], err = c.create(i, map[string]string{"kind": "direct", "with": c.names[chatPeople-1]}); err != nil {
				return err
			}
			if sockets[i], err = c.dial(i); err != nil {
				return err
			}
		}
		for _, lines := range []int{1, 64} {
			var rate, p50, p99, use, perCPU series
			for range c.rounds {
				times, took, cpu, err := c.sendAll(sockets, convs, lines)
				if err != nil {
					return fmt.Errorf("%d senders: %w", senders, firstOf(context.Cause(ctx), err))
				}
				n := float64(len(times) * lines)
				rate, use, perCPU = append(rate, n/took.Seconds()), append(use, cpu.Seconds()/took.Seconds()), append(perCPU, n/cpu.Seconds())
				p50, p99 = append(p50, percentile(times, .5)), append(p99, percentile(times, .99))
			}
			t.add(fmt.Sprint(senders), fmt.Sprint(lines), rate.String(), p50.String(), p99.String(), use.String(), perCPU.String())
			acks.add(plural(lines, "message")+" a frame", plural(senders, "sender"), rate, false)
		}
		closeAll(sockets)
	}
	r.table(t)
	slices.SortStableFunc(acks.bars, func(a, b bar) int { return strings.Compare(a.group, b.group) })
	r.plot("sends", acks)
	return nil
}

// sendAll has everybody send for a while and returns how long each frame waited.
func (c *chatBench) sendAll(sockets []*chatSocket, convs []string, lines int) (times []time.Duration, took, cpu time.Duration, err error) {
	var mu sync.Mutex
	took, cpu, err = measured(c.pid(), func() error {
		var g errgroup.Group
		for i, s := range sockets {
			g.Go(func() error {
				t, err := s.sendFor(c.each, convs[i], lines)
				mu.Lock()
				times = append(times, t...)
				mu.Unlock()
				return err
			})
		}
		return g.Wait()
	})
	slices.Sort(times)
	return times, took, cpu, err
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
