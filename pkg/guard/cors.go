package guard

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS says which pages of other origins may use a route (Fetch standard).
type CORS struct {
	// Origins that may, like "https://app.example.org", or "*"; Methods; Headers
	// of requests, "*" for those that are asked for; headers of answers that
	// pages may read.
	Origins, Methods, Headers, Expose []string
	Credentials                       bool // cookies and passwords too; not with "*"
	MaxAge                            time.Duration
}

// answer sets the headers of the answer and reports whether it was a preflight,
// which is answered.
func (c *CORS) answer(w http.ResponseWriter, r *http.Request) (done bool) {
	h, origin := w.Header(), r.Header.Get("Origin")
	all := slices.Contains(c.Origins, "*")
	if !all {
		h.Add("Vary", "Origin")
	}
	preflight := r.Method == http.MethodOptions && origin != "" && r.Header.Get("Access-Control-Request-Method") != ""
	allowed := origin != "" && (all || slices.ContainsFunc(c.Origins, func(o string) bool { return strings.EqualFold(o, origin) }))
	if allowed {
		c.allow(h, r, origin, all, preflight)
	}
	if !preflight {
		return false
	}
	w.WriteHeader(http.StatusNoContent) // without the headers browsers go no further
	return true
}

func (c *CORS) allow(h http.Header, r *http.Request, origin string, all, preflight bool) {
	if all {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if !preflight {
		if len(c.Expose) > 0 {
			h.Set("Access-Control-Expose-Headers", strings.Join(c.Expose, ", "))
		}
		return
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(c.Methods, ", "))
	headers := strings.Join(c.Headers, ", ")
	if slices.Contains(c.Headers, "*") { // spelled out, because * leaves Authorization out
		headers = r.Header.Get("Access-Control-Request-Headers")
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	if headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge.Seconds())))
}
