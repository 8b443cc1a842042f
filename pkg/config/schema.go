package config

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/settings"
)

// The types of this file are what blocks are decoded into. Their comments are
// the text of docs/config.md.

// fileBlock is what stands outside of every block. The single blocks and the
// attributes may stand once over all files.
type fileBlock struct {
	// Folder of everything that portico keeps: accounts, secrets and, in
	// <kind>/<name>, what services store. The default is $STATE_DIRECTORY,
	// without it the folder data beside the file. Changing it needs a restart.
	DataDir settings.Path `hcl:"data_dir,optional"`
	// How long requests and connections may go on after their service was
	// removed, or after the daemon was told to stop.
	Drain time.Duration `hcl:"drain,optional"`
	// More files to read, as names or patterns like "conf.d/*.hcl", relative
	// to this file. Only the main file includes. A pattern may match nothing;
	// a plain name must be there.
	Include settings.Texts `hcl:"include,optional"`

	Variables []variableBlock `hcl:"variable,block"`
	Locals    []localsBlock   `hcl:"locals,block"`
	Log       logBlock        `hcl:"log,block"`
	Admin     adminBlock      `hcl:"admin,block"`
	Accounts  accountsBlock   `hcl:"accounts,block"`
	Limits    limitsBlock     `hcl:"limits,block"`
	Storage   storageBlock    `hcl:"storage,block"`
	Services  []serviceBlock  `hcl:"service,block"`
	Listeners []listenerBlock `hcl:"listener,block"`
}

// A value that whoever starts portico may set: with --var name=value, else with
// PORTICO_VAR_name in the environment. It is used as var.<name>.
type variableBlock struct {
	Name string `hcl:"name,label"`
	// The value without --var and environment. Its type is the type of the
	// variable. Without a default the variable must be set.
	Default *hcl.Attribute `hcl:"default,optional"`
	// What the variable is for; shown when it is not set but must be.
	Description string `hcl:"description,optional"`
}

// Names for values: each line defines local.<name>. The block may stand as often
// as wanted.
type localsBlock struct {
	Body hcl.Body `hcl:",remain"`
}

// What is logged and how.
type logBlock struct {
	// trace, debug, info, warn or error.
	Level string `hcl:"level,optional"`
	// console, json, or auto: console on a terminal, JSON elsewhere.
	Format string      `hcl:"format,optional"`
	Access accessBlock `hcl:"access,block"`
}

// One line for every request and every raw connection: without a file in the log.
type accessBlock struct {
	// A file of its own, opened again on SIGUSR1.
	File settings.Path `hcl:"file,optional"`
	// json, or combined as web servers write it, which needs a file.
	Format string `hcl:"format,optional"`
	// No access log at all.
	Off bool `hcl:"off,optional"`
}

// Where the daemon is steered and observed.
type adminBlock struct {
	// The unix socket that the command line talks to, mode 0600. The default
	// is $RUNTIME_DIRECTORY/admin.sock, without it admin.sock in data_dir.
	// Changing it needs a restart.
	Socket settings.Path `hcl:"socket,optional"`
	// An address for metrics and health over HTTP, like "127.0.0.1:9090".
	// Without it there is none.
	Address settings.Text `hcl:"address,optional"`
	// Lets address lie beyond loopback. Whoever reaches it needs no password.
	Public bool `hcl:"public,optional"`
}

// The accounts that services share.
type accountsBlock struct {
	// Who may sign up: open (everybody), invite (who has an invite) or closed
	// (accounts are made on the command line).
	Registration settings.Text `hcl:"registration,optional"`
}

// Limits of the daemon as a whole.
type limitsBlock struct {
	// Connections at a time over all listeners; 0 for no limit. The default
	// is 80 % of the limit of open files.
	Connections int `hcl:"connections,optional"`
	// What the daemon itself may take of memory, without the pages of files and
	// without picture workers; 0 for no limit. Beyond it new connections are
	// closed and requests get 503 until a tenth is free again. The default is
	// 80 % of what the control group grants (MemoryMax= of systemd, or a
	// container's limit); without one there is no limit.
	Memory settings.Size `hcl:"memory,optional"`
	// What all pictures together that are being made may take of memory, in
	// workers besides the daemon; who would take more waits, and a picture that
	// takes more alone is refused. The default is half of what the control group
	// grants, at most 768MiB. It is at least 64MiB; from 128MiB on pictures are
	// made as AVIF, too, whose encoder takes 96MiB and 64 bytes a pixel.
	PictureMemory settings.Size `hcl:"picture_memory,optional"`
}

