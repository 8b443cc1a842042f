// Package hostcheck finds what commonly goes wrong on a host, before people do:
// names that lead elsewhere, ports that cannot be reached by them, certificates
// that expire, a full disk, a wrong clock, too few open files, a systemd unit that
// forbids what the config needs, a bucket that takes no files. It changes nothing but
// an object of its own in the bucket, asks systemd and the name server, and connects
// to where the config's own names lead.
package hostcheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/config"
)

// Levels of a finding.
const (
	OK   = "ok"
	Warn = "warn"
	Fail = "fail"
)

// A Finding is what came of one check.
type Finding struct {
	Check  string `json:"check"`  // what was looked at, as a few words
	Level  string `json:"level"`  // ok, warn, fail
	Found  string `json:"found"`  // a sentence without a full stop
	Remedy string `json:"remedy"` // what to do; empty where Level is ok

	At hcl.Range `json:"-"` // the place in the config; zero: none
}

// A Host is what the checks look at; the zero Host is this machine.
type Host struct {
	Resolver interface { // nil: the system's
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
	Addresses func() ([]net.Addr, error)                                           // nil: those of the interfaces
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer's
	Now       func() time.Time                                                     // nil: time.Now

	Room      func(dir string) (Room, bool)  // nil: of the file system; false: not known
	OpenFiles func() (limit uint64, ok bool) // nil: of this process
	Synced    func() (synced, ok bool)       // nil: by the kernel

	Unit   *Unit   // that runs the config; nil: none
	Daemon *Daemon // that runs the config; nil: it does not answer
}

// A Daemon is what a running one says of itself.
type Daemon struct{ Files, MaxFiles uint64 }

// Room is what a file system has.
type Room struct {
	Free, Total           uint64 // bytes
	FreeInodes, AllInodes uint64 // 0 of 0 where it makes them as it needs them
}

// lookupTime bounds the question for one name.
const lookupTime = 5 * time.Second

// Run makes all checks of cfg. Its findings are in a fixed order.
func (h Host) Run(ctx context.Context, cfg *config.Config) []Finding {
	if h.Resolver == nil {
		h.Resolver = net.DefaultResolver
	}
	if h.Addresses == nil {
		h.Addresses = net.InterfaceAddrs
	}
	if h.Dial == nil {
		h.Dial = new(net.Dialer).DialContext
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Room == nil {
		h.Room = room
	}
	if h.OpenFiles == nil {
		h.OpenFiles = openFiles
	}
	if h.Synced == nil {
		h.Synced = clockSynced
	}
	all := []Finding{h.files(cfg), h.disk(cfg.DataDir), h.clock()}
	lacks := Lacks(cfg, h.Unit)
	if h.Unit != nil && len(lacks) == 0 {
		lacks = []Finding{{Check: "unit", Level: OK, Found: "the unit " + UnitName + " allows what the config needs"}}
	}
	all = append(all, lacks...)
	all = append(all, h.storage(ctx, cfg)...)
	all = append(all, h.names(ctx, cfg)...)
	return append(all, h.certificates(cfg)...)
}

// names looks whether the names of the config lead to this machine. Behind a
// router or load balancer they need not, so it only warns.
func (h Host) names(ctx context.Context, cfg *config.Config) []Finding {
	managed := map[string]bool{}
	var names, examples []string
	for _, l := range cfg.Listeners {
		for _, r := range l.Routes {
			names = append(append(names, r.Hosts...), r.SNI...)
		}
		if l.TLS != nil && l.TLS.ACME != nil {
			for _, n := range l.TLS.ACME.Names {
				managed[n] = true
				names = append(names, n)
				if reserved(n) && l.TLS.ACME.Directory == "" {
					examples = append(examples, n)
				}
			}
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool {
		_, err := netip.ParseAddr(n)
		return err == nil || strings.HasPrefix(n, "*") || reserved(n)
	})
	byName := make([][]Finding, len(names))
	var wg sync.WaitGroup
	limit := make(chan struct{}, 8)
	for i, n := range names {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			f, addrs := h.name(ctx, n, managed[n])
			byName[i] = append([]Finding{f}, h.reach(ctx, n, portsOf(cfg, n, managed[n]), addrs)...)
		})
	}
	wg.Wait()
	found := slices.Concat(byName...)
	slices.Sort(examples)
	for _, n := range slices.Compact(examples) {
		found = append(found, Finding{
			Check: "name " + n, Level: Warn, Found: "the name is kept for examples and tests",
			Remedy: "The CA gives no certificate for it. Write the name that you have, or self_signed = true to try things.",
		})
	}
	return found
}

// reserved reports whether no public name server knows n: RFC 6761 and RFC 2606
// keep such names for documentation, tests and this machine.
func reserved(n string) bool {
	labels := strings.Split(n, ".")
	if slices.Contains([]string{"localhost", "test", "invalid", "example"}, labels[len(labels)-1]) {
		return true
	}
	return len(labels) > 1 && labels[len(labels)-2] == "example" && slices.Contains([]string{"com", "net", "org"}, labels[len(labels)-1])
}

// name looks up one name; addrs are where it leads.
func (h Host) name(ctx context.Context, name string, managed bool) (f Finding, addrs []netip.Addr) {
	f = Finding{Check: "name " + name, Level: OK}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := h.Resolver.LookupNetIP(ctx, "ip", name)
	why := "Nobody finds it there."
	if managed {
		why = "Nobody finds it there, and the CA gives no certificate for it."
	}
	if err != nil || len(addrs) == 0 {
		f.Level, f.Found = Warn, "the name leads nowhere: "+reason(err)
		f.Remedy = why + " Give it an A record (and AAAA, where the host has IPv6) with the public address of this host, or wait until a new one has spread."
		return f, addrs
	}
	own, err := h.Addresses()
	if err != nil {
		f.Level, f.Found, f.Remedy = Warn, "the addresses of this machine cannot be listed: "+err.Error(), "Compare them with those of the name yourself."
		return f, addrs
	}
	var foreign []string
	for _, a := range addrs {
		if !slices.ContainsFunc(own, func(o net.Addr) bool {
			p, err := netip.ParsePrefix(o.String())
			return err == nil && p.Addr().Unmap() == a.Unmap()
		}) {
			foreign = append(foreign, a.Unmap().String())
		}
	}
	if len(foreign) == 0 {
		f.Found = "leads to this machine"
		return f, addrs
	}
	f.Level, f.Found = Warn, "leads to "+strings.Join(foreign, ", ")+", which is no address of this machine"
	f.Remedy = "That is right behind a load balancer, or where the provider translates addresses; then see that ports 80 and 443 are led here. Otherwise correct the record. Of several addresses each must lead here: a CA picks any."
	return f, addrs
}

func reason(err error) string {
	var dns *net.DNSError
	switch {
	case err == nil:
		return "it has no address"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no such name"
	case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return "the name server does not answer"
	}
	return err.Error()
}
