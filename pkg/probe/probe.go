// Package probe makes a real request through every port of a config, the way a
// client would, and says what came of it. It needs nothing from the daemon but
// the ports that the kernel picked.
package probe

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
)

// DefaultTimeout bounds one check, from the first packet on.
const DefaultTimeout = 5 * time.Second

// parallel bounds how many checks are under way at a time.
const parallel = 32

// A Check is one request to make: through one address of one listener to one of
// the services behind it.
type Check struct {
	Listener string
	Route    string // "default", or the route's number and conditions
	Service  string // kind.name
	Probe    service.Probe

	Network, Address string // to dial: tcp or unix
	Name             string // name to ask for: Host and SNI; empty: the address
	Path             string // of HTTP requests
	TLS              bool   // portico terminates TLS
	HTTP2            bool   // prior knowledge
	ALPN             []string
	Proxy            bool   // the port wants a PROXY header first
	Opening          string // a protocol whose first bytes are sent before a raw probe: ssh, tls, ...
	Loose            bool   // any answer counts, because the probe is not the service's own

	Skip    string // why it cannot be made from here; empty: it can
	Unknown string // why nobody knows where to; empty: somebody does
}

// A Result is what came of a Check.
type Result struct {
	Listener string        `json:"listener"`
	Address  string        `json:"address"`
	Route    string        `json:"route"`
	Service  string        `json:"service"`
	Probe    string        `json:"probe"`
	OK       bool          `json:"ok"`
	Skipped  bool          `json:"skipped,omitempty"`
	Result   string        `json:"result"`           // what was answered, or what went wrong
	Remedy   string        `json:"remedy,omitempty"` // what to do about it, where it failed
	Latency  time.Duration `json:"latency_ns"`
	Curl     string        `json:"curl"` // a command line that does the same
}

// Bound tells where a listener's addresses are bound, in the order of the
// config. Without it a port 0 cannot be checked.
type Bound map[string][]string

// Checks lists what to check in cfg, listener by listener. names picks
// listeners; none means all.
func Checks(cfg *config.Config, bound Bound, names []string) []Check {
	specs := map[service.Ref]service.Spec{}
	for _, s := range cfg.Services {
		specs[s.Ref()] = s
	}
	var all []Check
	for _, l := range cfg.Listeners {
		if len(names) > 0 && !slices.Contains(names, l.Name) {
			continue
		}
		for i, a := range l.Addresses {
			base := Check{Listener: l.Name, TLS: l.TLS != nil}
			base.place(l, a, at(bound[l.Name], i))
			for n, r := range l.Routes {
				all = append(all, base.route(n, r, specs[r.Service]))
			}
			if l.Service != nil {
				all = append(all, base.fallback(specs[*l.Service]).past(l.Routes))
			}
		}
	}
	return all
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// place finds out how to reach the address, and whether that can work at all.
func (c *Check) place(l config.Listener, a config.Address, bound string) {
	c.Network = a.Network
	if a.Network == "unix" {
		c.Address = a.Host
		return
	}
	if a.Network == "udp" {
		c.Address, c.Skip = a.String(), "packets need not be answered, so nothing can be told from here"
		return
	}
	port := a.Port
	if _, p, err := net.SplitHostPort(bound); err == nil {
		port, _ = strconv.Atoi(p)
	}
	ip := reachable(a.Host)
	c.Address = net.JoinHostPort(ip.String(), strconv.Itoa(port))
	c.Proxy = within(l.ProxyFrom, ip)
	switch {
	case port == 0:
		c.Unknown = "the port is picked at start, and no daemon runs that has this listener"
	case within(l.Deny, ip), len(l.Allow) > 0 && !within(l.Allow, ip):
		c.Skip = "the listener's allow and deny lists do not let this machine in"
	}
}

// reachable is the address to dial for a host as configured. From there a
// request comes from the same address.
func reachable(host string) netip.Addr {
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case ip.IsUnspecified() && ip.Is6():
		return netip.IPv6Loopback()
	case ip.IsUnspecified():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return ip
}

func within(list []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) || p.Contains(ip) })
}

// fallback checks the listener's default service.
func (c Check) fallback(s service.Spec) Check {
	c.Route, c.Service, c.Probe = "default", s.Ref().String(), s.Probe()
	c.Path = c.Probe.Path
	if c.TLS && s.Kind.Ability().Has(service.HTTP) {
		// Inside TLS the bytes are not looked at: it is HTTP, if it can be.
		c.asHTTP()
	}
	return c
}

// route checks the service of a route, with a request that the route takes.
func (c Check) route(n int, r config.Route, s service.Spec) Check {
	c.ALPN = r.ALPN
	c = c.fallback(s)
	c.Route = "route" + strconv.Itoa(n+1)
	if len(r.Hosts) > 0 {
		c.Name = concrete(r.Hosts[0])
	} else if len(r.SNI) > 0 {
		c.Name = concrete(r.SNI[0])
	}
	c.throughPath(r.Paths)
	c.throughProtocol(r)
	if len(r.From) > 0 && c.Network == "tcp" && c.Skip == "" {
		if ap, err := netip.ParseAddrPort(c.Address); err == nil && !within(r.From, ap.Addr()) {
			c.Skip = "the route takes only peers in " + r.From[0].String()
		}
	}
	return c
}

// throughPath picks a path that the route takes: the probe's own where that is
// one of them.
func (c *Check) throughPath(paths []string) {
	if len(paths) == 0 {
		return
	}
	if hasPath(paths, c.Path) {
		return
	}
	c.Path = strings.TrimSuffix(paths[0], "*")
	c.Probe = service.Probe{Kind: service.ProbeHTTP, Path: c.Path}
	c.Loose = true
}

