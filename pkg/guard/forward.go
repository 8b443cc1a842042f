package guard

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Forward asks another server whether a request may pass: a GET with the
// request's headers, and X-Forwarded-Method, -Proto, -Host, -Uri and -For. An
// answer of 2xx lets it in; any other is the client's answer.
type Forward struct {
	URL string
	// Copy are headers of the other server's answer that the service gets, such
	// as Remote-User. What the client sent under these names is dropped.
	Copy    []string
	Timeout time.Duration
}

// maxAnswer bounds what is passed on of an answer, in bytes.
const maxAnswer = 1 << 20

type forwardAuth struct {
	Forward
	client *http.Client
}

func newForwardAuth(f Forward) *forwardAuth {
	return &forwardAuth{Forward: f, client: &http.Client{
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: f.Timeout}).DialContext, MaxIdleConnsPerHost: 64,
			IdleConnTimeout: time.Minute, ResponseHeaderTimeout: f.Timeout, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it is the client's
	}}
}

// hop are headers that belong to one connection (RFC 9110 section 7.6.1) or to
// the body, which is not sent.
var hop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Content-Encoding", "Expect",
}

func (f *forwardAuth) admit(w http.ResponseWriter, v Visit) bool {
	r := v.Request
	for _, name := range f.Copy {
		r.Header.Del(name)
	}
	ctx, cancel := context.WithTimeout(r.Context(), f.Timeout)
	defer cancel()
	res, err := f.ask(ctx, r)
	if err != nil {
		if r.Context().Err() == nil {
			status, code := http.StatusBadGateway, "bad_gateway"
			if errors.Is(err, context.DeadlineExceeded) {
				status, code = http.StatusGatewayTimeout, "gateway_timeout"
			}
			v.Fail(status, code, "Nobody can say whether you may pass; try again later.")
		}
		return false
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		for _, name := range f.Copy {
			if values := res.Header.Values(name); len(values) > 0 {
				r.Header[http.CanonicalHeaderKey(name)] = values
			}
		}
		unname(r.Header, f.Copy)
		return true
	}
	for name, values := range res.Header {
		if !isHop(name) {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(res.Body, maxAnswer))
	return false
}

// unname takes names out of the Connection header: what a client names there, a
// service that passes the request on drops, and this is not the client's.
func unname(h http.Header, names []string) {
	lines := h["Connection"]
	h.Del("Connection")
	for _, line := range lines {
		for option := range strings.SplitSeq(line, ",") {
			option = strings.TrimSpace(option)
			if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, option) }) {
				h.Add("Connection", option)
			}
		}
	}
}

func (f *forwardAuth) ask(ctx context.Context, r *http.Request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	for _, name := range hop {
		req.Header.Del(name)
	}
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	if p := r.Header.Get("X-Forwarded-Proto"); p != "" { // of a proxy that is trusted
		proto = p
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err == nil {
		req.Header.Set("X-Forwarded-For", host)
	}
	req.Header.Set("X-Forwarded-Method", r.Method)
	req.Header.Set("X-Forwarded-Proto", proto)
	req.Header.Set("X-Forwarded-Host", r.Host)
	req.Header.Set("X-Forwarded-Uri", r.URL.RequestURI())
	return f.client.Do(req)
}

func isHop(name string) bool {
	for _, h := range hop {
		if strings.EqualFold(h, name) && h != "Content-Length" && h != "Content-Encoding" {
			return true
		}
	}
	return strings.EqualFold(name, "Content-Length") // bounded by maxAnswer
}
