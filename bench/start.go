package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// listenerCounts are how many listeners a file has; the last is what the aim asks
// for.
var listenerCounts = []int{1, 10, 100, 1000}

// listenersConfig has every address answer the same text.
func listenersConfig(addrs []string, text string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "service \"respond\" \"a\" { body = %q }\n", text)
	for i, addr := range addrs {
		fmt.Fprintf(&b, "listener \"l%d\" {\n  address = %q\n  service = service.respond.a\n}\n", i, addr)
	}
	return b.String()
}

// nginxListeners is the same for nginx.
func nginxListeners(addrs []string, text string) string {
	var b strings.Builder
	b.WriteString("  server {\n")
	for _, addr := range addrs {
		fmt.Fprintf(&b, "    listen %s;\n", addr)
	}
	fmt.Fprintf(&b, "    location / { return 200 %q; }\n  }\n", text)
	return b.String()
}

func startTakes(b *bench) time.Duration {
	return time.Duration(b.rounds) * 6 * time.Second
}

// A startSample is what one start and its reloads took, in ms; memory in MiB.
type startSample struct{ first, reload, own, waited, memory float64 }

// runStart times from the start of the process to the first answer at the last
// listener, and from SIGHUP to the first answer of the new file there.
func runStart(ctx context.Context, b *bench, r *report) error {
	t := newTable("listeners", "server", "start to the first answer, ms", "beside nginx", "SIGHUP to the first new answer, ms", "beside nginx", "reload as the daemon measures it, ms", "as the caller on the admin socket waits, ms", "resident memory, MiB")
	starts := &chart{title: "Start to the first answer at the last listener, ms"}
	reloads := &chart{title: "SIGHUP to the first new answer at the last listener, ms"}
	for _, n := range listenerCounts {
		var own, peer []startSample
		for range b.rounds {
			p, err := timeNginx(ctx, b, n)
			if err != nil {
				return fmt.Errorf("nginx, %d listeners: %w", n, err)
			}
			o, err := timePortico(ctx, b, n)
			if err != nil {
				return fmt.Errorf("portico, %d listeners: %w", n, err)
			}
			own, peer = append(own, o), append(peer, p)
		}
		first := func(s startSample) float64 { return s.first }
		reload := func(s startSample) float64 { return s.reload }
		memory := func(s startSample) float64 { return s.memory }
		waited := pluck(own, func(s startSample) float64 { return s.waited })
		t.add(fmt.Sprint(n), "nginx", pluck(peer, first).String(), "", pluck(peer, reload).String(), "", "", "", number(pluck(peer, memory).median()))
		t.add(fmt.Sprint(n), "**portico**", pluck(own, first).String(), pluck(own, first).beside(pluck(peer, first)).String(),
			pluck(own, reload).String(), pluck(own, reload).beside(pluck(peer, reload)).String(),
			pluck(own, func(s startSample) float64 { return s.own }).String(), waited.String(), number(pluck(own, memory).median()))
		group := plural(n, "listener")
		starts.add(group, "portico", pluck(own, first), false)
		starts.add(group, "nginx", pluck(peer, first), true)
		reloads.add(group, "portico", pluck(own, reload), false)
		reloads.add(group, "nginx", pluck(peer, reload), true)
		if n == listenerCounts[len(listenerCounts)-1] {
			r.reach("reload", "as the caller on the admin socket waits", waited)
		}
	}
	r.table(t)
	r.plot("start", starts)
	r.plot("reload", reloads)
	return nil
}

func pluck[T any](in []T, f func(T) float64) (out series) {
	for _, s := range in {
		out = append(out, f(s))
	}
	return out
}

func timePortico(ctx context.Context, b *bench, n int) (s startSample, err error) {
	addrs, err := freeAddrs(n)
	if err != nil {
		return s, err
	}
	last := addrs[n-1]
	dir, err := os.MkdirTemp(b.dir, "portico-")
	if err != nil {
		return s, err
	}
	p := &portico{bin: b.bin, dir: dir}
	if err := p.configure(listenersConfig(addrs, "one")); err != nil {
		return s, err
	}
	begun := time.Now()
	if p.server, err = launch(ctx, nil, b.bin, "run", p.file()); err != nil {
		return s, err
	}
	defer p.stop()
	if s.first, err = untilAnswer(ctx, last, "one", begun); err != nil {
		return s, fmt.Errorf("%w: %s", err, p.log)
	}
	if err := p.untilReady(ctx); err != nil { // what follows times a reload alone
		return s, err
	}
	s.memory = rss(p.pid()) / 1024
	if err := p.configure(listenersConfig(addrs, "two")); err != nil {
		return s, err
	}
	begun = time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return s, err
	}
	if s.reload, err = untilAnswer(ctx, last, "two", begun); err != nil {
		return s, fmt.Errorf("%w: %s", err, p.log)
	}
	if err := p.configure(listenersConfig(addrs, "three")); err != nil {
		return s, err
	}
	begun = time.Now()
	own, err := p.reload()
	s.own, s.waited = ms(own), ms(time.Since(begun))
	return s, err
}

func timeNginx(ctx context.Context, b *bench, n int) (s startSample, err error) {
	addrs, err := freeAddrs(n)
	if err != nil {
		return s, err
	}
	last := addrs[n-1]
	dir, file, err := nginxConfig(b.dir, nginxListeners(addrs, "one"), "")
	if err != nil {
		return s, err
	}
	begun := time.Now()
	nginx, err := launch(ctx, nil, "nginx", "-p", dir, "-c", file, "-g", "daemon off;")
	if err != nil {
		return s, err
	}
	defer nginx.stop()
	if s.first, err = untilAnswer(ctx, last, "one", begun); err != nil {
		return s, fmt.Errorf("%w: %s", err, nginx.log)
	}
	s.memory = rss(nginx.pid()) / 1024
	if err := writeNginx(dir, file, nginxListeners(addrs, "two"), ""); err != nil {
		return s, err
	}
	begun = time.Now()
	if err := nginx.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return s, err
	}
	s.reload, err = untilAnswer(ctx, last, "two", begun)
	return s, err
}

// untilAnswer asks, with a connection for each time, until the answer is text, and
// returns the milliseconds since begun.
func untilAnswer(ctx context.Context, addr, text string, begun time.Time) (float64, error) {
	tr := &http.Transport{DisableKeepAlives: true}
	c := http.Client{Transport: tr, Timeout: time.Second}
	var got string
	for time.Since(begun) < startPatience && ctx.Err() == nil {
		res, err := c.Get("http://" + addr + "/")
		if err != nil {
			got = err.Error()
			time.Sleep(500 * time.Microsecond)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got = string(body); got == text {
			return ms(time.Since(begun)), nil
		}
	}
	return 0, fmt.Errorf("%s did not answer %q within %s, but %q", addr, text, startPatience, got)
}
