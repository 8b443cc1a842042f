package chat

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// subprotocol is the only one.
const subprotocol = "chat.v1.json"

// serveWS upgrades a request and returns; the connection lives on without the
// stack of the HTTP server.
func (c *Chat) serveWS(w http.ResponseWriter, r *http.Request) error {
	if err := c.checkHandshake(r); err != nil {
		return err
	}
	var header *identity
	if r.Header.Get("Authorization") != "" {
		var err error
		if header, err = c.authenticate(r.Context(), bearer(r)); err != nil {
			return err
		}
	}
	if !c.begin() {
		return errUnavailable
	}
	defer c.work.Done()
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return badRequest("a WebSocket needs HTTP/1.1 here")
	}
	// It may have come with the request. The HTTP server's reader is let go.
	head, _ := rw.Reader.Peek(rw.Reader.Buffered())
	head = bytes.Clone(head)
	if err := switchProtocols(conn, r); err != nil {
		c.log.Debug().Err(err).Msg("WebSocket handshake failed")
		_ = conn.Close()
		return nil
	}
	t := newWSConn(c, conn, header)
	c.open(t.cmd.s)
	t.tracked(c.env.Track(t, t.cmd.s.drain))
	c.wheel.add(t.cmd.s, time.Second)
	t.begin(head)
	return nil
}

// switchProtocols answers the handshake (RFC 6455, section 4.2.2).
func switchProtocols(conn net.Conn, r *http.Request) error {
	const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + magic))
	b := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if len(offered(r)) > 0 {
		b = append(b, "Sec-WebSocket-Protocol: "+subprotocol+"\r\n"...)
	}
	if err := conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(append(b, "\r\n"...)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// checkHandshake is RFC 6455 section 4.2.1, the Origin and the subprotocol.
func (c *Chat) checkHandshake(r *http.Request) error {
	h := r.Header
	if r.ProtoMajor != 1 || r.ProtoMinor == 0 || !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket") {
		return badRequest("this is a WebSocket: ask for it with Connection: Upgrade and Upgrade: websocket over HTTP/1.1")
	}
	key, err := base64.StdEncoding.DecodeString(h.Get("Sec-WebSocket-Key"))
	if h.Get("Sec-WebSocket-Version") != "13" || err != nil || len(key) != 16 {
		return badRequest("Sec-WebSocket-Version must be 13, with a Sec-WebSocket-Key of 16 bytes in base64")
	}
	if !c.originAllowed(r) {
		return &Error{Code: CodeForbidden, Message: "pages of this origin may not connect; allowed_origins names those that may"}
	}
	if protocols := offered(r); len(protocols) > 0 && !slices.Contains(protocols, subprotocol) {
		return badRequest("the subprotocol here is " + subprotocol)
	}
	return nil
}

// originAllowed compares the Origin, which only browsers send, with the Host
// and the configuration.
func (c *Chat) originAllowed(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	origin := values[0]
	if len(values) > 1 || origin == "null" {
		return false
	}
	if c.originListed(origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(hostPort(u.Host, u.Scheme), hostPort(r.Host, u.Scheme))
}

func (c *Chat) originListed(origin string) bool {
	return slices.ContainsFunc(c.config().AllowedOrigins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// hostPort takes the scheme's own port off a host.
func hostPort(host, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func offered(r *http.Request) []string {
	var list []string
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(v, ",") {
			if p = strings.TrimSpace(p); p != "" {
				list = append(list, p)
			}
		}
	}
	return list
}

func hasToken(h http.Header, name, token string) bool {
	for _, v := range h.Values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
