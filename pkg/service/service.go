// Package service is the contract between the daemon and the kinds of service
// that it runs. It knows nothing of sockets, routes or files: a kind depends on
// this package and on leaves, never on the daemon.
package service

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// A Service is one running instance of a kind. It is also an http.Handler, a
// ConnHandler, or both.
//
// The daemon calls Close once, after the last request returned and the last
// connection ended or their time was up. Close releases everything the service
// holds, its data folder too: a later Open of the same folder must succeed.
type Service interface {
	io.Closer
}

// A ConnHandler is handed raw connections. It owns c and must close it before
// it returns. ctx ends when time is up for the connection: because the service
// was removed or the daemon stops. Where c has NetConn() net.Conn, what that
// returns is the kernel's socket itself (*net.TCPConn or *net.UnixConn), fit for
// splice and half-close.
type ConnHandler interface {
	ServeConn(ctx context.Context, c net.Conn)
}

// A LeanHandler is a ConnHandler that needs no *net.TCPConn: it reads and writes c, or
// has its descriptor. Where nobody else is behind a listener, what NetConn returns may
// be a *lean.Conn, which costs less to accept and to close.
type LeanHandler interface {
	ConnHandler
	TakesLean()
}

// A PacketHandler is handed the packets of one UDP peer as a connection: each
// Read is one packet, cut off where it is longer than the buffer (64 KiB holds
// all), each Write sends one. Nothing says when the peer is gone, so it ends the
// connection when nothing has come for a while. Otherwise it is a ConnHandler.
type PacketHandler interface {
	ServePackets(ctx context.Context, c net.Conn)
}

// A Type describes a kind of service with configuration C, whose instances are
// of type S. Whether instances speak HTTP, raw bytes or both is read off S
// before one is opened.
//
// A Type must be comparable: its fields are what services of the kind depend on
// (an account directory, say), and they take part in the decision whether a
// service survives a reload as it is.
//
// C is plain data, decoded by package settings over Default: no functions, no
// HCL values. Two equal configurations must behave alike. If *C has
// Validate() error, it is called after decoding; see settings.Validator.
type Type[C any, S Service] interface {
	// Kind is the first label of the service block: service "chat" "lobby" {}.
	Kind() string
	// Default is the configuration that a block is decoded over.
	Default() C
	// Open starts an instance. ctx ends just before Close is called; work in
	// the background ends with it. An error is shown to people as it is. Where
	// IsAway of it, the daemon may call Open again, until it works.
	Open(ctx context.Context, env Env, cfg C) (S, error)
}

// IsAway reports whether an error of Open says that something outside is away, such
// as a database server, without which the service cannot be opened: whether there
// is an error with Away() bool in its chain, which returns true.
func IsAway(err error) bool {
	var e interface{ Away() bool }
	return errors.As(err, &e) && e.Away()
}

// Env is what the daemon lends to a service for its life.
type Env struct {
	// Kind and Name are the two labels of the block. Together they are unique.
	Kind, Name string
	// Log carries the service's label already.
	Log zerolog.Logger
	// Dir is the service's private folder, data_dir/<kind>/<name>. It may not
	// exist yet; who needs it makes it, with mode 0700. No other instance has
	// it open.
	Dir string
	// Track registers something long-lived, that a handler that waits for its
	// requests to end would not see or would wait for in vain: a WebSocket
	// after its handler returned, an event stream, a long poll. c is its
	// connection, or nil where a handler still holds it. drain is called at
	// most once, in a goroutine of its own, when the service is asked to come
	// to an end: with 1001 (going away) when it was removed, 1012 (service
	// restart) when the daemon stops. It should end the connection politely
	// and soon. done tells the daemon that it ended; it may be called more
	// than once. Where the drain time is over, c is closed.
	Track func(c net.Conn, drain func(code int)) (done func())
}

// Label is how the service is named in logs and metrics: kind.name.
func (e Env) Label() string { return e.Kind + "." + e.Name }

// An Updater takes a new, already validated configuration without giving up its
// state or its connections. It cannot fail. Kinds that hold something that only
// one instance can hold (a database, a child process) must have it; a service
// of another kind is replaced by a new instance when its configuration changes.
type Updater[C any] interface {
	Update(cfg C)
}

