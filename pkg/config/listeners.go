package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// A claim is an address that something listens on.
type claim struct {
	addr Address
	who  string
	at   hcl.Range
}

// take reserves an address, or reports who has it.
func (l *loader) take(c claim) {
	// Only what has the same port can overlap.
	same := c.addr
	if same.Network != "unix" {
		same = Address{Network: c.addr.Network, Port: c.addr.Port}
	}
	for _, o := range l.claims[same] {
		if !c.addr.Overlaps(o.addr) {
			continue
		}
		summary := fmt.Sprintf("%s is taken", c.addr)
		switch {
		case o.who == c.who:
			l.errorf(c.at, summary, "%s has %s already. Remove one of the two.", upperFirst(o.who), o.addr)
		case o.addr == c.addr:
			l.errorf(c.at, summary, "%s has it already, at %s. Choose another one, or split one listener with routes.",
				upperFirst(o.who), place(o.at))
		default:
			l.errorf(c.at, summary, "%s has %s already, at %s, and one of them stands for all addresses. Choose another port.",
				upperFirst(o.who), o.addr, place(o.at))
		}
		return
	}
	if l.claims == nil {
		l.claims = map[Address][]claim{}
	}
	l.claims[same] = append(l.claims[same], c)
}

// listeners decodes the listener blocks and checks each by itself.
func (l *loader) listeners() {
	places := map[string]hcl.Range{}
	for _, b := range l.blocks("listener") {
		name := b.Labels[0]
		l.checkLabel(b.LabelRanges[0], "listener", name, namePattern.MatchString(name))
		if first, dup := places[name]; dup {
			l.errorf(b.DefRange, fmt.Sprintf("Second listener %q", name),
				"The other place is %s. Remove or rename one.", place(first))
		} else {
			places[name] = b.DefRange
		}
		l.listener(name, b)
	}
}

func (l *loader) listener(name string, b *hcl.Block) {
	raw := defaultListener()
	clean := l.decode(b, &raw)
	ln := Listener{
		Name: name, Allow: raw.Allow, Deny: raw.Deny, TrustedProxies: raw.TrustedProxies,
		Detect: Detect(raw.Detect), Limits: Limits(raw.Limits), Timeouts: Timeouts(raw.Timeouts), Range: b.DefRange,
	}
	if raw.ProxyProtocol != nil {
		ln.ProxyFrom = raw.ProxyProtocol.From
	}
	ln.Addresses = l.addresses(name, raw.Address)
	if body, ok := b.Body.(*hclsyntax.Body); ok && body.Attributes["address"] == nil {
		ln.Addresses = []Address{l.standardPort(name, b.DefRange, raw.TLS != nil)}
	}
	if raw.Address != nil && len(raw.Address) == 0 {
		l.errorf(b.DefRange, fmt.Sprintf("Listener %q has no address", name), "The list is empty. Give it one, like address = \":8080\".")
	}
	if raw.Service != nil {
		if d := l.reference(raw.Service); d != nil {
			ref := d.spec.Ref()
			ln.Service = &ref
		}
	}
	if raw.Service == nil && len(raw.Routes) == 0 && clean {
		l.errorf(b.DefRange, fmt.Sprintf("Listener %q leads nowhere", name),
			"It has neither a service nor a route. Add a line like service = service.static.site.")
	}
	if raw.TLS != nil {
		ln.TLS = l.tls(raw.TLS)
	}
	l.packets(&ln, raw.Service)
	if ln.HTTP3 = raw.HTTP3; ln.HTTP3 && ln.TLS == nil {
		l.errorf(b.DefRange, "HTTP/3 without TLS", "There is no HTTP/3 in clear text. Add a tls block, or remove http3.")
	}
	for _, a := range ln.Addresses {
		if ln.HTTP3 && a.Network == "tcp" {
			l.take(claim{addr: Address{Network: "udp", Host: a.Host, Port: a.Port}, who: fmt.Sprintf("HTTP/3 of listener %q", name), at: b.DefRange})
		}
	}
	for i := range raw.Routes {
		if r, ok := l.route(&raw.Routes[i], raw.TLS != nil); ok {
			ln.Routes = append(ln.Routes, r)
		}
	}
	if !l.mistakeIn(b) {
		l.unreachable(&ln) // a condition that could not be read would match everything
	}
	l.cfg.Listeners = append(l.cfg.Listeners, ln)
}

// mistakeIn reports whether an error inside of b was reported.
func (l *loader) mistakeIn(b *hcl.Block) bool {
	body, ok := b.Body.(*hclsyntax.Body)
	return ok && slices.ContainsFunc(l.diags, func(d *hcl.Diagnostic) bool {
		return d.Severity == hcl.DiagError && d.Subject != nil &&
			d.Subject.Filename == body.SrcRange.Filename && body.SrcRange.Overlaps(*d.Subject)
	})
}

// packets checks that somebody takes what comes to a listener's UDP addresses.
func (l *loader) packets(ln *Listener, to *hcl.Attribute) {
	if !slices.ContainsFunc(ln.Addresses, func(a Address) bool { return a.Network == "udp" }) {
		return
	}
	switch {
	case to == nil:
		l.errorf(ln.Range, fmt.Sprintf("Listener %q drops its packets", ln.Name),
			"Routes are for connections; packets of UDP go to the default service. Add a line like service = service.tcp.dns.")
	case ln.Service != nil && !l.opt.Kinds[ln.Service.Kind].Ability().Has(service.Packets):
		l.errorf(to.Expr.Range(), fmt.Sprintf("service.%s cannot take packets of UDP", *ln.Service),
			"The kind %q takes connections only. Choose one that takes packets%s, or remove the udp address.", ln.Service.Kind, l.kindsWith(service.Packets))
	}
}

// standardPort is the address of a listener that names none: that of http or
// https, on all addresses of the machine.
func (l *loader) standardPort(name string, at hcl.Range, tls bool) Address {
	addr := Address{Network: "tcp", Port: 80}
	if tls {
		addr.Port = 443
	}
	l.take(claim{addr: addr, who: fmt.Sprintf("listener %q", name), at: at})
	return addr
}

func (l *loader) addresses(name string, texts settings.Texts) (addrs []Address) {
	for _, t := range texts {
		if t.At.Filename == "" {
			continue // a mistake, reported already
		}
		addr, remedy := parseAddress(t.Value, t.At.Filename)
		if remedy != "" {
			l.errorf(t.At, fmt.Sprintf("Invalid address %q", t.Value), "%s", remedy)
			continue
		}
		l.take(claim{addr: addr, who: fmt.Sprintf("listener %q", name), at: t.At})
		if !slices.Contains(addrs, addr) || addr.Port == 0 {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}
