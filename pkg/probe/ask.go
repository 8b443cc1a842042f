package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	maxBody = 1 << 20 // bytes of an answer that are read
	// settle is how long a connection has to stay open to count as accepted,
	// where the service owes no answer.
	settle = 250 * time.Millisecond
)

// dial connects, announces itself where the port wants a PROXY header, and
// ends with TLS where portico terminates that.
func (c *Check) dial(ctx context.Context) (net.Conn, error) {
	conn, err := c.dialPlain(ctx)
	if err != nil || !c.TLS {
		return conn, err
	}
	tc := tls.Client(conn, c.tlsConfig())
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return tc, nil
}

func (c *Check) dialPlain(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, c.Network, c.Address)
	if err != nil {
		return nil, err
	}
	if t, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(t)
	}
	if c.Proxy {
		if _, err := io.WriteString(conn, proxyHeader(conn)); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("PROXY header: %w", err)
		}
	}
	return conn, nil
}

// proxyHeader is version 1 of the PROXY protocol, with the connection's own
// addresses.
func proxyHeader(c net.Conn) string {
	from, ok1 := c.LocalAddr().(*net.TCPAddr)
	to, ok2 := c.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		return "PROXY UNKNOWN\r\n"
	}
	family := "TCP6"
	if from.IP.To4() != nil {
		family = "TCP4"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, from.IP, to.IP, from.Port, to.Port)
}

// tlsConfig does not ask who signed: certificates of internal authorities and
// self-signed ones are as good here. One that has expired is not.
func (c *Check) tlsConfig() *tls.Config {
	return &tls.Config{
		ServerName:         c.serverName(),
		NextProtos:         c.ALPN,
		InsecureSkipVerify: true, //nolint:gosec // what is checked is the port, see above
		VerifyConnection: func(cs tls.ConnectionState) error {
			leaf := cs.PeerCertificates[0]
			if now := time.Now(); now.After(leaf.NotAfter) {
				return &certError{fmt.Sprintf("the certificate of %s expired on %s", leaf.Subject.CommonName, leaf.NotAfter.Format(time.DateOnly))}
			} else if now.Before(leaf.NotBefore) {
				return &certError{fmt.Sprintf("the certificate of %s is valid only from %s", leaf.Subject.CommonName, leaf.NotBefore.Format(time.DateOnly))}
			}
			return nil
		},
	}
}

func (c *Check) serverName() string {
	if c.Name != "" {
		return c.Name
	}
	return "localhost"
}

// host is what the request names as its Host.
func (c *Check) host() string {
	if c.Name == "" {
		if c.Network == "unix" {
			return "localhost"
		}
		return c.Address
	}
	if _, port, err := net.SplitHostPort(c.Address); err == nil && c.Network == "tcp" {
		return net.JoinHostPort(c.Name, port)
	}
	return c.Name
}

func (c *Check) url() string {
	scheme := "http"
	if c.TLS {
		scheme = "https"
	}
	path := c.Path
	if path == "" {
		path = "/"
	}
	return scheme + "://" + c.host() + path
}

func (c *Check) askHTTP(ctx context.Context) (string, error) {
	t := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dialPlain(ctx) },
		TLSClientConfig:   c.tlsConfig(),
		DisableKeepAlives: true,
		Protocols:         new(http.Protocols),
	}
	t.TLSClientConfig.NextProtos = nil // follows from Protocols
	offers := func(p string) bool { return len(c.ALPN) == 0 || slices.Contains(c.ALPN, p) }
	t.Protocols.SetHTTP1(!c.HTTP2 && (!c.TLS || offers("http/1.1")))
	t.Protocols.SetHTTP2(c.TLS && offers("h2"))
	t.Protocols.SetUnencryptedHTTP2(c.HTTP2 && !c.TLS)
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", "portico-check")
	res, err := t.RoundTrip(req) // not a Client: a redirect is an answer
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	if err != nil {
		return "", fmt.Errorf("%s, but the body broke off after %d bytes: %w", res.Status, n, err)
	}
	return c.judge(res)
}

// judge decides whether a status is a good one.
func (c *Check) judge(res *http.Response) (string, error) {
	text := res.Proto + " " + res.Status
	good := res.StatusCode < 500
	if len(c.Probe.Status) > 0 && !c.Loose {
		good = slices.Contains(c.Probe.Status, res.StatusCode)
	}
	if !good {
		return "", &statusError{res.StatusCode, text}
	}
	return text, nil
}

// webSocketKey is the sample nonce of a check; RFC 6455 section 4.1 wants 16
// bytes in base64.
const webSocketKey = "cG9ydGljbyBjaGVjayBvaw=="