// A Checker reports whether the service can do its work now; nil means ready.
// It must answer within ctx.
type Checker interface {
	Check(ctx context.Context) error
}

// ErrStarting is in what a Checker says of a service that needs nothing but time:
// who asks may wait.
var ErrStarting = errors.New("still starting")

// A Metered service has metrics of its own, named portico_<kind>_.... The daemon
// registers them with the label service="kind.name" while the service lives.
type Metered interface {
	Collectors() []prometheus.Collector
}

// A FirstSpeaker is a Type whose services may speak before the client does
// (SMTP, SSH). A client that stays silent is handed to such a service at once
// where it is the only one that a listener has.
type FirstSpeaker[C any] interface {
	SpeaksFirst(cfg C) bool
}

// A Prober is a Type that knows what `portico check` should send to its
// services. Without one, HTTP services get GET / and raw ones a connection.
type Prober[C any] interface {
	Probe(cfg C) Probe
}

// A Signer is a Type whose services answer more to signed addresses. Sign
// returns address, a URL or only its path and query, with the signature of a
// service of cfg. From expires on, unless that is zero, it is refused.
type Signer[C any] interface {
	Sign(cfg C, address string, expires time.Time) (string, error)
}

// Needs is what services of a configuration take of the machine, beyond their Dir
// and the paths among their settings, that it may not grant.
type Needs struct {
	// User is who a service becomes. Who runs as that user anyway needs none of
	// Capabilities.
	User string
	// Capabilities are the names, such as CAP_SETUID, of those that this takes.
	Capabilities []string
	// Files are read or run, absolute.
	Files []string
	// Remedy is what else to do than to grant them, as a sentence; may be empty.
	Remedy string
}

// A Needer is a Type whose services have Needs.
type Needer[C any] interface {
	Needs(cfg C) Needs
}

// ProbeKind says how a Probe speaks.
type ProbeKind string

const (
	ProbeHTTP      ProbeKind = "http"      // GET Path, any status below 500 or one of Status
	ProbeWebSocket ProbeKind = "websocket" // a handshake at Path
	ProbeRaw       ProbeKind = "raw"       // Send, then Expect as the first bytes of the answer
	ProbeConnect   ProbeKind = "connect"   // only a connection
)

// A Probe is a request that shows whether a service answers.
type Probe struct {
	Kind   ProbeKind
	Path   string // of an HTTP request or WebSocket handshake; "/" if empty
	Status []int  // statuses that count as good; empty: every one below 500
	Send   []byte // raw only
	Expect []byte // raw only
}

// MaxRecord bounds the record of a Frozen, in bytes.
const MaxRecord = 16 << 10

// A Frozen is a connection on its way to the next process.
type Frozen struct {
	// Conn is what the service was handed, by Hijack or ServeConn. The daemon
	// copies its descriptor before give returns; then the service closes it.
	Conn net.Conn
	// Record is what Thaw needs to go on, at most MaxRecord bytes. It should
	// begin with a version.
	Record []byte
	// Farewell is written to the client if nobody goes on with it, before the
	// connection is closed: of a WebSocket, a close frame with 1012.
	Farewell []byte
}

// A Freezer is a service whose connections can go on in the next process, so
// that their clients do not notice a restart. Where there is somebody to keep
// them, the daemon asks when it stops, and asks with 1012 only those to end that
// cannot be frozen.
type Freezer interface {
	// Freezes reports whether Freeze may take c, which was given to Track, now
	// or a little later. It must not block.
	Freezes(c net.Conn) bool
	// Freeze takes connections out of the service without a word to their
	// clients, gives each, and closes it. It waits for those that are amid
	// something until ctx ends; they stay as they are. It may be called again,
	// for those that came since. give may be called from several goroutines.
	Freeze(ctx context.Context, give func(Frozen))
	// Thaw goes on with a connection that a service of this kind and name has
	// frozen. It does not wait for the client. Where it returns an error c is
	// untouched and the caller's.
	Thaw(c net.Conn, record []byte) error
}
