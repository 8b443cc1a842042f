package admin

import (
	"context"
	"net/http"
	"time"
)

// WithReadTimeout returns o with another time for requests to arrive in.
func WithReadTimeout(o Options, d time.Duration) Options {
	o.readTimeout = d
	return o
}

// AsPeer serves a request as if the user uid had sent it over the socket; nil:
// nobody knows who.
func AsPeer(h http.Handler, uid *int) http.Handler {
	owner := onlyOwner(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if uid != nil {
			r = r.WithContext(context.WithValue(r.Context(), peerKey{}, *uid))
		}
		owner.ServeHTTP(w, r)
	})
}
