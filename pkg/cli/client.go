package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/config"
)

// runSocket is the socket of a portico that systemd started.
const runSocket = "/run/portico/admin.sock"

// withDaemon calls fn with the daemon at the socket that is meant and, where nobody
// answers there, once more with the one that runs the file elsewhere: the file may
// name another socket or folder than it did when the daemon started.
func (e *env) withDaemon(fn func(*admin.Client) error) error {
	path, file, err := e.socket()
	if err != nil {
		return err
	}
	err = fn(admin.NewClient(path))
	if file != "" && errors.Is(err, admin.ErrNotRunning) {
		if c := e.daemonOf(file); c != nil {
			fmt.Fprintf(e.Err, "portico: nobody answers at %s, where %s has the socket now; the daemon that runs it answers at %s\n", path, file, c.Path())
			err = fn(c)
		}
	}
	return failedUnlessUsage(e.explain(err))
}

// socket is the daemon's socket: --admin, $PORTICO_ADMIN, the packaged place where
// the file is below /etc, else what a tolerant look into the file finds. The file
// may be broken: that is when one needs the daemon. It is empty where the socket
// itself was named.
func (e *env) socket() (path, file string, err error) {
	if e.adminFlag != "" {
		return e.adminFlag, "", nil
	}
	if p := e.getenv("PORTICO_ADMIN"); p != "" {
		return p, "", nil
	}
	if file, err = e.file(nil); err != nil {
		return "", "", err
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", "", failed(fmt.Errorf("find the config file: %w", err))
	}
	if strings.HasPrefix(file, "/etc/") {
		if _, err := os.Stat(runSocket); err == nil {
			return runSocket, file, nil
		}
	}
	return config.SocketGuess(file, source{getenv: e.getenv}.options(e.Kinds)), file, nil
}

// findTime bounds the search for the daemon that runs a file.
const findTime = 10 * time.Second

// daemonOf is the daemon that runs the file, wherever it listens; nil if there is
// none, or none that we may ask. Anybody can say that of himself, and is told
// passwords then: it has to be ours, root's, or that of the user who has the data.
func (e *env) daemonOf(file string) *admin.Client {
	trusted := []int{0, os.Geteuid()}
	dir := config.DataDirGuess(file, source{getenv: e.getenv}.options(e.Kinds))
	if uid, ok := userOf(dir); ok {
		trusted = append(trusted, uid)
	}
	trusts := func(uid int) bool { return slices.Contains(trusted, uid) }
	ctx, cancel := context.WithTimeout(context.Background(), findTime)
	defer cancel()
	for _, path := range listeningSockets(trusts) {
		c := admin.NewClientOf(path, trusts)
		if s, err := c.Status(ctx); err == nil && s.File == file {
			return c
		}
	}
	return nil
}

// userOf is the user who owns what is at path.
func userOf(path string) (uid int, ok bool) {
	fi, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// explain adds to an error of the client what to do about it.
func (e *env) explain(err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return fmt.Errorf("%w; start it with `portico run`, or name its config file with --config or its socket with --admin", err)
	}
	return err
}
