package probe

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/service"
)

// curl is a command line that does what the check does, for people who want to
// see for themselves.
func (c *Check) curl(timeout time.Duration) string {
	switch c.Probe.Kind {
	case service.ProbeHTTP:
		return c.curlHTTP(nil)
	case service.ProbeWebSocket:
		// What follows the handshake never ends by itself.
		extra := []string{"-N", "--http1.1", "-m", seconds(min(timeout, 2*time.Second))}
		h := webSocketHeaders()
		for _, k := range []string{"Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"} {
			extra = append(extra, "-H", quoteShell(k+": "+h[k]))
		}
		return c.curlHTTP(extra)
	}
	return c.curlRaw()
}

func (c *Check) curlHTTP(extra []string) string {
	args := []string{"curl", "-i"}
	if c.TLS {
		// Who signed is not what is looked at, as in the check itself.
		args = append(args, "-k")
	}
	if c.HTTP2 && !c.TLS {
		args = append(args, "--http2-prior-knowledge")
	}
	if c.Proxy {
		args = append(args, "--haproxy-protocol")
	}
	args = append(args, extra...)
	if c.Network == "unix" {
		args = append(args, "--unix-socket", quoteShell(c.Address))
	} else if host, port, err := net.SplitHostPort(c.Address); err == nil && c.Name != "" {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		args = append(args, "--resolve", c.Name+":"+port+":"+host)
	}
	return strings.Join(append(args, quoteShell(c.url())), " ")
}

func (c *Check) curlRaw() string {
	send := string(c.Probe.Send)
	if c.Opening != "" {
		send = openings[c.Opening]
	}
	if c.TLS || c.Opening == "tls" {
		// Without a limit it waits for the other side to end.
		line := "timeout 2 openssl s_client -quiet -connect " + c.Address + " -servername " + c.serverName()
		if len(c.ALPN) > 0 {
			line += " -alpn " + quoteShell(strings.Join(c.ALPN, ","))
		}
		if send != "" {
			return "printf " + quotePrintf(send) + " | " + line
		}
		return line + " </dev/null"
	}
	line := "curl -s -m 1 telnet://" + c.Address
	if c.Network == "unix" {
		line = "curl -s -m 1 --unix-socket " + quoteShell(c.Address) + " telnet://localhost"
	}
	if send == "" {
		return line + " </dev/null"
	}
	return "printf " + quotePrintf(send) + " | " + line
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g", d.Seconds()) }

// quoteShell quotes s for sh where that is needed.
func quoteShell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/:.,_-@%+=", r)
	}
	if s != "" && !slices.ContainsFunc([]rune(s), func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// quotePrintf writes bytes as the format of printf(1).
func quotePrintf(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '%':
			b.WriteString("%%")
		case c == '\\':
			b.WriteString(`\\`)
		case c == '\'' || c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return "'" + b.String() + "'"
}
