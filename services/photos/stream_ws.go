package photos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/services/photos/entity"
)

const (
	maxFrame      = 4 << 10 // bytes that a client sends at a time
	handshakeTime = 10 * time.Second
	// lingerTime is how long the client has to take the close frame. Closing at
	// once, with its bytes unread, would reset the connection and lose it.
	lingerTime = time.Second
	readBuffer = 512 // for each connection; larger frames are read past it
	// silenceTime is how long a client says nothing, be it the answer to a ping.
	silenceTime = 4 * heartbeat
)

// newUpgrader offers the subprotocol that the client named, which is its token.
func newUpgrader(protocol string) *gws.Upgrader {
	o := &gws.ServerOption{
		ReadMaxPayloadSize: maxFrame,
		ParallelGolimit:    1, // a channel that is allocated and not used
		CheckUtf8Enabled:   true,
		HandshakeTimeout:   handshakeTime,
		Logger:             silence{},
		NewSession:         func() gws.SessionStorage { return new(attachment) },
	}
	if protocol != "" {
		o.SubProtocols = []string{protocol}
	}
	return gws.NewUpgrader(socketEvents{}, o)
}

// serveSocket upgrades a request and returns; two goroutines of the service go
// on, one that reads and one that writes.
func (p *Photos) serveSocket(w http.ResponseWriter, r *http.Request) error {
	h := r.Header
	if r.ProtoMajor != 1 || r.ProtoMinor == 0 || !hasToken(h, "Connection", "upgrade") {
		return badRequest("a WebSocket needs HTTP/1.1 and Connection: Upgrade")
	}
	if h.Get("Sec-WebSocket-Version") != "13" || h.Get("Sec-WebSocket-Key") == "" {
		return badRequest("Sec-WebSocket-Version must be 13, with a Sec-WebSocket-Key")
	}
	token, protocol := streamToken(r)
	l, v, err := p.listen(w, r, token)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if name := q.Get("stream"); name != "" {
		s, err := p.open(r.Context(), v, name, q.Get("tag"), q.Get("list"))
		if err == nil {
			err = l.subscribe(s)
		}
		if err != nil {
			return err
		}
	}
	if err := p.attend(r.Context(), l.listener); err != nil {
		return err
	}
	if err := p.upgrade(w, r, l, protocol); err != nil {
		p.hub.leave(l.listener)
		return err
	}
	return nil
}

func (p *Photos) upgrade(w http.ResponseWriter, r *http.Request, l *listening, protocol string) error {
	raw, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return badRequest("a WebSocket needs HTTP/1.1 here")
	}
	conn := &lingering{Conn: raw}
	socket, err := newUpgrader(protocol).UpgradeFromConn(conn, unread(conn, rw.Reader), r)
	if err != nil {
		p.log.Debug().Err(err).Msg("WebSocket handshake failed")
		p.hub.leave(l.listener)
		return nil // gws answered and closed
	}
	l.out = &socketStream{socket: socket, conn: conn}
	socket.Session().(*attachment).l = l
	done := p.track(raw, l.listener)
	p.streams.Go(func() { // writes
		code := l.run(p.ctx)
		l.out.close(code, reasonOf(code))
	})
	p.streams.Go(func() { // reads
		defer done()
		defer p.hub.leave(l.listener)
		readLoop(socket)
		l.end(endGone)
		conn.linger()
	})
	return nil
}

// readLoop is gws's. That one takes a frame's length for an int and panics where
// it is negative, as nobody may announce it (RFC 6455, section 5.2): that ends
// this connection, not the process.
func readLoop(socket *gws.Conn) {
	defer func() {
		if recover() != nil {
			_ = socket.WriteClose(1002, []byte("a length above 2^63"))
		}
	}()
	socket.ReadLoop()
}

// unread returns a reader of what the HTTP server had read already and then of
// the connection.
func unread(conn net.Conn, br *bufio.Reader) *bufio.Reader {
	n := br.Buffered()
	if n == 0 {
		return bufio.NewReaderSize(conn, readBuffer)
	}
	head, _ := br.Peek(n) // it is all there
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(slices.Clone(head)), conn), readBuffer)
}

// socketEvents are gws's callbacks; the state is in the connection's attachment.
type socketEvents struct{ gws.BuiltinEventHandler }

func (socketEvents) OnOpen(socket *gws.Conn) { alive(socket) }

func (socketEvents) OnPong(socket *gws.Conn, _ []byte) { alive(socket) }

// alive gives the client time to be heard of again.
func alive(socket *gws.Conn) { _ = socket.NetConn().SetReadDeadline(time.Now().Add(silenceTime)) }

func (socketEvents) OnPing(socket *gws.Conn, payload []byte) {
	alive(socket)
	_ = socket.NetConn().SetWriteDeadline(time.Now().Add(streamWait))
	_ = socket.WritePong(payload)
}

func (socketEvents) OnMessage(socket *gws.Conn, msg *gws.Message) {
	defer msg.Close()
	l := socket.Session().(*attachment).l
	defer func() { // as net/http does for a request: a mistake ends one connection
		if v := recover(); v != nil {
			l.p.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("a streaming command panicked")
			l.end(1011)
		}
	}()
	alive(socket)
	if msg.Opcode == gws.OpcodeText {
		l.command(l.p.ctx, msg.Bytes())
	}
}

// attachment ties a listener to gws's connection, in the place of a map.
type attachment struct {
	gws.SessionStorage
	l *listening
}

type silence struct{}

func (silence) Error(...any) {}

// command does what a frame of the client asks for. What it cannot read it
// ignores, as Mastodon does; who asks for what is not to be had is told so.
func (l *listening) command(ctx context.Context, frame []byte) {
	var cmd entity.StreamCommand
	if json.Unmarshal(frame, &cmd) != nil || cmd.Type != "subscribe" && cmd.Type != "unsubscribe" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	v, err := l.viewer(ctx)
	var s stream
	if err == nil {
		s, err = l.p.open(ctx, v, cmd.Stream, cmd.Tag, string(cmd.List))
	}
	switch {
	case err != nil:
	case cmd.Type == "subscribe":
		err = l.subscribe(s)
	default:
		l.unsubscribe(s)
	}
	if err != nil {
		pr, _ := problemOf(err)
		if text, err := marshal(entity.StreamError{Error: pr.body.Error, Status: pr.status}); err == nil {
			_ = l.out.tell(text)
		}
	}
}

// A socketStream writes frames.
type socketStream struct {
	socket *gws.Conn
	conn   *lingering
}

func (s *socketStream) write(st stream, event, payload string) error {
	f := entity.StreamFrame{Stream: st.labels(), Event: event, Payload: &payload}
	if event == "filters_changed" {
		f.Payload = nil
	}
	text, err := marshal(f)
	if err != nil {
		return err
	}
	return s.tell(text)
}

// tell may be called by both goroutines: gws writes one frame after the other.
func (s *socketStream) tell(text string) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(streamWait)); err != nil {
		return err
	}
	return s.socket.WriteMessage(gws.OpcodeText, []byte(text))
}

func (s *socketStream) thump() error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(streamWait))
	return s.socket.WritePing(nil)
}

func (s *socketStream) close(code int, reason string) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(lingerTime))
	if err := s.socket.WriteClose(uint16(code), []byte(reason)); err != nil {
		_ = s.conn.Conn.Close()
	}
}

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
