package daemon

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/front"
	"github.com/porticod/portico/pkg/guard"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/route"
	"github.com/porticod/portico/pkg/service"
)

// sameListener reports whether two listener blocks mean the same, wherever in
// the files they stand.
func sameListener(a, b config.Listener) bool {
	return reflect.DeepEqual(withoutRanges(a), withoutRanges(b))
}

func withoutRanges(l config.Listener) config.Listener {
	l.Range = hcl.Range{}
	routes := make([]config.Route, len(l.Routes))
	for i, r := range l.Routes {
		r.Range = hcl.Range{}
		routes[i] = r
	}
	l.Routes = routes
	return l
}

// table builds a listener's routing table over the instances of one generation.
func (d *Daemon) table(l *listener, cfg config.Listener, services map[service.Ref]*instance) *route.Table {
	t := &route.Table{TLS: cfg.TLS != nil, ACME: cfg.TLS != nil && cfg.TLS.ACME != nil}
	for i, r := range cfg.Routes {
		target := d.target(l, fmt.Sprintf("route%d", i+1), services[r.Service])
		target.Guard = guard.New(guardOptions(r.Guard))
		t.Rules = append(t.Rules, route.Rule{
			Protocols: r.Protocols, Hosts: r.Hosts, Paths: r.Paths, SNI: r.SNI, ALPN: r.ALPN, From: r.From, Target: target,
		})
	}
	if cfg.Service != nil {
		g := d.target(l, "default", services[*cfg.Service])
		t.Default = &g
	}
	return t
}

// guardOptions are what a route asks of requests.
func guardOptions(g config.Guard) (o guard.Options) {
	if g.Users != nil {
		o.Basic = &guard.Basic{Realm: g.Realm, Users: map[string]string{}}
		for name, password := range g.Users {
			o.Basic.Users[name] = password.Reveal()
		}
	}
	if g.Forward != nil {
		f := guard.Forward(*g.Forward)
		o.Forward = &f
	}
	if g.CORS != nil {
		c := guard.CORS(*g.CORS)
		o.CORS = &c
	}
	o.Headers, o.Security = g.Headers, g.Security
	return o
}

func (d *Daemon) target(l *listener, label string, in *instance) route.Target {
	name := in.ref.String()
	g := route.Target{Label: label, Service: name, Extra: d.requests.Counters(l.name, label, name)}
	if in.ability.Has(service.HTTP) {
		g.HTTP = in.serveHTTP
	}
	if in.ability.Has(service.Raw) {
		g.Raw = func(ctx context.Context, c net.Conn) { d.serveRaw(ctx, l, label, in, c) }
	}
	return g
}

// serveRaw hands a connection to in, or to what took its place in the table
// while the connection was on its way.
func (d *Daemon) serveRaw(ctx context.Context, l *listener, label string, in *instance, c net.Conn) {
	start := time.Now()
	name := in.ref.String()
	conn := mux.FromContext(ctx)
	if conn != nil {
		conn.SetService(name)
	}
	if !in.serveConn(ctx, c) {
		l.rechoose(ctx, c)
		return
	}
	access := d.access.Load()
	if access == nil {
		return
	}
	e := accesslog.Entry{Listener: l.name, Route: label, Service: name, Peer: peerOf(c).String(), Start: start, Duration: time.Since(start)}
	if conn != nil {
		e.BytesIn, e.BytesOut = conn.Bytes()
	}
	access.Write(&e)
}

// packets hands the packets of one peer to the default service.
func (d *Daemon) packets(l *listener, cfg config.Listener, services map[service.Ref]*instance) func(context.Context, net.Conn) {
	if cfg.Service == nil || !services[*cfg.Service].ability.Has(service.Packets) {
		return nil
	}
	in := services[*cfg.Service]
	name := in.ref.String()
	return func(ctx context.Context, c net.Conn) {
		start := time.Now()
		peer := c.RemoteAddr().String()
		mux.NameSession(ctx, name)
		if !in.servePackets(ctx, c) {
			_ = c.Close() // retired just now: the peer's next packet finds what took its place
			return
		}
		d.access.Load().Write(&accesslog.Entry{
			Listener: l.name, Route: "default", Service: name, Peer: peer, Proto: "udp", Start: start, Duration: time.Since(start),
		})
	}
}

// rechoose looks up the present generation's choice for a connection whose
// instance was retired between the choice and the call. It comes to an end: an
// instance is retired only after it left the table.
func (l *listener) rechoose(ctx context.Context, c net.Conn) {
	if t, conn := l.table.Load(), mux.FromContext(ctx); t != nil && conn != nil {
		if choice := t.Conn(peerOf(c), conn.Verdict()); choice.Raw != nil {
			choice.Raw(ctx, c)
			return
		}
	}
	_ = c.Close()
}

// peerOf is the address of the client, after a PROXY header; invalid for unix
// sockets.
func peerOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// policy is what the listener's port does in this generation.
func (d *Daemon) policy(cfg config.Listener, t *route.Table, f *front.Front, packets func(context.Context, net.Conn), tc *tls.Config) mux.Policy {
	return mux.Policy{
		Listener: cfg.Name,
		Look:     t.Look(),
		Choose:   func(c *mux.Conn, v mux.Verdict) mux.Choice { return t.Conn(peerOf(c), v) },
		HTTP:     f,
		Packets:  packets,

		TLS: tc, RedirectHTTP: cfg.TLS != nil && cfg.TLS.Redirect,
		HTTP3: cfg.HTTP3, AltSvc: d.altSvc(cfg),

		DetectTimeout: cfg.Detect.Timeout, SilentClose: closesSilent(cfg, t),
		ProxyFrom: cfg.ProxyFrom, Allow: cfg.Allow, Deny: cfg.Deny,
		MaxConns: cfg.Limits.Connections, PerIP: cfg.Limits.PerIP, Rate: cfg.Limits.Rate, Budget: &d.budget,
		Handshakes: cfg.Limits.Handshakes, Pace: pace(cfg, f),
		Front: mux.Front{
			HeaderTimeout: cfg.Timeouts.Header, IdleTimeout: cfg.Timeouts.Idle,
			ReadTimeout: cfg.Timeouts.Read, WriteTimeout: cfg.Timeouts.Write,
			MaxHeader: int(cfg.Limits.Header), MinRate: int64(cfg.Timeouts.MinRate),
		},
	}
}

// pace slows raw connections as the front slows answers; nil: it does not.
func pace(cfg config.Listener, f *front.Front) func(netip.Addr, int) time.Duration {
	if cfg.Limits.Bytes == 0 {
		return nil // so that bytes may go past us
	}
	return f.Pace
}

// closesSilent: without a word in the config, a silent client is handed to the
// default service only where that is raw, as servers that speak first are.
func closesSilent(cfg config.Listener, t *route.Table) bool {
	switch cfg.Detect.Silent {
	case "default":
		return false
	case "close":
		return true
	}
	return t.Default == nil || t.Default.HTTP != nil
}

// settings is what the listener's front does in this generation.
func (d *Daemon) settings(cfg config.Listener, t *route.Table) *front.Settings {
	return &front.Settings{
		Challenge: d.serveChallenge, Full: d.memory.Full,
		Listener: cfg.Name, Table: t, TrustedProxies: cfg.TrustedProxies,
		MaxBody: int64(cfg.Limits.Body), WriteTimeout: cfg.Timeouts.Write, MinRate: int64(cfg.Timeouts.MinRate),
		Requests: cfg.Limits.Requests, Burst: cfg.Limits.Burst, Bytes: int64(cfg.Limits.Bytes), Limited: d.requests.Limited(cfg.Name),
	}
}
