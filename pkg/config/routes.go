package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// protocols are the values of protocol. Those after the HTTP ones are raw.
func protocols() []string {
	return []string{"any", "http", "http1", "http2", "ssh", "tls", "postgres", "mqtt", "socks5"}
}

func isHTTP(protocol string) bool { return strings.HasPrefix(protocol, "http") }
func isRaw(protocol string) bool  { return protocol != "any" && !isHTTP(protocol) }

// route checks a route by itself. tls says that its listener has a tls block.
func (l *loader) route(raw *routeBlock, tls bool) (r Route, ok bool) {
	before := len(l.diags)
	r = Route{
		Protocols: l.protocols(raw.Protocol),
		Hosts:     l.patterns(raw.Host, "host", hostPattern),
		Paths:     l.patterns(raw.Path, "path", pathPattern),
		SNI:       l.patterns(raw.SNI, "sni", hostPattern),
		ALPN:      l.patterns(raw.ALPN, "alpn", alpnName),
		From:      raw.From,
		Range:     raw.Range,
	}
	l.combination(raw, &r, tls)
	if raw.Service == nil {
		return r, false
	}
	d := l.reference(raw.Service)
	clean := len(l.diags) == before
	if d == nil {
		return r, false
	}
	r.Guard = l.guard(raw, d.spec.Kind) // whatever else is wrong
	if !clean {
		return r, false
	}
	r.Service = d.spec.Ref()
	l.ability(raw, &r, d.spec.Kind)
	return r, true
}

func (l *loader) protocols(texts settings.Texts) (list []string) {
	for _, t := range texts {
		if !slices.Contains(protocols(), t.Value) {
			l.errorf(t.At, fmt.Sprintf("There is no protocol %q", t.Value),
				"%s", settings.DidYouMean(t.Value, "Protocols are", protocols()))
			continue
		}
		list = append(list, t.Value)
	}
	return list
}

// patterns checks each text with check, which returns its normal form or what
// to do about it.
func (l *loader) patterns(texts settings.Texts, attr string, check func(string) (norm, remedy string)) (list []string) {
	for _, t := range texts {
		if t.At.Filename == "" {
			continue
		}
		norm, remedy := check(t.Value)
		if remedy != "" {
			l.errorf(t.At, fmt.Sprintf("Invalid %s %q", attr, t.Value), "%s", remedy)
			continue
		}
		list = append(list, norm)
	}
	return list
}

// combination reports conditions that cannot hold together.
func (l *loader) combination(raw *routeBlock, r *Route, tls bool) {
	http, sni := len(raw.Host)+len(raw.Path) > 0, len(raw.SNI)+len(raw.ALPN) > 0
	for _, p := range raw.Protocol {
		switch {
		case !slices.Contains(r.Protocols, p.Value):
		case http && isRaw(p.Value):
			l.errorf(p.At, fmt.Sprintf("%q has no host and no path", p.Value),
				"Those belong to HTTP requests. Remove them here, or write protocol = \"http\".%s", tlsHint(p.Value))
		case sni && isRaw(p.Value) && p.Value != "tls":
			l.errorf(p.At, fmt.Sprintf("%q has no sni and no alpn", p.Value),
				"Those belong to TLS. Remove them, or leave protocol out.")
		}
	}
	passthrough := len(r.Protocols) > 0 && !slices.ContainsFunc(r.Protocols, func(p string) bool { return p != "tls" })
	if sni && !passthrough && !tls {
		l.errorf(raw.Range, "TLS route without a certificate",
			"To match sni or alpn and then read on, portico has to end TLS. Give the listener tls { certificate { ... } }, "+
				"or pass the connection on unread with protocol = \"tls\".")
	}
}

func tlsHint(protocol string) string {
	if protocol == "tls" {
		return " For the name in TLS use sni."
	}
	return ""
}

