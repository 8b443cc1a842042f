package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/config"
)

// runSocket is the socket of a portico that systemd started.
const runSocket = "/run/portico/admin.sock"

// client returns a client for the daemon's socket: --admin, $PORTICO_ADMIN, the
// packaged place where the file is below /etc, else what a tolerant look into
// the file finds. The file may be broken: that is when one needs the daemon. It
// may also name another socket or folder than it did when the daemon started;
// where nobody answers, the daemon that runs the file is looked for.
func (e *env) client() (*admin.Client, error) {
	if e.adminFlag != "" {
		return admin.NewClient(e.adminFlag), nil
	}
	if p := e.getenv("PORTICO_ADMIN"); p != "" {
		return admin.NewClient(p), nil
	}
	file, err := e.file(nil)
	if err != nil {
		return nil, err
	}
	if file, err = filepath.Abs(file); err != nil {
		return nil, failed(fmt.Errorf("find the config file: %w", err))
	}
	path := e.socket(file)
	if answers(path) {
		return admin.NewClient(path), nil
	}
	if found := daemonOf(file); found != "" {
		fmt.Fprintf(e.Err, "portico: nobody answers at %s, where %s has the socket now; the daemon that runs it answers at %s\n", path, file, found)
		path = found
	}
	return admin.NewClient(path), nil
}

func (e *env) socket(file string) string {
	if strings.HasPrefix(file, "/etc/") {
		if _, err := os.Stat(runSocket); err == nil {
			return runSocket
		}
	}
	return config.SocketGuess(file, source{getenv: e.getenv}.options(e.Kinds))
}

// answers reports whether somebody accepts connections at the socket, or may:
// why it cannot be told, the client says better.
func answers(socket string) bool {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED)
	}
	_ = c.Close() // nothing was sent
	return true
}

// findTime bounds the search for the daemon that runs a file.
const findTime = 10 * time.Second

// daemonOf is the admin socket of the daemon that runs the file, wherever it is;
// empty if there is none, or none that we may ask.
func daemonOf(file string) string {
	ctx, cancel := context.WithTimeout(context.Background(), findTime)
	defer cancel()
	for _, path := range listeningSockets() {
		s, err := admin.NewClient(path).Status(ctx)
		if err == nil && s.File == file {
			return path
		}
	}
	return ""
}

// explain adds to an error of the client what to do about it.
func (e *env) explain(err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return fmt.Errorf("%w; start it with `portico run`, or name its config file with --config or its socket with --admin", err)
	}
	return err
}