// What services keep things in, instead of files below data_dir. Changing it needs
// a restart.
type storageBlock struct {
	// A database of PostgreSQL 15 or newer for accounts, chats and photos, like
	// "postgres://portico@db.example.org/portico"; its user must be allowed to make
	// schemas in it. Several porticos may use it at a time. No pooler such as PgBouncer
	// may stand between. A password is best put in as ${secret("database-password")}.
	Database settings.Text `hcl:"database,optional"`
	// A NATS server, or several of one cluster, through which the porticos that
	// share a database tell each other at once what happened:
	// "nats://nats-1:4222,nats://nats-2:4222". Without it they look every second.
	// Nothing is lost while it is away. Who shares it with another set of porticos
	// ends it with ?cluster=name.
	Bus settings.Text `hcl:"bus,optional"`
	// A bucket with Amazon's S3 interface for the files that people upload:
	// "s3://bucket/prefix?endpoint=https://s3.example.org&region=home". Without an
	// endpoint it is Amazon's own of the region, which is us-east-1 if it is not
	// named. The prefix may be left out. Each service has its own part of it,
	// prefix/<kind>/<name>/.
	Blobs settings.Text `hcl:"blobs,optional"`
	// The name of the bucket's key. The key must allow to read, write, delete and
	// list objects of the bucket.
	AccessKey settings.Secret `hcl:"access_key,optional"`
	// The key itself, like secret("bucket-key").
	SecretKey settings.Secret `hcl:"secret_key,optional"`
}

// A service. The first label is its kind, the second its name; together they
// are unique, and elsewhere it is service.<kind>.<name>. The options are those
// of its kind.
type serviceBlock struct {
	Kind string   `hcl:"kind,label"`
	Name string   `hcl:"name,label"`
	Body hcl.Body `hcl:",remain"`
}

// One address or several, and where its connections go: to the first route that
// matches, else to service.
type listenerBlock struct {
	Name string `hcl:"name,label"`
	// Where to listen, one or a list: "127.0.0.1:3001", ":443" for all
	// addresses of the machine, "[::1]:80", "localhost:80" (127.0.0.1), or
	// "unix:/run/portico/web.sock"; packets of UDP at "udp:127.0.0.1:53", which
	// go to the service that no route takes from. The default is ":443" with a tls block,
	// ":80" without.
	Address settings.Texts `hcl:"address,optional"`
	// The service for everything that no route takes, like
	// service.static.site.
	Service *hcl.Attribute `hcl:"service,optional"`
	// Addresses and ranges that may connect; without it, all.
	Allow []netip.Prefix `hcl:"allow,optional"`
	// Addresses and ranges that may not, even if allow has them.
	Deny []netip.Prefix `hcl:"deny,optional"`
	// Proxies in front, whose Forwarded, X-Forwarded-* and X-Real-IP headers are
	// believed; from everybody else these are taken away. The client is the
	// rightmost address of X-Forwarded-For that is none of them.
	TrustedProxies []netip.Prefix      `hcl:"trusted_proxies,optional"`
	ProxyProtocol  *proxyProtocolBlock `hcl:"proxy_protocol,block"`
	TLS            *tlsBlock           `hcl:"tls,block"`
	// Serves HTTP/3 too, over UDP at the same addresses, and tells clients so.
	// It needs a tls block.
	HTTP3    bool           `hcl:"http3,optional"`
	Detect   detectBlock    `hcl:"detect,block"`
	Limits   listenerLimits `hcl:"limits,block"`
	Timeouts timeoutsBlock  `hcl:"timeouts,block"`
	Routes   []routeBlock   `hcl:"route,block"`
}

// Load balancers in front that send a PROXY header, version 1 or 2.
type proxyProtocolBlock struct {
	// Their addresses and ranges. They must send the header; from all others
	// it is not accepted.
	From []netip.Prefix `hcl:"from"`
}

