package proxy

import (
	"net"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/upstream"
)

// want says which upstream the request should come to.
func (g *generation) want(r *http.Request, s *Service) (w upstream.Want) {
	switch g.cfg.Balance {
	case "sticky":
		if c, err := r.Cookie(s.cookieName()); err == nil {
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
