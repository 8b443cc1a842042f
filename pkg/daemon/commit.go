package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/listen"
	"github.com/porticod/portico/pkg/service"
)

// takeBack looks for a draining instance of spec. One that can take spec's
// settings is revived and becomes part of n; one that cannot, or that is closing
// already, is waited for, so that its data folder is free.
func (d *Daemon) takeBack(ctx context.Context, n *next, spec service.Spec) (*instance, error) {
	for _, in := range slices.Clone(d.draining[spec.Ref()]) {
		if commit, ok := spec.UpdateFrom(in.spec, in.service()); ok && in.revive() {
			n.services[spec.Ref()] = in
			n.revived = append(n.revived, in)
			n.updates = append(n.updates, func() { commit(); in.setSpec(spec) })
			return in, nil
		}
		select {
		case <-in.gone:
		case <-ctx.Done():
			return nil, fmt.Errorf("its previous instance is still draining: %w", context.Cause(ctx))
		}
	}
	return nil, nil
}

// leftover is what a commit leaves of the generation before.
type leftover struct {
	services  []*instance
	listeners []*listener
	sockets   []*listen.Socket
	packets   []packetServer
}

// commit makes n the running generation, as p has it. Nothing in it can fail, and a
// request sees either the old generation or the new one.
func (d *Daemon) commit(n *next, p Plan) leftover {
	var old leftover
	rerouted := map[string]bool{}
	for _, name := range p.Reroute {
		rerouted[name] = true
	}
	for _, update := range n.updates {
		update()
	}
	d.budget.SetLimit(n.cfg.Limits.Connections)
	d.guardMemory(int64(n.cfg.Limits.Memory))
	d.bound, n.bound = n.bound, d.bound // policies name ports
	maps.Copy(d.packetServers, n.packetServers)
	listeners := map[string]*listener{}
	for _, cfg := range n.cfg.Listeners {
		l := d.listeners[cfg.Name]
		if l == nil {
			l = d.newListener(cfg.Name)
		}
		listeners[cfg.Name] = l
		lean := takesLean(cfg, n.services)
		if rerouted[cfg.Name] || !d.unchanged(l, cfg, n) {
			d.applyListener(l, cfg, n.services, n.tls.config(cfg.Name))
		}
		for _, a := range sockets(cfg) {
			key := keyOf(cfg, a)
			if q := d.packetServers[key]; q != nil {
				q.SetPort(l.port)
				continue
			}
			s := d.bound[key]
			s.OnError(func(error) { d.connections.AcceptError(cfg.Name) })
			s.SetHandler(l.port.Serve)
			s.SetLean(lean)
			if n.fresh[key] != nil {
				d.accepting.Go(func() { s.Serve(nil) })
			}
		}
	}
	for name, l := range d.listeners {
		if listeners[name] == nil {
			old.listeners = append(old.listeners, l)
		}
	}
	for key, s := range n.bound { // of the generation before
		if d.bound[key] != nil {
			continue
		}
		old.sockets = append(old.sockets, s)
		if q := d.packetServers[key]; q != nil {
			old.packets = append(old.packets, q)
			delete(d.packetServers, key)
		}
	}
	for ref, in := range d.services {
		if n.services[ref] != in {
			old.services = append(old.services, in)
		}
	}
	d.cfg, d.services, d.listeners = n.cfg, n.services, listeners
	d.commitTLS(n.tls)
	return old
}

// takesLean reports whether all services behind a listener take connections that Go's
// poller does not know.
func takesLean(cfg config.Listener, services map[service.Ref]*instance) bool {
	lean := func(ref service.Ref) bool { return services[ref].ability.Has(service.Lean) }
	return cfg.TLS == nil && (cfg.Service == nil || lean(*cfg.Service)) &&
		!slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return !lean(r.Service) })
}

// unchanged reports whether a listener whose block means the same can be left alone:
// its certificates are the same, and so are the instances behind it.
func (d *Daemon) unchanged(l *listener, cfg config.Listener, n *next) bool {
	if l.table.Load() == nil || d.tls.sources[cfg.Name] != n.tls.sources[cfg.Name] {
		return false
	}
	same := func(ref service.Ref) bool { return d.services[ref] == n.services[ref] }
	if cfg.Service != nil && !same(*cfg.Service) {
		return false
	}
	return !slices.ContainsFunc(cfg.Routes, func(r config.Route) bool { return !same(r.Service) })
}

// retire lets what a commit left over come to its end, in the background.
// Sockets go first, so that their last connections still find their listener.
func (d *Daemon) retire(old leftover) {
	drain := d.cfg.Drain
	d.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		closePackets(ctx, old.packets)
		cancel()
		d.closeSockets(old.sockets)
		for _, l := range old.listeners {
			d.retiring.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), drain)
				defer cancel()
				if err := l.retire(ctx); err != nil {
					d.log.Warn().Str("listener", l.name).Err(err).Msg("connections of the removed listener were cut")
				}
				d.forget(l.name)
			})
		}
	})
	for _, in := range old.services {
		d.retireInstance(in)
	}
}

// closeSockets closes sockets side by side: each takes a moment to be emptied.
func (d *Daemon) closeSockets(sockets []*listen.Socket) {
	var wg sync.WaitGroup
	for _, s := range sockets {
		wg.Go(func() {
			if err := s.Close(); err != nil {
				d.log.Warn().Err(err).Stringer("address", s.Address()).Msg("closing the socket failed")
			}
		})
	}
	wg.Wait()
}

// forget drops the metrics of a listener, unless its name is in use again.
func (d *Daemon) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listeners[name] == nil {
		d.requests.Forget(name)
		d.connections.Forget(name)
	}
}

// retireInstance drains in the background. d.mu is held.
func (d *Daemon) retireInstance(in *instance) {
	ref, drain := in.ref, d.cfg.Drain
	if !slices.Contains(d.draining[ref], in) {
		d.draining[ref] = append(d.draining[ref], in)
	}
	begun := in.beginRetire()
	d.retiring.Go(func() {
		in.retire(begun, closeGoingAway, drain)
		d.mu.Lock()
		defer d.mu.Unlock()
		if rest := slices.DeleteFunc(slices.Clone(d.draining[ref]), func(o *instance) bool { return o == in }); len(rest) > 0 {
			d.draining[ref] = rest
		} else {
			delete(d.draining, ref)
		}
	})
}