// TLS is ended by portico. HTTP routes then match inside TLS only, HTTP/2 is
// offered, and certificates are chosen by the name that the client asks for.
type tlsBlock struct {
	// A certificate. The block may stand as often as wanted.
	Certificates []certificateBlock `hcl:"certificate,block"`
	// Certificates from a CA like Let's Encrypt, obtained and renewed by itself.
	ACME *acmeBlock `hcl:"acme,block"`
	// A certificate that portico signs itself, for tests: browsers warn of it.
	SelfSigned bool `hcl:"self_signed,optional"`
	// Plain HTTP is sent to https:// instead of getting 400.
	Redirect bool `hcl:"redirect,optional"`
	// The oldest version of TLS that clients may speak: 1.2 or 1.3.
	MinVersion string `hcl:"min_version,optional"`
	// A PEM file with the CAs that clients' certificates must be of. Without
	// it clients are not asked for one.
	ClientCA settings.Path `hcl:"client_ca,optional"`
	// With client_ca: require refuses clients without a certificate, request
	// lets them in.
	ClientAuth string    `hcl:"client_auth,optional"`
	Range      hcl.Range `hcl:",def_range"`
}

// An account with a CA that speaks ACME. The listener's names get certificates
// that are renewed in time; they lie in data_dir/tls/acme. The CA checks that the
// names lead here: over port 80 with plain HTTP or over port 443 with TLS, of
// which one must reach a listener. By using it you agree to the CA's terms.
type acmeBlock struct {
	// Where the CA writes when something is wrong with a certificate.
	Email string `hcl:"email,optional"`
	// Names beside those of the listener's routes (host and sni).
	Names settings.Texts `hcl:"names,optional"`
	// Names that get a certificate when the first client asks for them;
	// "*.example.org" allows one more label.
	OnDemand settings.Texts `hcl:"on_demand,optional"`
	// Directory of the CA. The default is Let's Encrypt.
	Directory settings.Text `hcl:"directory,optional"`
	// A PEM file with the CA of the directory's own certificate, for a CA that
	// the system does not know.
	Roots settings.Path `hcl:"roots,optional"`
	// Account that the CA has given you elsewhere (external account binding).
	KeyID string `hcl:"key_id,optional"`
	// The key of that account, like secret("acme-key").
	MACKey settings.Secret `hcl:"mac_key,optional"`
	// The port of this machine at which requests to port 80 of the names
	// arrive.
	HTTPPort int `hcl:"http_port,optional"`
	// The port of this machine at which connections to port 443 of the names
	// arrive.
	TLSPort int       `hcl:"tls_port,optional"`
	Range   hcl.Range `hcl:",def_range"`
}

// A chain of certificates and its key.
type certificateBlock struct {
	// The chain, PEM, the leaf first.
	File settings.Path `hcl:"file"`
	// The key of the leaf, PEM, not encrypted.
	Key   settings.Path `hcl:"key"`
	Range hcl.Range     `hcl:",def_range"`
}

// How the protocol of a connection is found out, where routes make that
// necessary.
type detectBlock struct {
	// How long the first bytes may take.
	Timeout time.Duration `hcl:"timeout,optional"`
	// What becomes of a client that sends nothing until then: default gives
	// it to the default service, close closes it.
	Silent string `hcl:"silent,optional"`
}

// Limits of one listener; 0 for none. Those of an address hold for the client's,
// which a PROXY header may tell, for requests also a trusted proxy; for IPv6 they
// hold for the whole /64. Loopback and unix sockets are exempt.
type listenerLimits struct {
	// Connections at a time.
	Connections int `hcl:"connections,optional"`
	// Connections at a time from one address.
	PerIP int `hcl:"per_ip,optional"`
	// New connections a second from one address.
	Rate float64 `hcl:"rate,optional"`
	// TLS handshakes a second from one address, over TCP and QUIC. Connections
	// beyond are closed.
	Handshakes float64 `hcl:"handshakes,optional"`
	// Requests a second from one address, over all its connections. Those beyond
	// get 429 and Retry-After.
	Requests float64 `hcl:"requests,optional"`
	// Requests at once from one address, with requests. The default is those of
	// one second.
	Burst int `hcl:"burst,optional"`
	// Bytes a second of answers to one address, over all its connections, like
	// "10MiB". Answers beyond are slowed, not cut. WebSockets do not count.
	Bytes settings.Size `hcl:"bytes,optional"`
	// Size of a request's body.
	Body settings.Size `hcl:"body,optional"`
	// Size of a request's header.
	Header settings.Size `hcl:"header,optional"`
}