func (c *Check) askWebSocket(ctx context.Context) (string, error) {
	if c.TLS && c.ALPN == nil {
		c.ALPN = []string{"http/1.1"}
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(), nil)
	if err != nil {
		return "", err
	}
	for k, v := range webSocketHeaders() {
		req.Header.Set(k, v)
	}
	if err := req.Write(conn); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		return "", &statusError{res.StatusCode, res.Status + " instead of a WebSocket"}
	}
	sum := sha1.Sum([]byte(webSocketKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 4.2.2
	if res.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return "", &wrongError{"the handshake was answered with a wrong Sec-WebSocket-Accept"}
	}
	// A close frame, masked with zeros, code 1000 (RFC 6455 section 5.5.1).
	_, _ = conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8})
	return "WebSocket open", nil
}

func webSocketHeaders() map[string]string {
	return map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": webSocketKey,
	}
}

func (c *Check) askRaw(ctx context.Context) (string, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := conn.Write(c.Probe.Send); err != nil {
		return "", err
	}
	if len(c.Probe.Expect) == 0 {
		return c.staysOpen(conn)
	}
	got := make([]byte, len(c.Probe.Expect))
	n, err := io.ReadFull(conn, got)
	if !bytes.Equal(got[:n], c.Probe.Expect[:n]) {
		return "", &wrongError{fmt.Sprintf("answered %q where %q was expected", got[:n], c.Probe.Expect)}
	}
	if err != nil {
		return "", fmt.Errorf("answered only %q of %q: %w", got[:n], c.Probe.Expect, err)
	}
	return fmt.Sprintf("%d bytes as expected", n), nil
}

func (c *Check) askConnect(ctx context.Context) (string, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return c.staysOpen(conn)
}

// staysOpen waits a moment for an answer or an end. Silence is as good as an
// answer: the service owes none.
func (c *Check) staysOpen(conn net.Conn) (string, error) {
	_ = conn.SetReadDeadline(time.Now().Add(settle))
	b := make([]byte, 512)
	n, err := conn.Read(b)
	switch {
	case n > 0:
		return "connected, " + quote(b[:n]), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "connected", nil
	case errors.Is(err, io.EOF):
		return "", errAtOnce
	}
	return "", err
}

// openings are the first bytes of protocols that the splitter knows.
var openings = map[string]string{
	"ssh":      "SSH-2.0-portico_check\r\n",
	"postgres": "\x00\x00\x00\x08\x04\xd2\x16\x2f",             // SSLRequest
	"mqtt":     "\x10\x0c\x00\x04MQTT\x04\x02\x00\x05\x00\x00", // CONNECT, 3.1.1, clean session
	"socks5":   "\x05\x01\x00",                                 // one method: none
}

// askOpening speaks the first bytes of a protocol, so that the route takes the
// connection, and is content with any answer.
func (c *Check) askOpening(ctx context.Context) (string, error) {
	if c.Opening == "tls" {
		return c.askTLS(ctx)
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, openings[c.Opening]); err != nil {
		return "", err
	}
	return c.staysOpen(conn)
}

// askTLS begins a handshake with the service itself. One that answers
// otherwise, as an echo does, was reached all the same.
func (c *Check) askTLS(ctx context.Context) (string, error) {
	conn, err := c.dialPlain(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	seen := &counter{Conn: conn}
	tc := tls.Client(seen, c.tlsConfig())
	err = tc.HandshakeContext(ctx)
	switch {
	case err == nil:
		return tls.VersionName(tc.ConnectionState().Version) + " with the service itself", nil
	case seen.n > 0:
		return fmt.Sprintf("%d bytes, but no TLS", seen.n), nil
	}
	return "", fmt.Errorf("TLS handshake with the service itself: %w", err)
}

// A counter counts what arrives.
type counter struct {
	net.Conn
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n += n
	return n, err
}

// quote shows the beginning of an answer on one line.
func quote(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 60)]), "\n")
	return fmt.Sprintf("%q", strings.TrimRight(line, "\r"))
}

// explain says what went wrong and, where it can be known, why.
func explain(ctx context.Context, err error, timeout time.Duration) string {
	var ne net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused: nobody listens there"
	case errors.Is(err, os.ErrNotExist):
		return "there is no such socket"
	case errors.Is(err, os.ErrPermission):
		return "the socket's mode does not let this user in"
	case ctx.Err() != nil, errors.As(err, &ne) && ne.Timeout():
		return fmt.Sprintf("no answer within %v", timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed without an answer: " + err.Error()
	case errors.Is(err, syscall.ECONNRESET):
		return "the connection was reset"
	}
	return err.Error()
}
