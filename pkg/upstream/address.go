package upstream

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// An Address is where a server listens, and how it is spoken to.
type Address struct {
	Scheme  string // "tcp", "unix", "http", "https" or "h2c"
	Network string // "tcp" or "unix", as net.Dial takes it
	Addr    string // host:port, or the path of a socket
}

// String is the address in its one normal form. Parsing it gives it back.
func (a Address) String() string {
	switch a.Scheme {
	case "tcp":
		return a.Addr
	case "unix":
		return "unix:" + a.Addr
	}
	return a.Scheme + "://" + a.Addr
}

const maxUnixPath = 107 // bytes that a socket's address has room for, without its NUL

// ParseRaw reads the address of a server of any protocol: host:port, or
// unix:/path. The error is for people and says what to write.
func ParseRaw(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return unixAddress(path)
	}
	if scheme, _, ok := strings.Cut(s, "://"); ok {
		return Address{}, fmt.Errorf(`here bytes are passed on as they are, whatever they mean: leave out "%s://"`, scheme)
	}
	addr, err := hostPort(s, "")
	return Address{Scheme: "tcp", Network: "tcp", Addr: addr}, err
}

// ParseHTTP reads the address of an HTTP server: http://host[:port],
// https://host[:port], h2c://host[:port] for HTTP/2 without TLS, or unix:/path
// for HTTP/1 over a socket. The error is for people and says what to write.
func ParseHTTP(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return unixAddress(path)
	}
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		return Address{}, fmt.Errorf(`write how it is spoken to, such as "http://%s"`, s)
	case !slices.Contains([]string{"http", "https", "h2c"}, scheme):
		return Address{}, fmt.Errorf(`"%s://" is not known here; there are "http://", "https://", "h2c://" and "unix:/path"`, scheme)
	}
	host := strings.TrimSuffix(rest, "/")
	if strings.ContainsAny(host, "/?#@") {
		return Address{}, errors.New("only a host and a port may follow; what is sent to which path is the affair of strip_prefix and rewrite")
	}
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	addr, err := hostPort(host, port)
	return Address{Scheme: scheme, Network: "tcp", Addr: addr}, err
}

func unixAddress(path string) (Address, error) {
	switch {
	case !filepath.IsAbs(path):
		return Address{}, errors.New(`the path of a socket must be whole, as in "unix:/run/app.sock"`)
	case len(path) > maxUnixPath:
		return Address{}, fmt.Errorf("the path of a socket may have %d bytes at most", maxUnixPath)
	case strings.ContainsRune(path, 0):
		return Address{}, errors.New("a path cannot contain a NUL byte")
	}
	return Address{Scheme: "unix", Network: "unix", Addr: filepath.Clean(path)}, nil
}

// hostPort checks and completes host:port. Without a default, the port must be
// there.
func hostPort(s, port string) (string, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	host := bare
	if h, p, err := net.SplitHostPort(s); err == nil {
		host, port = h, p
	} else if port == "" || strings.Contains(bare, ":") && bare == s {
		return "", errors.New(`write host and port, as in "127.0.0.1:9000" or "[::1]:9000"`)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q is not a port; write a number from 1 to 65535", port)
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return !inHost(r) }) {
		return "", fmt.Errorf("%q is not the name or the IP address of a host", host)
	}
	return net.JoinHostPort(strings.ToLower(host), port), nil
}

// inHost is generous: names with underscores and IPv6 zones exist.
func inHost(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:%", r)
}
