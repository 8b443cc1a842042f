package chat

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"
)

const (
	subprotocol = "chat.v1.json"
	// lingerTime is how long the client has to take the close frame. Closing at
	// once, with its bytes unread, would reset the connection and lose it.
	lingerTime = time.Second
	readBuffer = 512 // for each connection; larger frames are read past it
)

// upgraders are two because gws refuses clients that offer no subprotocol where
// it has one to offer.
type upgraders struct{ plain, named *gws.Upgrader }

func newUpgraders() upgraders {
	option := func(protocols ...string) *gws.ServerOption {
		return &gws.ServerOption{
			ReadMaxPayloadSize: maxFrame,
			ParallelGolimit:    1, // a channel that is allocated and not used
			CheckUtf8Enabled:   true,
			HandshakeTimeout:   connectTimeout,
			SubProtocols:       protocols,
			Logger:             silence{},
			NewSession:         func() gws.SessionStorage { return new(attachment) },
		}
	}
	return upgraders{gws.NewUpgrader(events{}, option()), gws.NewUpgrader(events{}, option(subprotocol))}
}

// serveWS upgrades a request and returns; the connection lives on in a goroutine
// that reads, without the stack of the HTTP server.
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
	up := c.upgraders.plain
	if len(offered(r)) > 0 {
		up = c.upgraders.named
	}
	if !c.begin() {
		return errUnavailable
	}
	defer c.work.Done()
	raw, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return badRequest("a WebSocket needs HTTP/1.1 here")
	}
	conn := &lingering{Conn: raw}
	socket, err := up.UpgradeFromConn(conn, unread(conn, rw.Reader), r)
	if err != nil {
		c.log.Debug().Err(err).Msg("WebSocket handshake failed")
		return nil // gws answered and closed
	}
	t := &wsTransport{socket: socket, conn: conn}
	s := newSession(c, t)
	socket.Session().(*attachment).commander = &commander{s: s, ctx: c.ctx, header: header}
	c.open(s)
	done := c.env.Track(raw, s.drain)
	c.work.Go(func() {
		defer done()
		defer c.forget(s)
		readLoop(socket)
		conn.linger()
		s.leave()
	})
	c.wheel.add(s, time.Second)
	return nil
}

// readLoop is gws's. That one takes a frame's length for an int and panics where
// it is negative, as nobody may announce it (RFC 6455, section 5.2): that ends
// this connection, not the process.
func readLoop(socket *gws.Conn) {
	defer func() {
		if recover() != nil {
			s := socket.Session().(*attachment).commander.s
			s.close(closeProtocol, "a length above 2^63")
			<-s.done
		}
	}()
	socket.ReadLoop()
}

// unread returns a reader of what the HTTP server had read already and then of
// the connection. It does not hold on to the server's own reader and what hangs
// on that.
func unread(conn net.Conn, br *bufio.Reader) *bufio.Reader {
	n := br.Buffered()
	if n == 0 {
		return bufio.NewReaderSize(conn, readBuffer)
	}
	head, _ := br.Peek(n) // it is all there
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(slices.Clone(head)), conn), readBuffer)
}