// Timeouts of one listener.
type timeoutsBlock struct {
	// For a whole request header to arrive.
	Header time.Duration `hcl:"header,optional"`
	// Between two requests of a connection.
	Idle time.Duration `hcl:"idle,optional"`
	// Without progress while a request's body is read; 0 for no limit.
	Read time.Duration `hcl:"read,optional"`
	// Without progress while an answer is written; 0 for no limit.
	Write time.Duration `hcl:"write,optional"`
	// Bytes a second that a request's body must bring, on an average over read,
	// and that an answer must be read by, over write, like "1KiB"; 0 for any.
	// Time counts only while the client is waited for, so an event stream is
	// not slow; but a request whose body is a stream, as gRPC has them, is.
	MinRate settings.Size `hcl:"min_rate,optional"`
}

// A rule: what matches all of its conditions goes to its service. Within one
// condition one of the values must match. Routes are tried in their order.
type routeBlock struct {
	// What the client speaks: ssh, http, http1, http2, tls, postgres, mqtt,
	// socks5 or any; tls passes the connection on without ending TLS.
	Protocol settings.Texts `hcl:"protocol,optional"`
	// Names that an HTTP request is for; "*.example.org" matches one more
	// label.
	Host settings.Texts `hcl:"host,optional"`
	// Paths of an HTTP request; "/api/*" matches /api and all below, "/x"
	// only itself.
	Path settings.Texts `hcl:"path,optional"`
	// Names that a TLS client asks for, like host.
	SNI settings.Texts `hcl:"sni,optional"`
	// Protocols that a TLS client offers, like "h2".
	ALPN settings.Texts `hcl:"alpn,optional"`
	// Addresses and ranges of clients.
	From []netip.Prefix `hcl:"from,optional"`
	// Where matches go, like service.photos.instagram.
	Service *hcl.Attribute `hcl:"service"`
	// Asks for a name and a password before anything else.
	BasicAuth *basicAuthBlock `hcl:"basic_auth,block"`
	// Asks another server whether a request may pass.
	ForwardAuth *forwardAuthBlock `hcl:"forward_auth,block"`
	// Lets pages of other origins use the route.
	CORS *corsBlock `hcl:"cors,block"`
	// Headers of answers, unless the service sets them itself, like
	// { "X-Robots-Tag" = "noindex" }.
	Headers map[string]string `hcl:"headers,optional"`
	// Adds the headers that make browsers careful: X-Content-Type-Options,
	// X-Frame-Options, Referrer-Policy and, inside TLS,
	// Strict-Transport-Security.
	SecurityHeaders bool      `hcl:"security_headers,optional"`
	Range           hcl.Range `hcl:",def_range"`
}

// Basic authentication (RFC 7617). Ten wrong passwords of one address in a minute
// close the door to it for the rest of the minute. Use it inside TLS only: the
// password is in every request.
type basicAuthBlock struct {
	// What browsers show when they ask.
	Realm string `hcl:"realm,optional"`
	// Passwords by name: as they are, best from secret("name"), or as bcrypt's
	// hash, as htpasswd -nB makes it.
	Users map[string]settings.Secret `hcl:"users"`
	Range hcl.Range                  `hcl:",def_range"`
}

// Forward authentication: every request is first described to another server, by
// a GET with its headers and X-Forwarded-Method, -Proto, -Host, -Uri and -For. An
// answer of 2xx lets it pass, any other is the client's answer.
type forwardAuthBlock struct {
	// Where to ask, like "http://127.0.0.1:9091/verify".
	URL settings.Text `hcl:"url"`
	// Headers of its answer that the service gets, like "Remote-User". What
	// clients send under these names is dropped.
	Copy settings.Strings `hcl:"copy,optional"`
	// How long the other server may take; then clients get 504.
	Timeout time.Duration `hcl:"timeout,optional"`
}

