package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/porticod/portico/pkg/upstream"
)

// smallBody is how many bytes a request's body may have that is read before an
// upstream is asked.
const smallBody = 16 << 10

// An outgoing is a request on its way to upstreams: what does not depend on
// which one it will be.
type outgoing struct {
	in        *http.Request
	fields    fields
	path      string // as it is sent, escaped
	body      *body  // that streams; nil: there is none
	small     []byte // that is here already
	websocket bool
}

var errLoop = errors.New("it was here before; an upstream leads back to this port")

// maxHops is how many porticos a request may have passed: one that is its own
// upstream, by mistake, would pass it on for ever. RFC 8586.
const maxHops = 10

// looped reports whether the request has been here too often, and notes that it
// was.
func looped(f *fields) bool {
	if !f.has("Cdn-Loop") {
		f.add("Cdn-Loop", "portico")
		return false
	}
	prior := f.list("Cdn-Loop")
	f.set("Cdn-Loop", prior+", portico")
	return strings.Count(prior, "portico") >= maxHops
}

// prepare makes of a client's request what upstreams get. Where it cannot be
// passed on the error says why, for the client.
func (o *outgoing) prepare(g *generation, r *http.Request, into fields) error {
	if r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.Path, "/") && r.URL.Path != "*" {
		return errors.New("this is no forward proxy")
	}
	o.in, o.fields, o.path = r, into, r.URL.EscapedPath()
	if o.path != "*" {
		var ok bool
		if o.path, ok = g.path.apply(o.path); !ok {
			return errors.New("the path must not contain . or .. here")
		}
	}
	// HTTP/2 has no line that a blank would break.
	if strings.ContainsFunc(r.URL.RawQuery, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return errors.New("the query is not well-formed")
	}
	o.websocket = isWebSocket(r)
	for name, values := range r.Header {
		if name == "Content-Length" || name == "Host" {
			continue // written anew
		}
		for _, v := range values {
			o.fields = append(o.fields, field{name, v})
		}
	}
	o.fields.dropHopByHop()
	if id := r.Header.Get("X-Request-Id"); id != "" && !o.fields.has("X-Request-Id") {
		o.fields.add("X-Request-Id", id) // Connection may not name it
	}
	if httpguts.HeaderValuesContainsToken(r.Header["Te"], "trailers") {
		o.fields.add("Te", "trailers") // gRPC asks for it
	}
	if o.websocket {
		o.fields.add("Connection", "Upgrade")
		o.fields.add("Upgrade", "websocket")
	}
	if looped(&o.fields) {
		return errLoop
	}
	forward(&o.fields, r)
	g.requestRules.apply(&o.fields)
	return nil
}

// forwardsLeft is how many proxies an OPTIONS or TRACE may pass yet, after noting
// that it passes this one: RFC 9110, section 7.6.2. false: any number.
func (o *outgoing) forwardsLeft() (n int, ok bool) {
	if o.in.Method != http.MethodOptions && o.in.Method != http.MethodTrace || !o.fields.has("Max-Forwards") {
		return 0, false
	}
	n, err := strconv.Atoi(o.fields.get("Max-Forwards"))
	if err != nil || n < 0 {
		return 0, false // not a number; it means nothing
	}
	if n > 0 {
		o.fields.set("Max-Forwards", strconv.Itoa(n-1))
	}
	return n, true
}

// receive reads a small body, and makes a stream of any other.
func (o *outgoing) receive(x *exchange) error {
	r := o.in
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	o.body = &body{ReadCloser: r.Body, watch: x.watch}
	if r.ContentLength < 0 || r.ContentLength > smallBody || len(r.Trailer) > 0 || o.fields.has("Expect") {
		return nil
	}
	x.watch.wake()
	defer interruptReads(x.ctx, x.w)()
	b := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(o.body, b); err != nil {
		return err
	}
	o.body, o.small = nil, b
	return nil
}

// isWebSocket: RFC 6455, section 4.2.1. Nothing else is upgraded to; h2c least
// of all, which would hide requests from us.
func isWebSocket(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoMinor >= 1 && r.Method == http.MethodGet && r.ContentLength == 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") &&
		strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// forward tells the upstream who asked, for what and how. The front door has
// taken away what was not said by a trusted proxy; what is left is added to.
func forward(f *fields, r *http.Request) {
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
	if prior := f.list("X-Forwarded-For"); host != "" && (prior == "" || port != "0") {
		f.set("X-Forwarded-For", listed(prior, host))
	}
	if prior := f.list("Forwarded"); prior == "" || port != "0" {
		f.set("Forwarded", listed(prior, element(host, r.Host, proto)))
	}
	if f.get("X-Forwarded-Proto") == "" {
		f.set("X-Forwarded-Proto", proto)
	}
	if f.get("X-Forwarded-Host") == "" {
		f.set("X-Forwarded-Host", r.Host)
	}
}

func listed(prior, next string) string {
	if prior == "" {
		return next
	}
	return prior + ", " + next
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

// host is the Host header for an upstream.
func (o *outgoing) host(a upstream.Address, option string) string {
	switch {
	case option == "client":
		return o.in.Host
	case option != "upstream":
		return option
	case a.Scheme == "unix":
		return "localhost"
	}
	return a.Addr
}

// request is the request for an upstream, for net/http.
func (o *outgoing) request(a upstream.Address, host string) (*http.Request, error) {
	decoded, err := url.PathUnescape(o.path)
	if err != nil {
		return nil, fmt.Errorf("the path is not well-formed: %w", err)
	}
	// Opaque would be sent with the host; this sends the path byte for byte.
	u := &url.URL{
		Scheme: "http", Host: a.Addr, Path: decoded, RawPath: o.path,
		RawQuery: o.in.URL.RawQuery, ForceQuery: o.in.URL.ForceQuery,
	}
	switch a.Scheme {
	case "https":
		u.Scheme = "https"
	case "unix":
		u.Host = "localhost" // the transport connects to the socket
	}
	out := &http.Request{
		Method: o.in.Method, URL: u, Header: o.fields.header(), Host: host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		// The same map: the server fills it in while the body is read.
		Trailer: o.in.Trailer,
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // not the library's
	}
	switch {
	case o.body != nil:
		out.Body, out.ContentLength = o.body, o.in.ContentLength
	case len(o.small) > 0:
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(o.small)), int64(len(o.small))
	}
	return out, nil
}

// appendTo writes the request, with its small body, as it is sent over HTTP/1.
func (o *outgoing) appendTo(b []byte, host string) ([]byte, error) {
	target := o.path
	if o.in.URL.RawQuery != "" || o.in.URL.ForceQuery {
		target += "?" + o.in.URL.RawQuery
	}
	length := ""
	switch o.in.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		length = "0"
	}
	if len(o.small) > 0 {
		length = strconv.Itoa(len(o.small))
	}
	b, err := appendRequest(b, o.in.Method, target, host, o.fields, length)
	return append(b, o.small...), err
}

// repeatable reports whether the request may be sent again although the upstream
// may have acted on it (RFC 9110, section 9.2.2).
func (o *outgoing) repeatable() bool {
	switch o.in.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return o.body == nil && len(o.small) == 0 && !o.websocket
	}
	return false
}