// hasPath reports whether one of the patterns of a route is for the path.
func hasPath(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		prefix, whole := strings.CutSuffix(p, "/*")
		return path == p || whole && (path == prefix || strings.HasPrefix(path, prefix+"/"))
	})
}

// nobodys is a path that no route is likely to be for.
const nobodys = "/portico-check"

// past picks another path for a request that is meant for the default service,
// where one of the routes would take it for its path.
func (c Check) past(routes []config.Route) Check {
	if c.Probe.Kind != service.ProbeHTTP && c.Probe.Kind != service.ProbeWebSocket {
		return c
	}
	taken := func(path string) bool {
		return slices.ContainsFunc(routes, func(r config.Route) bool {
			http := len(r.Protocols) == 0 || slices.ContainsFunc(r.Protocols, func(p string) bool { return p == "http" || p == "http1" || p == "any" })
			ap, err := netip.ParseAddrPort(c.Address)
			ours := len(r.From) == 0 || err == nil && within(r.From, ap.Addr())
			return len(r.Hosts) == 0 && len(r.SNI) == 0 && len(r.ALPN) == 0 && http && ours && hasPath(r.Paths, path)
		})
	}
	switch {
	case !taken(cmp.Or(c.Path, "/")):
	case taken(nobodys):
		c.Skip = "the routes take every path that could be asked for"
	default:
		c.Path = nobodys
		c.Probe = service.Probe{Kind: service.ProbeHTTP, Path: nobodys}
		c.Loose = true
	}
	return c
}

// asHTTP makes a raw probe a plain request, to which any answer is a good one.
func (c *Check) asHTTP() {
	if c.Probe.Kind == service.ProbeHTTP || c.Probe.Kind == service.ProbeWebSocket {
		return
	}
	if len(c.ALPN) > 0 && !slices.ContainsFunc(c.ALPN, func(p string) bool { return p == "h2" || strings.HasPrefix(p, "http/1") }) {
		return // the route takes something else than HTTP
	}
	if c.Path == "" {
		c.Path = "/"
	}
	c.Probe = service.Probe{Kind: service.ProbeHTTP, Path: c.Path}
	c.Loose = true
}

// throughProtocol makes the request one of the protocol that the route takes.
func (c *Check) throughProtocol(r config.Route) {
	switch {
	case len(r.Hosts) > 0 || len(r.Paths) > 0:
		c.asHTTP()
		return
	case slices.Contains(r.Protocols, "tls"):
		c.opening("tls")
		return
	case len(r.Protocols) == 0 || slices.Contains(r.Protocols, "any"):
		if !c.TLS && (len(r.SNI) > 0 || len(r.ALPN) > 0) {
			c.opening("tls") // on a plain port TLS can only be passed through
		}
		return
	}
	switch p := r.Protocols[0]; p {
	case "http", "http1":
		c.asHTTP()
	case "http2":
		if c.asHTTP(); c.Probe.Kind == service.ProbeWebSocket {
			c.Probe, c.Loose = service.Probe{Kind: service.ProbeHTTP}, true // a WebSocket begins with HTTP/1
		}
		c.HTTP2 = true
	default:
		c.opening(p)
	}
}

// opening sends the first bytes of a protocol in place of the probe's own,
// which the route would not take, and not inside TLS that portico ends.
func (c *Check) opening(protocol string) {
	c.TLS = false
	c.Probe = service.Probe{Kind: service.ProbeConnect}
	c.Opening, c.Loose = protocol, true
}

// concrete is a name that a pattern takes.
func concrete(pattern string) string {
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		return "check." + rest
	}
	return pattern
}

// Run makes the checks, many at a time, each within timeout, and returns the
// results in the same order.
func Run(ctx context.Context, checks []Check, timeout time.Duration) []Result {
	results := make([]Result, len(checks))
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i := range checks {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = checks[i].run(ctx, timeout)
		})
	}
	wg.Wait()
	return results
}

func (c *Check) run(ctx context.Context, timeout time.Duration) Result {
	r := Result{Listener: c.Listener, Address: c.shown(), Route: c.Route, Service: c.Service, Probe: string(c.Probe.Kind)}
	switch {
	case c.Skip != "":
		r.Skipped, r.Result = true, c.Skip
		return r
	case c.Unknown != "":
		r.Result, r.Remedy = c.Unknown, startIt
		return r
	}
	r.Curl = c.curl(timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	answer, err := c.ask(ctx)
	r.Latency = time.Since(start)
	r.OK, r.Result = err == nil, answer
	if err != nil {
		r.Result, r.Remedy = explain(ctx, err, timeout), c.remedy(ctx, err)
	}
	return r
}

func (c *Check) shown() string {
	if c.Network == "unix" {
		return "unix:" + c.Address
	}
	return c.Address
}

// ask makes the request and says in a few words what was answered.
func (c *Check) ask(ctx context.Context) (string, error) {
	switch c.Probe.Kind {
	case service.ProbeHTTP:
		return c.askHTTP(ctx)
	case service.ProbeWebSocket:
		return c.askWebSocket(ctx)
	case service.ProbeRaw:
		return c.askRaw(ctx)
	case service.ProbeConnect:
		if c.Opening != "" {
			return c.askOpening(ctx)
		}
		return c.askConnect(ctx)
	}
	return "", fmt.Errorf("the kind asks for an unknown probe %q", c.Probe.Kind)
}