// ability reports a service that cannot be handed what the route matches.
func (l *loader) ability(raw *routeBlock, r *Route, kind service.Kind) {
	http, rawNeed := len(r.Hosts)+len(r.Paths) > 0, ""
	for _, p := range r.Protocols {
		switch {
		case isHTTP(p):
			http = true
		case isRaw(p):
			rawNeed = p
		}
	}
	at := raw.Service.Expr.Range()
	if rawNeed != "" && !kind.Ability().Has(service.Raw) {
		l.errorf(at, fmt.Sprintf("service.%s cannot take %s connections", r.Service, rawNeed),
			"The kind %q only speaks HTTP. Choose a service that takes raw connections%s, or match HTTP.",
			kind.Name(), l.kindsWith(service.Raw))
	}
	if http && !kind.Ability().Has(service.HTTP) {
		l.errorf(at, fmt.Sprintf("service.%s cannot take HTTP requests", r.Service),
			"The kind %q only takes raw connections. Choose a service that speaks HTTP%s, or another protocol.",
			kind.Name(), l.kindsWith(service.HTTP))
	}
}

func (l *loader) kindsWith(a service.Ability) string {
	var names []string
	for _, name := range l.opt.Kinds.Names() {
		if l.opt.Kinds[name].Ability().Has(a) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// hostPattern checks a host name that may begin with "*." and lowers it.
func hostPattern(s string) (norm, remedy string) {
	host := strings.ToLower(s)
	if _, err := netip.ParseAddr(host); err == nil {
		return host, ""
	}
	name := strings.TrimPrefix(host, "*.")
	switch {
	case name == "":
		return "", "It is empty. Leave the line out to match every host."
	case host == "*":
		return "", "To match every host leave the line out."
	case strings.Contains(name, "://"):
		return "", "Write the name alone, without scheme and path."
	case strings.Contains(name, "/"):
		return "", "Write the name alone; paths are matched by path."
	case strings.Contains(name, ":"):
		return "", "Write the name without the port."
	case strings.Contains(name, "*"):
		return "", `A star stands for one label at the beginning, like "*.example.org".`
	case strings.HasSuffix(name, "."):
		return "", "Write the name without the dot at its end."
	}
	return checkLabels(host, name)
}

func checkLabels(host, name string) (norm, remedy string) {
	for _, r := range name {
		if r > 127 {
			if ascii, err := idna.Lookup.ToASCII(name); err == nil {
				return "", fmt.Sprintf("Browsers send it in ASCII. Write %q.", strings.Replace(host, name, ascii, 1))
			}
			return "", "Write it in ASCII, as browsers send it."
		}
	}
	if len(name) > 253 {
		return "", "A name has at most 253 characters."
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", "A name is made of labels of letters, digits and dashes with dots between, like \"www.example.org\"."
		}
	}
	return host, ""
}

// pathPattern checks a path that may end with "/*".
func pathPattern(s string) (norm, remedy string) {
	path := strings.TrimSuffix(s, "/*")
	switch {
	case !strings.HasPrefix(s, "/"):
		return "", fmt.Sprintf("A path begins with a slash. Write %q.", "/"+s)
	case len(s) > 1024:
		return "", "A path has at most 1024 characters."
	case strings.Contains(path, "*"):
		return "", `A star stands at the end alone, like "/api/*".`
	case strings.ContainsAny(path, "?#"):
		return "", "Only the path is matched. Remove what follows it."
	case strings.Contains(path, "//"), strings.Contains(path+"/", "/../"), strings.Contains(path+"/", "/./"):
		return "", "Requests are matched by their clean path, without //, . and .. in it."
	case strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 127 }):
		return "", "A path has no blanks and no control characters."
	}
	return s, ""
}

func alpnName(s string) (norm, remedy string) {
	if s == "" || len(s) > 255 {
		return "", `A protocol's name has 1 to 255 bytes, like "h2" or "http/1.1".`
	}
	return s, ""
}
