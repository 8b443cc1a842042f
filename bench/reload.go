package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The load of this part: requests at a fixed pace, from so many clients, a
// quarter of them over new connections.
const (
	pacedClients = 8
	pacedRate    = 800 // a second, all clients together
	reloadEvery  = time.Second
)

// reloadEach is how long a phase takes.
func reloadEach(b *bench) time.Duration { return pick(b, 5*time.Second, 2*time.Second) }

func reloadTakes(b *bench) time.Duration {
	return 3*time.Second + time.Duration(4*b.rounds)*reloadEach(b)
}

// A reloader is a server with 1,000 listeners.
type reloader struct {
	*server
	addrs  []string
	change func(text string) error // writes the file with another answer, and has it loaded
}

// runReload has requests go on at a fixed pace, with a reload each second and
// without, in turn.
func runReload(ctx context.Context, b *bench, r *report) error {
	n := listenerCounts[len(listenerCounts)-1]
	own, err := startOwnReloader(ctx, b, n)
	if err != nil {
		return err
	}
	defer own.stop()
	peer, err := startNginxReloader(ctx, b, n)
	if err != nil {
		return err
	}
	defer peer.stop()
	phases := []struct {
		name    string
		server  *reloader
		reloads bool
	}{
		{"nginx", peer, false},
		{"nginx, a reload each second", peer, true},
		{"portico", own, false},
		{"portico, a reload each second", own, true},
	}
	results := map[string][]pacedResult{}
	for range b.rounds {
		for _, p := range phases {
			res, err := p.server.paced(ctx, reloadEach(b), p.reloads)
			if err != nil {
				return fmt.Errorf("%s: %w: %s", p.name, err, p.server.log)
			}
			results[p.name] = append(results[p.name], res)
		}
	}
	p99 := func(name string) series { return pluck(results[name], func(p pacedResult) float64 { return p.p99 }) }
	failed := func(name string) series { return pluck(results[name], func(p pacedResult) float64 { return p.failed }) }
	t := newTable(fmt.Sprintf("%d requests a second, %d listeners", pacedRate, n), "p50, ms", "p99, ms", "p99 beside without reloads", "longest, ms", "failed")
	tails := &chart{title: fmt.Sprintf("p99 of requests while %d listeners are reloaded, ms", n)}
	for _, p := range phases {
		beside := ""
		if p.reloads {
			beside = p99(p.name).beside(p99(p.name[:len(p.name)-len(", a reload each second")])).String()
		}
		t.add(p.name, pluck(results[p.name], func(p pacedResult) float64 { return p.p50 }).String(), p99(p.name).String(), beside,
			pluck(results[p.name], func(p pacedResult) float64 { return p.longest }).String(), number(slices.Max(failed(p.name))))
		tails.add("", p.name, p99(p.name), p.server == peer)
	}
	r.table(t)
	r.plot("p99", tails)
	r.reach("reload-p99", "", p99("portico, a reload each second").beside(p99("portico")))
	r.reach("reload-failed", "", failed("portico, a reload each second"))
	return nil
}

func startOwnReloader(ctx context.Context, b *bench, n int) (*reloader, error) {
	addrs, err := freeAddrs(n)
	if err != nil {
		return nil, err
	}
	p, err := startPortico(ctx, b, listenersConfig(addrs, "one"))
	if err != nil {
		return nil, err
	}
	return &reloader{server: p.server, addrs: addrs, change: func(text string) error {
		if err := p.configure(listenersConfig(addrs, text)); err != nil {
			return err
		}
		_, err := p.reload()
		return err
	}}, nil
}

func startNginxReloader(ctx context.Context, b *bench, n int) (*reloader, error) {
	addrs, err := freeAddrs(n)
	if err != nil {
		return nil, err
	}
	dir, file, err := nginxConfig(b.dir, nginxListeners(addrs, "one"), "")
	if err != nil {
		return nil, err
	}
	s, err := spawn(ctx, addrs[n-1], "nginx", "-p", dir, "-c", file, "-g", "daemon off;")
	if err != nil {
		return nil, err
	}
	return &reloader{server: s, addrs: addrs, change: func(text string) error {
		return errors.Join(writeNginx(dir, file, nginxListeners(addrs, text), ""), s.cmd.Process.Signal(syscall.SIGHUP))
	}}, nil
}

// A pacedResult is what requests at a fixed pace took, in ms.
type pacedResult struct{ p50, p99, longest, failed float64 }

// paced sends requests at their times, whatever became of those before, and
// counts from the time that each was due.
func (s *reloader) paced(ctx context.Context, d time.Duration, reloads bool) (pacedResult, error) {
	begun := time.Now()
	changed := make(chan error, 1)
	go func() { changed <- s.keepChanging(ctx, begun, d, reloads) }()
	var mu sync.Mutex
	var times []time.Duration
	failures := 0
	var clients sync.WaitGroup
	for i := range pacedClients {
		clients.Go(func() {
			c := pacedClient{addr: s.addrs[i*len(s.addrs)/pacedClients]}
			defer c.close()
			t, failed := c.run(ctx, begun.Add(time.Duration(i)*time.Second/pacedRate), d)
			mu.Lock()
			defer mu.Unlock()
			times, failures = append(times, t...), failures+failed
		})
	}
	clients.Wait()
	err := <-changed
	if err == nil {
		err = context.Cause(ctx)
	}
	slices.Sort(times)
	return pacedResult{percentile(times, .5), percentile(times, .99), percentile(times, 1), float64(failures)}, err
}

// keepChanging reloads each second, the first time after half of one.
func (s *reloader) keepChanging(ctx context.Context, begun time.Time, d time.Duration, reloads bool) error {
	for i := 0; reloads; i++ {
		at := time.Duration(i)*reloadEvery + reloadEvery/2
		if at >= d {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(begun.Add(at))):
		}
		if err := s.change(fmt.Sprintf("%d", time.Now().UnixNano())); err != nil {
			return err
		}
	}
	return nil
}
