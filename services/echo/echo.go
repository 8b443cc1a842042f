// Package echo is the kind that sends back what it gets: raw bytes, WebSocket
// messages and HTTP bodies. It keeps nothing and knows nobody; it is there to try
// a listener, and to be read first by who writes a kind.
package echo

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Type is the kind.
type Type struct{}

// Config is the body of a service "echo" block.
type Config struct {
	// MaxMessage is the largest WebSocket message that comes back. A larger one
	// closes the connection with code 1009.
	MaxMessage settings.Size `hcl:"max_message,optional"`
	// IdleTimeout closes a raw connection or a WebSocket over which nothing came
	// for so long.
	IdleTimeout time.Duration `hcl:"idle_timeout,optional"`
}

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	var errs []error
	if c.MaxMessage < 1 || c.MaxMessage > 64<<20 {
		errs = append(errs, &settings.Error{
			Attr:    "max_message",
			Summary: "The size is out of range",
			Detail:  "A message is held in memory while it is sent back: give a size between 1 byte and 64MiB.",
		})
	}
	if c.IdleTimeout <= 0 {
		errs = append(errs, &settings.Error{
			Attr:    "idle_timeout",
			Summary: "The time must be positive",
			Detail:  `Give a duration such as "5m". A connection cannot be kept for ever without a word.`,
		})
	}
	return errors.Join(errs...)
}

// Kind implements service.Type.
func (Type) Kind() string { return "echo" }

// Default implements service.Type.
func (Type) Default() Config {
	return Config{MaxMessage: 1 << 20, IdleTimeout: 5 * time.Minute}
}

// Probe sends a line over a bare connection.
func (Type) Probe(Config) service.Probe {
	line := []byte("portico check\n")
	return service.Probe{Kind: service.ProbeRaw, Path: "/", Send: line, Expect: line}
}

// Open implements service.Type.
func (Type) Open(_ context.Context, env service.Env, cfg Config) (*Service, error) {
	s := &Service{env: env}
	s.Update(cfg)
	return s, nil
}

// Service is a running echo.
type Service struct {
	env service.Env
	now atomic.Pointer[settled]
}

// settled is a configuration and what is made of it.
type settled struct {
	Config
	upgrader *gws.Upgrader
}

// Update implements service.Updater. WebSockets that are open keep the limit of
// their messages; the times hold for them at once.
func (s *Service) Update(cfg Config) {
	s.now.Store(&settled{Config: cfg, upgrader: gws.NewUpgrader(s, &gws.ServerOption{
		ReadMaxPayloadSize: int(cfg.MaxMessage),
		CheckUtf8Enabled:   true,
		Logger:             discard{},
		HandshakeTimeout:   writeTimeout,
	})})
}

// Close implements service.Service. Nothing outlives the connections.
func (s *Service) Close() error { return nil }
