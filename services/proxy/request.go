package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/porticod/portico/pkg/upstream"
)

// hopByHop are the headers that concern one connection only: RFC 9110, section
// 7.6.1, and those of RFC 2616 that did not name themselves in Connection.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Http2-Settings",
}

func removeHopByHop(h http.Header) {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// An outgoing is a request on its way to upstreams: what does not depend on
// which one it will be.
type outgoing struct {
	in        *http.Request
	header    http.Header
	url       url.URL
	body      *body // nil: there is none
	websocket bool
}

var errLoop = errors.New("it was here before; an upstream leads back to this port")

// maxHops is how many porticos a request may have passed: one that is its own
// upstream, by mistake, would pass it on for ever. RFC 8586.
const maxHops = 10

// looped reports whether the request has been here too often, and notes that it
// was.
func looped(h http.Header) bool {
	hops := 0
	for _, v := range h["Cdn-Loop"] {
		hops += strings.Count(v, "portico")
	}
	h["Cdn-Loop"] = []string{strings.Join(append(h["Cdn-Loop"], "portico"), ", ")}
	return hops >= maxHops
}

// newOutgoing makes of a client's request what upstreams get. Where it cannot be
// passed on the error says why, for the client.
func (g *generation) newOutgoing(r *http.Request) (*outgoing, error) {
	if r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/") && r.URL.Path != "*" {
		return nil, errors.New("this is no forward proxy")
	}
	o := &outgoing{in: r, header: r.Header.Clone()}
	path, ok := r.URL.EscapedPath(), true
	if path != "*" {
		if path, ok = g.path.apply(path); !ok {
			return nil, errors.New("the path must not contain . or .. here")
		}
	}
	// Opaque would be sent with the host; this sends the path byte for byte.
	o.url.RawQuery, o.url.ForceQuery = r.URL.RawQuery, r.URL.ForceQuery
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return nil, errors.New("the path is not well-formed")
	}
	o.url.Path, o.url.RawPath = decoded, path

	o.websocket = isWebSocket(r)
	trailers := httpguts.HeaderValuesContainsToken(r.Header["Te"], "trailers")
	id := r.Header.Get("X-Request-Id") // Connection may not name it
	removeHopByHop(o.header)
	if id != "" {
		o.header.Set("X-Request-Id", id)
	}
	if trailers {
		o.header.Set("Te", "trailers") // gRPC asks for it
	}
	if o.websocket {
		o.header.Set("Connection", "Upgrade")
		o.header.Set("Upgrade", "websocket")
	}
	if _, ok := o.header["User-Agent"]; !ok {
		o.header["User-Agent"] = nil // not the library's
	}
	if looped(o.header) {
		return nil, errLoop
	}
	forward(o.header, r)
	g.requestRules.apply(o.header)
	if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
		o.body = &body{ReadCloser: r.Body}
	}
	return o, nil
}

// isWebSocket: RFC 6455, section 4.2.1. Nothing else is upgraded to; h2c least
// of all, which would hide requests from us.
func isWebSocket(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.Method == http.MethodGet && r.ContentLength == 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") &&
		strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// forward tells the upstream who asked, for what and how. The front door has
// taken away what was not said by a trusted proxy; what is left is added to.
func forward(h http.Header, r *http.Request) {
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = "" // a unix socket
	}
	// The front door puts the client that a trusted proxy named in place of the
	// peer, with port 0; the list has it already.
	if prior := h["X-Forwarded-For"]; host != "" && (len(prior) == 0 || port != "0") {
		h.Set("X-Forwarded-For", strings.Join(append(prior[:len(prior):len(prior)], host), ", "))
	}
	if prior := h["Forwarded"]; len(prior) == 0 || port != "0" {
		h.Set("Forwarded", strings.Join(append(prior[:len(prior):len(prior)], element(host, r.Host, proto)), ", "))
	}
	if h.Get("X-Forwarded-Proto") == "" {
		h.Set("X-Forwarded-Proto", proto)
	}
	if h.Get("X-Forwarded-Host") == "" {
		h.Set("X-Forwarded-Host", r.Host)
	}
}

// element is one element of a Forwarded header: RFC 7239, section 4.
func element(client, host, proto string) string {
	switch {
	case client == "":
		client = "unknown"
	case strings.Contains(client, ":"):
		client = `"[` + client + `]"`
	}
	if strings.ContainsAny(host, `\"`) { // hardly ever
		host = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host)
	}
	return "for=" + client + `;host="` + host + `";proto=` + proto
}

// to is the request for one upstream.
func (o *outgoing) to(a upstream.Address, host string) *http.Request {
	u := o.url
	u.Scheme, u.Host = "http", a.Addr
	switch a.Scheme {
	case "https":
		u.Scheme = "https"
	case "unix":
		u.Host = "localhost" // the transport connects to the socket
	}
	out := &http.Request{
		Method: o.in.Method, URL: &u, Header: o.header, Host: o.in.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		// The same map: the server fills it in while the body is read.
		Trailer: o.in.Trailer,
	}
	switch host {
	case "client":
	case "upstream":
		out.Host = u.Host
	default:
		out.Host = host
	}
	if o.body != nil {
		out.Body, out.ContentLength = o.body, o.in.ContentLength
	}
	return out
}

// repeatable reports whether the request may be sent again although the upstream
// may have acted on it (RFC 9110, section 9.2.2).
func (o *outgoing) repeatable() bool {
	switch o.in.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return o.body == nil && !o.websocket
	}
	return false
}
