package daemon

import (
	"fmt"
	"strings"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/listen"
	"github.com/porticod/portico/pkg/service"
)

// A Plan is what it takes to get from one configuration to another. Services
// are named kind.name, addresses by listener and address.
type Plan struct {
	Keep    []string `json:"keep"`    // services that stay as they are
	Update  []string `json:"update"`  // services that take new settings and keep their state and connections
	Replace []string `json:"replace"` // services that get a new instance; the old one drains
	Open    []string `json:"open"`    // new services
	Retire  []string `json:"retire"`  // services that are no more

	Bind    []string `json:"bind"`    // addresses that are bound
	Unbind  []string `json:"unbind"`  // addresses that are let go
	Reroute []string `json:"reroute"` // listeners whose settings or routes change

	Settings []string `json:"settings"` // options and blocks of the daemon itself that change
}

// Empty reports whether nothing changes.
func (p Plan) Empty() bool {
	return len(p.Update)+len(p.Replace)+len(p.Open)+len(p.Retire)+len(p.Bind)+len(p.Unbind)+len(p.Reroute)+len(p.Settings) == 0
}

// String is the plan for people, a line for each change.
func (p Plan) String() string {
	if p.Empty() {
		return "nothing changes\n"
	}
	var b strings.Builder
	for _, part := range []struct {
		sign, verb string
		names      []string
	}{
		{"+", "open service", p.Open}, {"~", "update service", p.Update}, {"±", "replace service", p.Replace}, {"-", "retire service", p.Retire},
		{"+", "bind", p.Bind}, {"~", "change listener", p.Reroute}, {"-", "let go of", p.Unbind},
		{"~", "change", p.Settings},
	} {
		for _, n := range part.names {
			fmt.Fprintf(&b, "%s %s %s\n", part.sign, part.verb, n)
		}
	}
	fmt.Fprintf(&b, "= %d services stay as they are\n", len(p.Keep))
	return b.String()
}

// plan compares two configurations; old may be nil. It is a pure function.
func plan(old, next *config.Config) Plan {
	if old == nil {
		old = &config.Config{}
	}
	var p Plan
	before := map[service.Ref]service.Spec{}
	for _, s := range old.Services {
		before[s.Ref()] = s
	}
	for _, s := range next.Services {
		prev, ok := before[s.Ref()]
		delete(before, s.Ref())
		name := s.Ref().String()
		switch {
		case !ok:
			p.Open = append(p.Open, name)
		case s.Same(prev):
			p.Keep = append(p.Keep, name)
		case s.Kind.UpdatesInPlace():
			p.Update = append(p.Update, name)
		default:
			p.Replace = append(p.Replace, name)
		}
	}
	for _, s := range old.Services {
		if _, left := before[s.Ref()]; left {
			p.Retire = append(p.Retire, s.Ref().String())
		}
	}
	planListeners(&p, old, next)
	planSettings(&p, old, next)
	return p
}

// planSettings names what changes outside services and listeners, as the file
// spells it. At the first start nothing was there to change.
func planSettings(p *Plan, old, next *config.Config) {
	if old.File == "" {
		return
	}
	for _, s := range []struct {
		name string
		same bool
	}{
		{"drain", old.Drain == next.Drain}, {"log", old.Log == next.Log}, {"admin", old.Admin == next.Admin},
		{"accounts", old.Accounts == next.Accounts}, {"limits", old.Limits == next.Limits},
	} {
		if !s.same {
			p.Settings = append(p.Settings, s.name)
		}
	}
}

func planListeners(p *Plan, old, next *config.Config) {
	held, wanted := addresses(old), addresses(next)
	before := make(map[string]*config.Listener, len(old.Listeners))
	for i := range old.Listeners {
		before[old.Listeners[i].Name] = &old.Listeners[i]
	}
	for _, l := range next.Listeners {
		for _, a := range sockets(l) {
			if !held[keyOf(l, a)] {
				p.Bind = append(p.Bind, l.Name+" "+a.String())
			}
		}
		if o := before[l.Name]; o != nil && !sameListener(*o, l) {
			p.Reroute = append(p.Reroute, l.Name)
		}
	}
	for _, l := range old.Listeners {
		for _, a := range sockets(l) {
			if !wanted[keyOf(l, a)] {
				p.Unbind = append(p.Unbind, l.Name+" "+a.String())
			}
		}
	}
}

// sockets are the addresses that l is bound to: after each of TCP that of HTTP/3,
// where it is served.
func sockets(l config.Listener) []config.Address {
	if !l.HTTP3 {
		return l.Addresses
	}
	var all []config.Address
	for _, a := range l.Addresses {
		all = append(all, a)
		if a.Network == "tcp" {
			all = append(all, config.Address{Network: "udp", Host: a.Host, Port: a.Port})
		}
	}
	return all
}

// A socketKey tells sockets apart. Where the kernel picks the port, two
// listeners with the same address are two sockets.
type socketKey struct {
	config.Address
	listener string // only with port 0
}

func keyOf(l config.Listener, a config.Address) socketKey {
	if a.Network != "unix" && a.Port == 0 {
		return socketKey{a, l.Name}
	}
	return socketKey{Address: a}
}

// address is the socket set's form of the key.
func (k socketKey) address() listen.Address {
	return listen.Address{Network: k.Network, Host: k.Host, Port: k.Port, Name: k.listener}
}

// addresses is the set of sockets that cfg wants.
func addresses(cfg *config.Config) map[socketKey]bool {
	m := map[socketKey]bool{}
	for _, l := range cfg.Listeners {
		for _, a := range sockets(l) {
			m[keyOf(l, a)] = true
		}
	}
	return m
}
