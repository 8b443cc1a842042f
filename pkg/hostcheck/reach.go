package hostcheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/config"
)

const (
	dialTime  = 3 * time.Second  // for one address and port
	reachTime = 10 * time.Second // for all of a name
	dialAddrs = 4                // of a name's addresses, so many are tried
)

// portsOf are the TCP ports at which people look for name, and for a name that
// a CA gives a certificate for also port 80, where the CA asks.
func portsOf(cfg *config.Config, name string, managed bool) (ports []int) {
	for _, l := range cfg.Listeners {
		named := l.TLS != nil && l.TLS.ACME != nil && slices.Contains(l.TLS.ACME.Names, name)
		for _, r := range l.Routes {
			named = named || slices.Contains(r.Hosts, name) || slices.Contains(r.SNI, name)
		}
		for _, a := range l.Addresses {
			ip, err := netip.ParseAddr(a.Host)
			local := err == nil && ip.IsLoopback() // behind a proxy; the name leads to that
			if a.Network == "tcp" && a.Port != 0 && !local && (named || managed && a.Port == 80) {
				ports = append(ports, a.Port)
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// reach connects to the ports of name at its addresses, as people elsewhere do.
func (h Host) reach(ctx context.Context, name string, ports []int, addrs []netip.Addr) (all []Finding) {
	if len(addrs) == 0 {
		return nil // the finding about the name says so
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for _, port := range ports {
		f := Finding{Check: "port " + strconv.Itoa(port) + " of " + name, Level: OK, Found: "can be reached by the name"}
		var closed []string
		for _, a := range addrs[:min(len(addrs), dialAddrs)] {
			at := netip.AddrPortFrom(a.Unmap(), uint16(port)).String()
			if err := h.connect(ctx, at); err != nil {
				closed = append(closed, at+" "+unreachable(err))
			}
		}
		if len(closed) > 0 {
			f.Level, f.Found = Warn, strings.Join(closed, "; ")
			f.Remedy = "See that portico runs (portico status), and open the port in this host's firewall and in the provider's (security group, network rules). Some networks lead no host to its own public address: then try it from another machine."
		}
		all = append(all, f)
	}
	return all
}

func (h Host) connect(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	c, err := h.Dial(ctx, "tcp", at)
	if err != nil {
		return err
	}
	return c.Close()
}

func unreachable(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses connections"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &op) && op.Timeout():
		return "does not answer"
	}
	return "cannot be reached: " + err.Error()
}
