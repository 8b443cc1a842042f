// Command portico binds the ports of a config file and hands each connection to
// the service that the file names for it. A program with kinds of its own is
// this file with one more line; see examples/kind.
package main

import (
	"os"

	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services"
)

func main() {
	// HTTP/3 works with the buffers that the kernel gives; a line on stderr that
	// is not the log's helps nobody.
	_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	shared := services.New()
	cli.Main(cli.App{
		Kinds:  service.NewRegistry(services.All(shared)...),
		Shared: shared,
	})
}
