package proxy

import (
	"net"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/upstream"
)

// headerRules are HeaderRules with their names as they are stored.
type headerRules struct {
	remove   []string
	set, add http.Header
}

func newHeaderRules(c HeaderRules) headerRules {
	r := headerRules{set: http.Header{}, add: http.Header{}}
	for _, n := range c.Remove {
		r.remove = append(r.remove, http.CanonicalHeaderKey(n))
	}
	for n, v := range c.Set {
		r.set.Set(n, v)
	}
	for n, v := range c.Add {
		r.add.Add(n, v)
	}
	return r
}

func (r headerRules) apply(h http.Header) {
	for _, n := range r.remove {
		delete(h, n)
	}
	for n, v := range r.set {
		h[n] = v[:len(v):len(v)]
	}
	for n, v := range r.add {
		h[n] = append(h[n], v...)
	}
}

// want says which upstream the request should come to.
func (g *generation) want(r *http.Request, cookie string) (w upstream.Want) {
	switch g.cfg.Balance {
	case "sticky":
		if c, err := r.Cookie(cookie); err == nil {
			w.Prefer = c.Value
		}
	case "hash":
		w.Key = g.key(r)
	}
	return w
}

// key is what a request is hashed by.
func (g *generation) key(r *http.Request) string {
	kind, name, _ := strings.Cut(g.cfg.HashKey, ":")
	switch kind {
	case "header":
		if v := r.Header.Get(name); v != "" {
			return v
		}
	case "cookie":
		if c, err := r.Cookie(name); err == nil && c.Value != "" {
			return c.Value
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// cookieName is that of the sticky cookie.
func (s *Service) cookieName() string { return "portico_proxy_" + s.env.Name }

// stick remembers the upstream for the client's next requests.
func (s *Service) stick(w http.ResponseWriter, r *http.Request, u *upstream.Upstream) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(), Value: u.ID, Path: "/",
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}
