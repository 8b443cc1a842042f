package daemon

import (
	"context"
	"crypto/tls"
	"sync/atomic"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/front"
	"github.com/porticod/portico/pkg/mux"
	"github.com/porticod/portico/pkg/route"
	"github.com/porticod/portico/pkg/service"
)

// A listener is one listener block at work: the port that splits its
// connections and the front that its requests go through. It lives as long as
// its name stands in the config, whatever else about it changes.
type listener struct {
	name  string
	port  *mux.Port
	front *front.Front
	table atomic.Pointer[route.Table]
}

func (d *Daemon) newListener(name string) *listener {
	log := d.log.With().Str("listener", name).Logger()
	return &listener{
		name:  name,
		port:  mux.NewPort(log, d.connections),
		front: front.New(log, d.stopping.Load, d.access.Load),
	}
}

// applyListener makes cfg, with these services behind it, the listener's settings. It cannot fail.
func (d *Daemon) applyListener(l *listener, cfg config.Listener, services map[service.Ref]*instance, tc *tls.Config) {
	t := d.table(l, cfg, services)
	l.table.Store(t)
	l.front.Apply(d.settings(cfg, t))
	l.port.Apply(d.policy(cfg, t, l.front, d.packets(l, cfg, services), tc))
}

// retire lets a listener come to its end whose sockets are closed already: what
// is in progress ends by ctx's deadline. What was hijacked lives on with its
// service.
func (l *listener) retire(ctx context.Context) error {
	return l.port.Close(ctx)
}
