package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// frontPeers are what stands in front of one server, with portico, in the parts
// split, proxy, relay and growth.
var frontPeers = []string{"wrk", "nginx", "haproxy", "sslh-select"}

// streamSize is what is moved in one answer where CPU time is counted for each GB.
func streamSize(b *bench) int64 { return pick[int64](b, 1<<30, 1<<28) }

// fronts are relays and proxies before the same server.
type fronts struct {
	servers
	portico *portico
	by      map[string]runner
}

// startFronts starts the server, which is an nginx, and everything before it.
func startFronts(ctx context.Context, b *bench) (f fronts, err error) {
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	f.by = map[string]runner{}
	addrs, err := freeAddrs(8)
	if err != nil {
		return f, err
	}
	backend := addrs[0]
	add := func(s *server, serr error, names map[string]string, peers map[string]string) {
		if serr != nil || err != nil {
			err = firstOf(err, serr)
			return
		}
		f.servers = append(f.servers, s)
		for name, addr := range names {
			f.by[name] = runner{name: name, pid: s.pid(), url: "http://" + addr, peer: peers[name]}
		}
	}
	root, err := writeRoot(b)
	if err != nil {
		return f, err
	}
	c, err := writeCertificate(b.dir)
	if err != nil {
		return f, err
	}
	s, serr := startNginx(ctx, b, backend, nginxFiles(backend, addrs[7], root, c), "")
	add(s, serr, map[string]string{"direct": backend}, nil)
	s, serr = startNginx(ctx, b, addrs[2], nginxProxy(addrs[1], backend), nginxRelay(addrs[2], backend))
	add(s, serr, map[string]string{"nginx http": addrs[1], "nginx stream": addrs[2]}, nil)
	s, serr = startHAProxy(ctx, b, addrs[5], haproxyFronts(addrs[3], addrs[4], addrs[5], backend))
	add(s, serr, map[string]string{"HAProxy http": addrs[3], "HAProxy tcp": addrs[4], "HAProxy tcp after a split": addrs[5]}, nil)
	s, serr = startSSLH(ctx, addrs[6], backend)
	add(s, serr, map[string]string{"sslh": addrs[6]}, map[string]string{"sslh": "HAProxy tcp after a split"})
	if err != nil {
		return f, err
	}
	if f.portico, err = startPortico(ctx, b, frontsConfig(backend)); err != nil {
		return f, err
	}
	f.servers = append(f.servers, f.portico.server)
	for name, l := range map[string]struct{ listener, peer string }{
		"portico proxy":                 {"http", "nginx http"},
		"portico tcp":                   {"tcp", "HAProxy tcp"},
		"portico tcp after a split":     {"tcp-split", "HAProxy tcp after a split"},
		"portico respond":               {"direct", ""},
		"portico respond after a split": {"split", "portico respond"},
	} {
		f.by[name] = runner{name: name, pid: f.portico.pid(), portico: f.portico, url: "http://" + f.portico.addrs[l.listener], peer: l.peer}
	}
	return f, nil
}

func frontsConfig(backend string) string {
	return fmt.Sprintf("service \"proxy\" \"p\" { upstreams = [\"http://%[1]s\"] }\nservice \"tcp\" \"t\" { upstreams = [%[1]q] }\nservice \"respond\" \"kib\" { body = %[2]q }\nservice \"echo\" \"raw\" {}\n", backend, answer) +
		listener("http", "proxy.p") + listener("tcp", "tcp.t") + listener("tcp-split", "tcp.t", sshRoute) +
		listener("direct", "respond.kib") + listener("split", "respond.kib", sshRoute)
}

// writeRoot makes the files that the server behind has.
func writeRoot(b *bench) (string, error) {
	root := filepath.Join(b.dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	for name, size := range map[string]int64{"1k": 1 << 10, "100k": 100 << 10, "stream": streamSize(b)} {
		file := filepath.Join(root, name)
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			return "", err
		}
		if err := os.Truncate(file, size); err != nil {
			return "", err
		}
	}
	return root, nil
}

// of are the runners of these names.
func (f fronts) of(names ...string) (runners []runner) {
	for _, name := range names {
		runners = append(runners, f.by[name])
	}
	return runners
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A frontRow is a load of proxies and relays.
type frontRow struct {
	title, path string
	load        load
}

// frontRows are all of them; the short form is without the last.
func frontRows(b *bench) []frontRow {
	rows := []frontRow{
		{"1 KiB, keep-alive", "/1k", load{}},
		{"100 KiB, keep-alive", "/100k", load{}},
		{"1 KiB, a connection for each", "/1k", closing},
		{"100 KiB, a connection for each", "/100k", closing},
	}
	return pick(b, rows, rows[:3])
}

// streamTakes is how long moving one large answer through n runners takes.
func (b *bench) streamTakes(n int) time.Duration {
	return time.Duration(n*b.rounds) * pick(b, time.Second, 300*time.Millisecond)
}