// checkHandshake is RFC 6455 section 4.2.1, the Origin and the subprotocol.
func (c *Chat) checkHandshake(r *http.Request) error {
	h := r.Header
	if r.ProtoMajor != 1 || r.ProtoMinor == 0 || !hasToken(h, "Connection", "upgrade") || !hasToken(h, "Upgrade", "websocket") {
		return badRequest("this is a WebSocket: ask for it with Connection: Upgrade and Upgrade: websocket over HTTP/1.1")
	}
	if h.Get("Sec-WebSocket-Version") != "13" || h.Get("Sec-WebSocket-Key") == "" {
		return badRequest("Sec-WebSocket-Version must be 13, with a Sec-WebSocket-Key")
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

// wsTransport writes items as lines of text frames.
type wsTransport struct {
	socket *gws.Conn
	conn   *lingering
}

// maxFrameHead is the longest head of a frame that a server sends (RFC 6455,
// section 5.2): it does not mask.
const maxFrameHead = 10

// appendFrameHead writes the head of a text frame with n bytes.
func appendFrameHead(b []byte, n int) []byte {
	const finText = 0x81
	switch {
	case n < 126:
		return append(b, finText, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, finText, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(b, finText, 127), uint64(n))
}

// newEventItem makes the one frame of an event that all receivers are sent.
func newEventItem(cursor int64, data []byte) item {
	const before, after = `{"ev":`, `}`
	n := len(before) + len(data) + len(after)
	frame := appendFrameHead(make([]byte, 0, maxFrameHead+n), n)
	frame = append(append(append(frame, before...), data...), after...)
	end := len(frame) - len(after)
	return item{kind: itemEvent, cursor: cursor, data: frame[end-len(data) : end : end], frame: frame}
}

// write sends frames that are whole, in one call, past gws: its own frames, which
// answer pings and closes, come before or after, because a connection writes one
// call after the other.
func (t *wsTransport) write(batch []item) error {
	if err := t.conn.SetWriteDeadline(time.Now().Add(drainTimeout)); err != nil {
		return err
	}
	if len(batch) == 1 && batch[0].frame != nil {
		_, err := t.conn.Write(batch[0].frame)
		return err
	}
	buf := writeBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	for i := range batch {
		writeItem(buf, &batch[i])
	}
	_, err := t.conn.Write(buf.Bytes())
	if buf.Cap() <= 2*batchBytes {
		writeBuffers.Put(buf)
	}
	return err
}

// writeBuffers are for batches; a session that is idle has none.
var writeBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func writeItem(buf *bytes.Buffer, it *item) {
	line := it.data
	switch it.kind {
	case itemEvent:
		buf.Write(it.frame)
		return
	case itemSynced:
		line = fmt.Appendf(nil, `{"synced":{"cursor":%d}}`, it.cursor)
	case itemPing:
		line = []byte("{}")
	}
	var head [maxFrameHead]byte
	buf.Write(appendFrameHead(head[:0], len(line)))
	buf.Write(line)
}

func (t *wsTransport) keepalive() (time.Duration, bool) { return 0, true }

func (t *wsTransport) close(code int, reason string) {
	_ = t.conn.SetWriteDeadline(time.Now().Add(lingerTime))
	if err := t.socket.WriteClose(uint16(code), []byte(reason)); err != nil {
		t.abort()
	}
}

func (t *wsTransport) abort() { _ = t.conn.Conn.Close() }

// events are gws's callbacks; the state is in the connection's attachment.
type events struct{ gws.BuiltinEventHandler }

func (events) OnPing(socket *gws.Conn, payload []byte) {
	_ = socket.NetConn().SetWriteDeadline(time.Now().Add(drainTimeout))
	_ = socket.WritePong(payload)
}

func (events) OnMessage(socket *gws.Conn, msg *gws.Message) {
	defer msg.Close()
	c := socket.Session().(*attachment).commander
	defer func() { // as net/http does for a request: a mistake ends one connection
		if v := recover(); v != nil {
			c.s.chat.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("a command panicked")
			c.s.close(closeInternal, "internal error")
		}
	}()
	c.s.received()
	switch {
	case c.s.over():
	case msg.Opcode != gws.OpcodeText:
		c.s.close(closeUnsupported, "only text frames here")
	default:
		c.frame(msg.Bytes())
	}
}

// attachment ties a commander to gws's connection, in the place of a map.
type attachment struct {
	gws.SessionStorage
	commander *commander
}

type silence struct{}

func (silence) Error(...any) {}

// lingering is a connection whose Close lets the other side read what was
// written last: it ends our half and gives the other lingerTime.
type lingering struct {
	net.Conn
	once sync.Once
}

func (l *lingering) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		_ = l.Conn.SetReadDeadline(time.Now().Add(lingerTime))
		if half, ok := l.Conn.(interface{ CloseWrite() error }); ok {
			err = half.CloseWrite()
			return
		}
		err = l.Conn.Close()
	})
	return err
}

// linger reads and forgets what the client still sends, until it closes or its
// time is up, and closes the connection.
func (l *lingering) linger() {
	_ = l.Close()
	_, _ = io.Copy(io.Discard, l.Conn)
	_ = l.Conn.Close()
}
