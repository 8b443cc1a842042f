package mux

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Protocol is what the first bytes of a connection speak.
type Protocol string

// The protocols that portico tells apart.
const (
	Unknown  Protocol = ""       // none of the below
	Silent   Protocol = "silent" // nothing was sent before the deadline
	HTTP1    Protocol = "http1"
	HTTP2    Protocol = "http2" // the preface of RFC 9113 section 3.4, prior knowledge
	HTTP3    Protocol = "http3" // over QUIC: never classified
	UDP      Protocol = "udp"   // packets: never classified
	TLS      Protocol = "tls"
	SSH      Protocol = "ssh"
	Postgres Protocol = "postgres"
	MQTT     Protocol = "mqtt"
	SOCKS5   Protocol = "socks5"
)

// Verdict is what classifying a connection found out.
type Verdict struct {
	Protocol Protocol
	SNI      string   // server_name of the ClientHello, lower case
	ALPN     []string // protocols that the ClientHello offers
	Host     string   // not from classification; see route
}

// Look says whether a port has to look at the bytes at all.
type Look uint8

const (
	LookSplit Look = iota // classify every connection
	LookHTTP              // everything is HTTP (inside TLS, if the policy has it)
	LookRaw               // everything goes to Choose's raw handler unseen
)

// Choice is what a Policy does with one connection.
type Choice struct {
	// HTTP hands the connection to the port's HTTP server.
	HTTP bool
	// Raw is handed the connection where HTTP is false. It owns it. nil: close.
	Raw func(ctx context.Context, c net.Conn)
	// Terminate ends TLS before the hand-over, to HTTP or to Raw.
	Terminate bool
	// ALPN is what a terminated Raw connection may negotiate, in order; empty:
	// nothing. HTTP has h2 and http/1.1.
	ALPN []string
	// Label is the route's label for logs and metrics.
	Label string
}

// Policy is what a port does with its connections. A reload swaps it whole;
// connections that were classified already keep what they got.
type Policy struct {
	Listener string // label of logs and metrics
	Look     Look
	// Choose decides about a connection, once, after it was classified; with
	// LookRaw, with a zero Verdict. LookHTTP does not ask. It must not block.
	// Where TLS is set, HTTP is served only with Terminate: plain HTTP that is
	// given no Raw handler gets 400, or a redirect.
	Choose func(c *Conn, v Verdict) Choice
	// Packets is handed the packets of one UDP peer as a connection: each Read
	// is one packet, each Write sends one. It owns it. nil: they are dropped.
	Packets func(ctx context.Context, c net.Conn)
	// HTTP serves the requests of this port.
	HTTP http.Handler

	TLS          *tls.Config // nil: the port is plain. NextProtos is set by the port
	RedirectHTTP bool        // plain HTTP on a TLS port is redirected, not refused with 400
	HTTP3        bool        // is served beside; TLS must be set
	AltSvc       string      // header of answers inside TLS (RFC 7838); empty: none

	DetectTimeout time.Duration // for the PROXY header and the first bytes; 0: 3 s
	SilentClose   bool          // a silent client is closed, not given to Choose as Silent

	ProxyFrom   []netip.Prefix // peers that send a PROXY header, and must
	Allow, Deny []netip.Prefix // Deny wins; an empty Allow allows all; unix peers pass

	MaxConns int     // at a time; 0: no limit
	PerIP    int     // at a time from one address; 0: no limit
	Rate     float64 // new connections a second from one address; 0: no limit
	// Handshakes of TLS and QUIC that one address may begin in a second; 0: no limit.
	Handshakes float64
	// Pace is told of bytes that a raw service is about to send to an address and
	// returns for how long that must wait. nil: none is slowed.
	Pace   func(client netip.Addr, n int) time.Duration
	Budget *Budget // shared with other ports; nil: none

	Front Front
}

// Front are the settings of the HTTP server. They are comparable: when a reload
// changes them, or turns TLS on or off, old keep-alive connections get one more
// answer with Connection: close.
type Front struct {
	HeaderTimeout time.Duration // for a whole request header, absolute; 0: 10 s
	IdleTimeout   time.Duration // between two requests; 0: 75 s
	ReadTimeout   time.Duration // of a request's body, without progress; 0: none
	WriteTimeout  time.Duration // without progress; 0: none
	MaxHeader     int           // bytes; 0: 64 KiB
	// MinRate is how many bytes a second a body must bring on an average over
	// ReadTimeout, and an answer must be read by over WriteTimeout; 0: any. Only
	// time in which the client is waited for counts.
	MinRate int64
}
