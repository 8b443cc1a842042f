// Command kind is a portico with one kind more: cmd/portico/main.go with another
// line. Copy this folder into a module of your own to begin.
package main

import (
	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services"
)

func main() { cli.Main(app()) }

func app() cli.App {
	shared := services.New()
	kinds := append(services.All(shared),
		service.KindOf(Greet{}), // the line
	)
	return cli.App{Kinds: service.NewRegistry(kinds...), Shared: shared}
}
