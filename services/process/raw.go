package process

import (
	"context"
	"net"

	"github.com/porticod/portico/pkg/relay"
)

// ServeConn connects c to the program, byte for byte; either side may end its
// half. What comes in masses over plain connections stays in the kernel (splice).
// Without the option raw it only closes c: a program that expects HTTP from
// portico believes what the headers say of the client.
func (s *Service) ServeConn(ctx context.Context, c net.Conn) {
	defer c.Close()
	cfg := s.cfg.Load()
	if !cfg.Raw {
		return
	}
	child, err := s.gate.enter(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.metrics.refused.Inc()
		}
		return
	}
	defer s.gate.leave(child)
	program, err := child.ep.dial(ctx)
	if err != nil {
		s.env.Log.Debug().Err(err).Msg("connect to the program")
		return
	}
	defer program.Close()
	// Where the program has ended nobody is left for what the client says.
	relay.New(c, program, relay.Options{Loops: &s.loops, Idle: cfg.IdleTimeout, Gone: child.life.Done()}).Run(ctx)
}
