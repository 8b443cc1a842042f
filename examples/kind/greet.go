package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/porticod/portico/pkg/service"
)

// Greet is the kind that greets and counts visitors.
type Greet struct{}

// Config is the body of a service "greet" block.
type Config struct {
	// Text is what every visitor is told.
	Text string `hcl:"text,optional"`
}

func (Greet) Kind() string    { return "greet" }
func (Greet) Default() Config { return Config{Text: "Hello"} }

func (Greet) Open(_ context.Context, _ service.Env, cfg Config) (*greeter, error) {
	g := &greeter{}
	g.Update(cfg)
	return g, nil
}

type greeter struct {
	text     atomic.Pointer[string]
	visitors atomic.Int64
}

func (g *greeter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "%s, you are visitor %d.\n", *g.text.Load(), g.visitors.Add(1))
}

// Update makes a reload keep the count; without it a changed text is a new instance.
func (g *greeter) Update(cfg Config) { g.text.Store(&cfg.Text) }

func (g *greeter) Close() error { return nil }
