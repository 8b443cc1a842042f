package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// maxSocketPath is what fits into the kernel's sockaddr_un everywhere (104 bytes
// on macOS, 108 on Linux), with the zero byte.
const maxSocketPath = 103

// An endpoint is where a child is told to listen, and where it is reached.
type endpoint struct {
	network, address string
	env              []string
	file             *os.File // with pass = "fd": the listening socket
	hold             *os.File // with pass = "port": keeps others from the port
	dir              string   // with pass = "socket": the folder that it lies in
}

// newEndpoint makes a place to listen for one child of cfg. With hold a port is
// kept for the child where the system has a way to.
func newEndpoint(cfg *Config, hold bool) (*endpoint, error) {
	switch cfg.Pass {
	case passSocket:
		return cfg.socketEndpoint()
	case passFD:
		return fdEndpoint()
	}
	return portEndpoint(hold)
}

// portEndpoint finds a port that is free now. One that is not held may be taken
// by somebody else before the child does; then the child ends, and the next start
// finds another one.
func portEndpoint(hold bool) (*endpoint, error) {
	ep := &endpoint{network: "tcp"}
	var port int
	var err error
	if hold {
		port, ep.hold, err = reserve()
	}
	if err != nil || ep.hold == nil {
		ln, err := loopback()
		if err != nil {
			return nil, err
		}
		port = ln.Addr().(*net.TCPAddr).Port
		if err := ln.Close(); err != nil {
			return nil, fmt.Errorf("let go of the port: %w", err)
		}
	}
	ep.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	ep.env = []string{"HOST=127.0.0.1", "PORT=" + strconv.Itoa(port)}
	return ep, nil
}

// socketEndpoint makes a folder that only the child's user and portico can enter.
// It is in the folder for temporary files because a path there is short.
func (c *Config) socketEndpoint() (*endpoint, error) {
	root := os.TempDir()
	if len(root) > maxSocketPath-len("/portico-1234567890/http") {
		root = "/tmp"
	}
	dir, err := os.MkdirTemp(root, "portico-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the socket: %w", err)
	}
	ep := &endpoint{network: "unix", address: filepath.Join(dir, "http"), dir: dir}
	ep.env = []string{"PORT=" + ep.address}
	if c.User != "" {
		if err := c.give(dir); err != nil {
			ep.close()
			return nil, err
		}
	}
	return ep, nil
}

// give makes a folder that of the program's user.
func (c *Config) give(dir string) error {
	who, err := user.Lookup(c.User)
	if err != nil {
		return fmt.Errorf("look up the user: %w", err)
	}
	cred, err := c.credential(who)
	if cred == nil || err != nil {
		return err
	}
	if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("give the folder of the socket to its user: %w", err)
	}
	return nil
}

// fdEndpoint listens. The socket outlives the child, so that connections wait
// for the next one.
func fdEndpoint() (*endpoint, error) {
	ln, err := loopback()
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	file, err := ln.File()
	if err != nil {
		return nil, fmt.Errorf("take the socket for the program: %w", err)
	}
	return &endpoint{network: "tcp", address: ln.Addr().String(), file: file, env: []string{"LISTEN_FDS=1"}}, nil
}

func loopback() (*net.TCPListener, error) {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	return ln, nil
}

// lasting reports whether the next child can be reached at the same place.
func (e *endpoint) lasting() bool { return e.file != nil }

// dialTimeout bounds a connection to a child, which is on this machine.
const dialTimeout = 5 * time.Second

func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	return d.DialContext(ctx, e.network, e.address)
}

// close gives back what the endpoint holds; nil holds nothing.
func (e *endpoint) close() {
	if e == nil {
		return
	}
	for _, f := range []*os.File{e.file, e.hold} {
		if f != nil {
			_ = f.Close()
		}
	}
	if e.dir != "" {
		_ = os.RemoveAll(e.dir)
	}
}
