package main

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
)

type idleStart = func(ctx context.Context, b *bench, i *idler) (pid int, open func(i int) (net.Conn, error), stop func(), err error)

// patient keeps a listener's connections while nothing happens on them.
const patient = "  timeouts { idle = \"1h\" }\n"

func idleOwn(name string, dial func(string) (net.Conn, error)) idleStart {
	return func(ctx context.Context, b *bench, i *idler) (int, func(int) (net.Conn, error), func(), error) {
		c, err := writeCertificate(b.dir)
		if err != nil {
			return 0, nil, nil, err
		}
		p, err := startPortico(ctx, b, fmt.Sprintf("service \"respond\" \"kib\" { body = %q }\nservice \"echo\" \"raw\" {}\n", answer)+
			listener("direct", "respond.kib", patient)+
			listener("split", "respond.kib", patient, sshRoute)+
			listener("direct-tls", "respond.kib", patient, c.hcl()))
		if err != nil {
			return 0, nil, nil, err
		}
		i.spare = p.spare
		return p.pid(), asked(dial, p.addrs[name]), p.stop, nil
	}
}

func idleNginx(secure bool) idleStart {
	return func(ctx context.Context, b *bench, i *idler) (int, func(int) (net.Conn, error), func(), error) {
		c, err := writeCertificate(b.dir)
		if err != nil {
			return 0, nil, nil, err
		}
		addrs, err := freeAddrs(2)
		if err != nil {
			return 0, nil, nil, err
		}
		s, err := startNginx(ctx, b, addrs[0], nginxAnswers(addrs[0], addrs[1], answer, c), "")
		if err != nil {
			return 0, nil, nil, err
		}
		if secure {
			return s.pid(), asked(dialTLS, addrs[1]), s.stop, nil
		}
		return s.pid(), asked(dialPlain, addrs[0]), s.stop, nil
	}
}

func idleBare(ctx context.Context, _ *bench, _ *idler) (int, func(int) (net.Conn, error), func(), error) {
	addrs, err := freeAddrs(1)
	if err != nil {
		return 0, nil, nil, err
	}
	s, err := startBare(ctx, addrs[0])
	if err != nil {
		return 0, nil, nil, err
	}
	return s.pid(), asked(dialPlain, addrs[0]), s.stop, nil
}

func idleChat(secure bool) idleStart {
	return func(ctx context.Context, b *bench, i *idler) (int, func(int) (net.Conn, error), func(), error) {
		c, err := startChat(ctx, b)
		if err != nil {
			return 0, nil, nil, err
		}
		dial := c.dial
		if secure {
			dial = c.dialTLS
		}
		i.spare = c.spare
		return c.pid(), func(i int) (net.Conn, error) {
			s, err := dial(i % chatPeople)
			if err != nil {
				return nil, err
			}
			return s.conn, nil // the client's buffer is not kept
		}, c.stop, nil
	}
}

func idleProsody(secure bool) idleStart {
	return func(ctx context.Context, b *bench, i *idler) (int, func(int) (net.Conn, error), func(), error) {
		p, err := startProsody(ctx, b)
		if err != nil {
			return 0, nil, nil, err
		}
		var next atomic.Int64 // two of one name and resource are one
		return p.pid(), func(i int) (net.Conn, error) {
			s, err := p.dial(i%chatPeople, fmt.Sprintf("i%d", next.Add(1)), secure)
			if err != nil {
				return nil, err
			}
			return s.conn, nil
		}, p.stop, nil
	}
}
