package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/settings"
)

// maxSocketPath is the length of sun_path without its final NUL, on Linux; on
// other systems it is a few bytes less.
const maxSocketPath = 107

// parseAddress reads a listen address. file is the file that names it: a
// relative path of a unix socket is resolved against its folder. remedy says
// what is wrong and what to do; it is empty where all is well.
func parseAddress(s, file string) (addr Address, remedy string) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if path == "" {
			return Address{}, `The path is missing. Write "unix:/run/portico/web.sock".`
		}
		path = settings.Resolve(file, path)
		return Address{Network: "unix", Host: path}, checkSocketPath(path)
	}
	network := "tcp"
	if rest, ok := strings.CutPrefix(s, "udp:"); ok {
		network, s = "udp", rest
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, addressHint(s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Sprintf("%q is not a port. It is a number from 1 to 65535, or 0 for any free one.", port)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if host == "" {
		return Address{Network: network, Port: int(n)}, ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return Address{}, hostHint(host, port)
	}
	return Address{Network: network, Host: ip.Unmap().String(), Port: int(n)}, ""
}

func checkSocketPath(path string) (remedy string) {
	if len(path) > maxSocketPath {
		return fmt.Sprintf("The path has %d bytes, a unix socket at most %d. Choose a shorter one.", len(path), maxSocketPath)
	}
	if strings.ContainsRune(path, 0) {
		return "A path cannot contain a NUL byte."
	}
	return ""
}

func addressHint(s string) string {
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return fmt.Sprintf(`This is only a port. Write "127.0.0.1:%s" for this machine, or ":%s" for all of its addresses.`, s, s)
	}
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return fmt.Sprintf("The port is missing. Write %q.", net.JoinHostPort(ip.String(), "8080"))
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		return fmt.Sprintf("An address has no scheme. Write it without \"%s://\", like %q.", scheme, strings.TrimSuffix(rest, "/"))
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") {
		return fmt.Sprintf("For a unix socket write %q.", "unix:"+s)
	}
	return `Write host and port, like "127.0.0.1:3001" or ":443", or "unix:/path", or "udp::53".`
}

func hostHint(host, port string) string {
	if host == "*" {
		return fmt.Sprintf("For all addresses of the machine write \":%s\".", port)
	}
	if host == "tcp" || host == "http" || host == "https" {
		return fmt.Sprintf("An address has no scheme. Write \":%s\".", port)
	}
	return fmt.Sprintf("%q is not an IP address. Names are not looked up here, except localhost; "+
		"write the address, or \":%s\" for all addresses of the machine.", host, port)
}

// String writes the address as the file would.
func (a Address) String() string {
	switch a.Network {
	case "unix":
		return "unix:" + a.Host
	case "udp":
		return "udp:" + net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}

// Loopback reports whether only this machine reaches the address.
func (a Address) Loopback() bool {
	if a.Network == "unix" {
		return true
	}
	ip, err := netip.ParseAddr(a.Host)
	return err == nil && ip.IsLoopback()
}

// Overlaps reports whether a and b cannot both be listened on: they are the
// same, or on one port one of them stands for all addresses. An empty host
// stands for IPv4 and IPv6, 0.0.0.0 and :: for one of the two.
func (a Address) Overlaps(b Address) bool {
	if a.Network != b.Network {
		return false
	}
	if a.Network == "unix" || a.Host == b.Host {
		return a == b && (a.Network == "unix" || a.Port != 0)
	}
	if a.Port != b.Port || a.Port == 0 {
		return false
	}
	if a.Host == "" || b.Host == "" {
		return true
	}
	ipA, errA := netip.ParseAddr(a.Host)
	ipB, errB := netip.ParseAddr(b.Host)
	return errA == nil && errB == nil && ipA.Is4() == ipB.Is4() && (ipA.IsUnspecified() || ipB.IsUnspecified())
}
