package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/config"
)

// runSocket is the socket of a portico that systemd started.
const runSocket = "/run/portico/admin.sock"

// client returns a client for the daemon's socket: --admin, $PORTICO_ADMIN, the
// packaged place where the file is below /etc, else what a tolerant look into
// the file finds. The file may be broken: that is when one needs the daemon.
func (e *env) client() (*admin.Client, error) {
	path, err := e.socket()
	if err != nil {
		return nil, err
	}
	return admin.NewClient(path), nil
}

func (e *env) socket() (string, error) {
	if e.adminFlag != "" {
		return e.adminFlag, nil
	}
	if p := e.getenv("PORTICO_ADMIN"); p != "" {
		return p, nil
	}
	file, err := e.file(nil)
	if err != nil {
		return "", err
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", failed(fmt.Errorf("find the config file: %w", err))
	}
	if strings.HasPrefix(file, "/etc/") {
		if _, err := os.Stat(runSocket); err == nil {
			return runSocket, nil
		}
	}
	return config.SocketGuess(file, source{getenv: e.getenv}.options(e.Kinds)), nil
}

// explain adds to an error of the client what to do about it.
func (e *env) explain(err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return fmt.Errorf("%w; start it with `portico run`, or name its config file with --config or its socket with --admin", err)
	}
	return err
}
