// Package config turns the config file and what it includes into a validated
// Config or into diagnostics. It binds, opens and makes nothing; all it writes is
// the copy of the last good files, when it is asked to.
package config

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/pkg/storage"
)

// Config is a whole configuration, validated: every reference resolves, every
// address parses, no two listeners share one. It has no behaviour.
type Config struct {
	File     string   // absolute path of the main file
	Files    []string // every file that was read, the main file first
	DataDir  string   // absolute
	Drain    time.Duration
	Log      Log
	Admin    Admin
	Accounts Accounts
	Limits   GlobalLimits
	Storage  storage.Config

	Services  []service.Spec // in the order of the files
	Listeners []Listener     // in the order of the files

	texts  map[string][]byte    // what was read, for SaveLastGood
	places map[string]hcl.Range // of options and services, for Place
}

// Place is where the file says what: "data_dir", "admin", "log", "storage" or a service as
// service.<kind>.<name>. It is the zero Range where the file does not.
func (c *Config) Place(what string) hcl.Range { return c.places[what] }

// Log says what is logged and how.
type Log struct {
	Level  string // trace, debug, info, warn, error
	Format string // auto, console, json
	Access Access
}

// Access says where the access log goes.
type Access struct {
	File   string // absolute; empty: to the log
	Format string // json, combined
	Off    bool
}

// Admin is where the daemon is steered.
type Admin struct {
	Socket  string // absolute path of the unix socket, mode 0600
	Address string // host:port for metrics over HTTP; empty: none
	Public  bool   // Address may lie beyond loopback
}

// Accounts are the rules for the accounts that services share.
type Accounts struct {
	Registration string // open, invite, closed
}

// GlobalLimits hold for the daemon as a whole; zero means no limit.
type GlobalLimits struct {
	Connections int           // over all listeners; default 80 % of the file limit
	Memory      settings.Size // of the process; 0: no limit

	PictureMemory settings.Size // of all pictures that are being made
}

// Listener is one listener block.
type Listener struct {
	Name           string
	Addresses      []Address
	Service        *service.Ref // for everything that no route takes; nil: nothing
	Routes         []Route
	TLS            *TLS
	HTTP3          bool // over UDP at the addresses too; TLS is set
	Detect         Detect
	ProxyFrom      []netip.Prefix // peers that send a PROXY header, v1 or v2
	Allow, Deny    []netip.Prefix // deny wins; an empty Allow allows all
	TrustedProxies []netip.Prefix
	Limits         Limits
	Timeouts       Timeouts
	Range          hcl.Range // of the block's header, for messages
}

// Address is a parsed listen address. It is comparable.
type Address struct {
	Network string // tcp, udp or unix
	Host    string // IP address or empty for all; for unix the absolute path
	Port    int    // 0: the kernel picks one
}

// Route is a rule of a listener: what matches all of its conditions goes to
// Service. Within a condition one of the values must match.
type Route struct {
	Protocols []string // ssh http http1 http2 tls postgres mqtt socks5 any
	Hosts     []string // lower case; "*.example.org" matches one more label; implies HTTP
	Paths     []string // "/api/*" matches /api and all below; "/x" only itself; implies HTTP
	SNI       []string // like Hosts; implies TLS
	ALPN      []string // implies TLS
	From      []netip.Prefix
	Service   service.Ref
	Guard     Guard // of requests
	Range     hcl.Range
}

// Guard is what a route asks of requests. It is comparable by reflect.DeepEqual.
type Guard struct {
	Realm    string
	Users    map[string]settings.Secret // passwords or bcrypt's hashes; nil: none is asked for
	Forward  *ForwardAuth
	CORS     *CORS
	Headers  map[string]string
	Security bool
}

// ForwardAuth is a server that is asked about every request.
type ForwardAuth struct {
	URL     string
	Copy    []string
	Timeout time.Duration
}

// CORS says which other origins may use a route.
type CORS struct {
	Origins, Methods, Headers, Expose []string
	Credentials                       bool
	MaxAge                            time.Duration
}

// TLS says how a listener terminates TLS.
type TLS struct {
	Certificates []Certificate
	ACME         *ACME // nil: none
	SelfSigned   bool
	Redirect     bool   // plain HTTP is sent to https instead of getting 400
	MinVersion   uint16 // as in crypto/tls
	ClientCA     string // absolute path of a PEM file; empty: no certificate is asked for
	ClientAuth   string // require, request
}

// ACME is an account with a CA, and what it is for.
type ACME struct {
	Directory string // URL; empty: Let's Encrypt
	Email     string
	Roots     string // absolute path of a PEM file; empty: the system's
	KeyID     string
	MACKey    settings.Secret
	Names     []string // lower case, without patterns; sorted
	OnDemand  []string // lower case; "*.example.org" matches one more label
	// HTTP and TLS are the addresses, host:port, where the CA's challenges
	// arrive; empty: there is no listener for them. One of them is there.
	HTTP, TLS string
}

// Certificate is a chain and its key, both PEM.
type Certificate struct{ File, Key string }

// Detect says how connections are classified on a listener that must look.
type Detect struct {
	Timeout time.Duration // for the first bytes to arrive; default 3s
	Silent  string        // default: a silent client goes to the default service; close
}

// Limits of a listener; zero means none.
type Limits struct {
	Connections int           // at a time
	PerIP       int           // at a time from one address (IPv6: /64); loopback and unix are exempt
	Rate        float64       // new connections a second from one address
	Handshakes  float64       // of TLS, a second from one address
	Requests    float64       // a second from one address
	Burst       int           // requests at once from one address; 0: those of a second
	Bytes       settings.Size // of answers, a second to one address
	Body        settings.Size
	Header      settings.Size // default 64KiB
}

// Timeouts of a listener. Read and Write mean no progress for that long.
type Timeouts struct {
	Header, Idle, Read, Write time.Duration

	MinRate settings.Size // bytes a second of bodies, over Read, and of answers, over Write; 0: any
}
