package config

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/porticod/portico/pkg/service"
)

// cross makes the checks that need all services and listeners.
func (l *loader) cross() {
	if l.diags.HasErrors() {
		return // warnings would be about what the mistakes caused
	}
	l.challenges()
	l.unused()
	l.passwords()
}

func (l *loader) unused() {
	for _, s := range l.cfg.Services {
		if d := l.declared[s.Ref()]; !d.used {
			l.warnf(d.at, fmt.Sprintf("No listener leads to service.%s", s.Ref()),
				"It will run, but nobody can reach it. Name it in a listener, or remove it.")
		}
	}
}

// hasAccounts reports whether people sign in to services of a kind.
func hasAccounts(kind string) bool { return kind == "chat" || kind == "photos" }

// passwords warns of listeners that would carry passwords through the network
// in clear text.
func (l *loader) passwords() {
	for i := range l.cfg.Listeners {
		ln := &l.cfg.Listeners[i]
		ref, ok := signIn(ln)
		if !ok || ln.TLS != nil || len(ln.TrustedProxies) > 0 {
			continue
		}
		for _, a := range ln.Addresses {
			if a.Loopback() {
				continue
			}
			l.warnf(ln.Range, fmt.Sprintf("Passwords for service.%s travel in clear text", ref),
				"%s lies beyond loopback and has no TLS. Add a tls block, or listen on 127.0.0.1. "+
					"Behind a proxy that ends TLS, name it in trusted_proxies.", a)
			if l.cfg.Accounts.Registration == "open" {
				l.warnf(l.registration, "Everybody on the network can sign up",
					"Registration is open, and listener %q is reachable beyond this machine without TLS. "+
						"Use registration = \"invite\", or add TLS.", ln.Name)
			}
			break
		}
	}
}

// signIn returns a service of ln that people sign in to.
func signIn(ln *Listener) (service.Ref, bool) {
	if ln.Service != nil && hasAccounts(ln.Service.Kind) {
		return *ln.Service, true
	}
	for _, r := range ln.Routes {
		if hasAccounts(r.Service.Kind) {
			return r.Service, true
		}
	}
	return service.Ref{}, false
}

func upperFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
