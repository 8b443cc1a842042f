package daemon

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porticod/portico/pkg/service"
)

// openAgain is how often it is tried to open a service that needs something that is
// away.
const openAgain = time.Second

// openLater opens the service when what it needs is back. Until then its requests
// get 503, its connections are closed, and the daemon is not ready: but the other
// services are there.
func (in *instance) openLater(life context.Context, env service.Env, reg prometheus.Registerer, why error) {
	in.why.Store(&why)
	in.log.Error().Err(why).Msg("the service is not there yet; it is tried again every second")
	spec := in.spec
	in.opener.Go(func() {
		tick := time.NewTicker(openAgain)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-life.Done():
				return
			}
			svc, err := spec.Open(life, env)
			if err == nil {
				in.put(svc, reg)
				in.log.Info().Msg("the service is there")
				return
			}
			if life.Err() == nil && service.IsAway(why) && !service.IsAway(err) {
				in.log.Error().Err(err).Msg("the service cannot be opened; it is tried again every second")
			}
			why = err
			in.why.Store(&err)
		}
	})
}
