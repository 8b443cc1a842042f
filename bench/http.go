package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// answer is what every server of this part answers: 1 KiB.
var answer = strings.Repeat("x", 1024)

// httpConfig has the same text on a port that one service has for itself, on one
// that is split, and on both by TLS.
func httpConfig(c certificate) string {
	return fmt.Sprintf("service \"respond\" \"kib\" { body = %q }\nservice \"echo\" \"raw\" {}\n", answer) +
		listener("direct", "respond.kib") +
		listener("split", "respond.kib", sshRoute) +
		listener("direct-tls", "respond.kib", c.hcl()) +
		listener("split-tls", "respond.kib", sshRoute, c.hcl())
}

// answerers are servers that answer everything with the same text.
type answerers struct {
	servers
	portico    *portico
	plain, tls []runner
}

func startAnswerers(ctx context.Context, b *bench) (a answerers, err error) {
	defer func() {
		if err != nil {
			a.stop()
		}
	}()
	addrs, err := freeAddrs(4)
	if err != nil {
		return a, err
	}
	c, err := writeCertificate(b.dir)
	if err != nil {
		return a, err
	}
	bare, err := startBare(ctx, addrs[0])
	if err != nil {
		return a, err
	}
	a.servers = append(a.servers, bare)
	nginx, err := startNginx(ctx, b, addrs[1], nginxAnswers(addrs[1], addrs[2], answer, c), "")
	if err != nil {
		return a, err
	}
	a.servers = append(a.servers, nginx)
	haproxy, err := startHAProxy(ctx, b, addrs[3], haproxyAnswers(addrs[3], answer))
	if err != nil {
		return a, err
	}
	a.servers = append(a.servers, haproxy)
	p, err := startPortico(ctx, b, httpConfig(c))
	if err != nil {
		return a, err
	}
	a.servers, a.portico = append(a.servers, p.server), p
	own := func(name, scheme string) runner {
		return runner{name: "portico, " + name, pid: p.pid(), portico: p, url: scheme + "://" + p.addrs[name] + "/", peer: "nginx"}
	}
	a.plain = []runner{
		{name: "bare net/http", pid: bare.pid(), url: "http://" + addrs[0] + "/", peer: "nginx"},
		{name: "nginx", pid: nginx.pid(), url: "http://" + addrs[1] + "/"},
		{name: "HAProxy", pid: haproxy.pid(), url: "http://" + addrs[3] + "/", peer: "nginx"},
		own("direct", "http"), own("split", "http"),
	}
	a.tls = []runner{
		{name: "nginx", pid: nginx.pid(), url: "https://" + addrs[2] + "/"},
		own("direct-tls", "https"), own("split-tls", "https"),
	}
	return a, nil
}

func httpTakes(b *bench) time.Duration { return 2*time.Second + b.turns(16) }

// runHTTP counts requests and new connections.
func runHTTP(ctx context.Context, b *bench, r *report) error {
	a, err := startAnswerers(ctx, b)
	if err != nil {
		return err
	}
	defer a.stop()
	beside := &chart{title: "Requests and connections a second, beside nginx", marks: []mark{{1, "nginx"}}}
	for _, row := range []struct {
		title, unit, direct string
		runners             []runner
		load                load
	}{
		{"1 KiB, keep-alive", "requests", "portico, direct", a.plain, load{}},
		{"1 KiB, a connection for each", "connections", "portico, direct", a.plain, closing},
		{"1 KiB, keep-alive, TLS 1.3", "requests", "portico, direct-tls", a.tls, load{}},
		{"1 KiB, a connection and a handshake for each, TLS 1.3", "connections", "portico, direct-tls", a.tls, closing},
	} {
		c, err := b.compete(ctx, row.title, drive(row.runners, row.load))
		if err != nil {
			return fmt.Errorf("%w: %s", err, a.portico.log)
		}
		peers := []string{"nginx", row.direct}
		if row.runners[0].name != "nginx" {
			peers = append(peers, "bare net/http")
		}
		r.table(c.table(row.unit, peers...))
		c.bars(beside)
	}
	r.plot("rates", beside)
	return nil
}
