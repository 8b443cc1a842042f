package echo

import (
	"net/http"
	"strings"
	"time"

	"github.com/lxzan/gws"
)

// writeTimeout is how long a client may take to accept one message.
const writeTimeout = 10 * time.Second

// idleTimer is the key of a connection's *time.Timer in its session.
const idleTimer = "idle"

func wantsWebSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// serveWebSocket takes the connection and returns, so that the memory of the
// request is given back; a goroutine of its own reads.
func (s *Service) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 || r.ProtoMinor == 0 {
		http.Error(w, "WebSockets need HTTP/1.1 here", http.StatusBadRequest)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.env.Log.Debug().Err(err).Msg("take over the connection")
		http.Error(w, "WebSockets are not possible on this connection", http.StatusInternalServerError)
		return
	}
	// The deadlines of the HTTP server do not hold for what the connection is now.
	_ = conn.SetDeadline(time.Time{})
	socket, err := s.now.Load().upgrader.UpgradeFromConn(conn, rw.Reader, r)
	if err != nil {
		s.env.Log.Debug().Err(err).Msg("WebSocket handshake") // it has answered and closed
		return
	}
	idle := time.AfterFunc(s.now.Load().IdleTimeout, func() { s.end(socket, 1001, "idle") })
	socket.Session().Store(idleTimer, idle)
	done := s.env.Track(conn, func(code int) { s.end(socket, code, "") })
	go func() {
		defer done()
		defer idle.Stop()
		s.read(socket)
	}()
}

// read serves the connection until it ends. gws takes a frame's length for an
// int and panics where it is negative, as nobody may announce it (RFC 6455,
// section 5.2): that ends this connection, not the process.
func (s *Service) read(socket *gws.Conn) {
	defer func() {
		if v := recover(); v != nil {
			s.env.Log.Debug().Any("panic", v).Msg("read a frame")
			s.end(socket, 1002, "")
			_ = socket.NetConn().Close()
		}
	}()
	socket.ReadLoop()
}

// end closes the WebSocket with a reason. It is safe at any time.
func (s *Service) end(socket *gws.Conn, code int, reason string) {
	_ = socket.NetConn().SetWriteDeadline(time.Now().Add(writeTimeout))
	_ = socket.WriteClose(uint16(code), []byte(reason))
}

// alive notes that the client said something, and gives it time to accept the
// answer.
func (s *Service) alive(socket *gws.Conn) {
	if idle, ok := socket.Session().Load(idleTimer); ok {
		idle.(*time.Timer).Reset(s.now.Load().IdleTimeout)
	}
	_ = socket.NetConn().SetWriteDeadline(time.Now().Add(writeTimeout))
}

// OnOpen implements gws.Event.
func (s *Service) OnOpen(*gws.Conn) {}

// OnClose implements gws.Event.
func (s *Service) OnClose(*gws.Conn, error) {}

// OnPing implements gws.Event: a pong carries what the ping did (RFC 6455,
// section 5.5.3).
func (s *Service) OnPing(socket *gws.Conn, payload []byte) {
	s.alive(socket)
	_ = socket.WritePong(payload)
}

// OnPong implements gws.Event.
func (s *Service) OnPong(socket *gws.Conn, _ []byte) { s.alive(socket) }

// OnMessage implements gws.Event: the message comes back with its type.
func (s *Service) OnMessage(socket *gws.Conn, m *gws.Message) {
	defer m.Close()
	s.alive(socket)
	_ = socket.WriteMessage(m.Opcode, m.Bytes())
}

// discard keeps gws off the process's standard logger.
type discard struct{}

// Error implements gws.Logger.
func (discard) Error(...any) {}