// Which pages of other origins may use the route (CORS). Preflights are answered
// here and need no password.
type corsBlock struct {
	// Origins like "https://app.example.org", or "*" for all.
	Origins settings.Texts `hcl:"origins"`
	// Methods that pages may use.
	Methods settings.Strings `hcl:"methods,optional"`
	// Headers that pages may send; "*" for all that they ask for.
	Headers settings.Strings `hcl:"headers,optional"`
	// Headers of answers that pages may read.
	Expose settings.Strings `hcl:"expose,optional"`
	// Lets pages send cookies and passwords; not with "*".
	Credentials bool `hcl:"credentials,optional"`
	// How long browsers may remember this.
	MaxAge time.Duration `hcl:"max_age,optional"`
	Range  hcl.Range     `hcl:",def_range"`
}

// SetDefaults implements settings.Defaulter.
func (r *routeBlock) SetDefaults() { *r = defaultRoute() }

func defaultRoute() routeBlock {
	return routeBlock{
		BasicAuth:   &basicAuthBlock{Realm: "portico"},
		ForwardAuth: &forwardAuthBlock{Timeout: 5 * time.Second},
		CORS:        &corsBlock{Methods: settings.Strings{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, MaxAge: 10 * time.Minute},
	}
}

const (
	defaultHeader = 64 << 10
	maxHeader     = 16 << 20
)

func defaultLog() logBlock {
	return logBlock{Level: "info", Format: "auto", Access: accessBlock{Format: "json"}}
}

func defaultAccounts() accountsBlock {
	return accountsBlock{Registration: settings.Text{Value: "closed"}}
}

func defaultFile() fileBlock {
	return fileBlock{Drain: 10 * time.Second, Log: defaultLog(), Accounts: defaultAccounts()}
}

func defaultListener() listenerBlock {
	return listenerBlock{
		TLS:      &tlsBlock{MinVersion: "1.2", ClientAuth: "require", ACME: &acmeBlock{HTTPPort: 80, TLSPort: 443}},
		Detect:   detectBlock{Timeout: 3 * time.Second, Silent: "default"},
		Limits:   listenerLimits{Header: defaultHeader},
		Timeouts: timeoutsBlock{Header: 10 * time.Second, Idle: 120 * time.Second, Read: 60 * time.Second, Write: 60 * time.Second},
	}
}

// Blocks returns the blocks of the language with their defaults, for the
// reference that is generated from this file. Kinds' own options are not here.
func Blocks() map[string]any {
	l := defaultListener()
	return map[string]any{
		"fileBlock": defaultFile(), "variableBlock": variableBlock{}, "logBlock": defaultLog(),
		"accessBlock": defaultLog().Access, "adminBlock": adminBlock{}, "accountsBlock": defaultAccounts(),
		"limitsBlock": limitsBlock{}, "serviceBlock": serviceBlock{}, "listenerBlock": l,
		"proxyProtocolBlock": proxyProtocolBlock{}, "tlsBlock": *l.TLS, "certificateBlock": certificateBlock{},
		"acmeBlock":   *l.TLS.ACME,
		"detectBlock": l.Detect, "listenerLimits": l.Limits, "timeoutsBlock": l.Timeouts, "routeBlock": defaultRoute(),
		"basicAuthBlock": *defaultRoute().BasicAuth, "forwardAuthBlock": *defaultRoute().ForwardAuth, "corsBlock": *defaultRoute().CORS,
	}
}

// oneOf is the error of an option that has a fixed set of values, or nil.
func oneOf(attr, value string, allowed ...string) error {
	for _, a := range allowed {
		if a == value {
			return nil
		}
	}
	return &settings.Error{
		Attr:    attr,
		Summary: fmt.Sprintf("%q is not a value of %q", value, attr),
		Detail:  settings.DidYouMean(value, "It is one of", allowed),
	}
}

// notNegative is the error of a limit below zero, or nil.
func notNegative(attr string, n float64) error {
	if n >= 0 {
		return nil
	}
	return &settings.Error{
		Attr: attr, Summary: fmt.Sprintf("%q is negative", attr), Detail: "Write 0 for no limit.",
	}
}
