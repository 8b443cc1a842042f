package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// refuse answers 403.
func refuse(w http.ResponseWriter, message string) {
	fail(w, http.StatusForbidden, "forbidden", message)
}

type peerKey struct{}

// withPeer notes who is at the other end of a connection to the socket.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if uid, ok := peerUID(c); ok {
		return context.WithValue(ctx, peerKey{}, uid)
	}
	return ctx
}

// onlyOwner refuses everybody but root and the daemon's own user. The mode of
// the socket does so already; this holds when somebody changed it.
func onlyOwner(next http.Handler) http.Handler {
	me := os.Getuid()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uid, ok := r.Context().Value(peerKey{}).(int)
		if !ok || uid != me && uid != 0 {
			refuse(w, fmt.Sprintf("only root and the user with the id %d, who runs the daemon, may use this socket", me))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// onlyHost refuses names that a page in somebody's browser could have pointed
// at a loopback address (DNS rebinding). An address beyond loopback is public
// by the config's own word and answers to every name.
func onlyHost(bound net.Addr, next http.Handler) http.Handler {
	if a, ok := bound.(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostname(r); !isAddress(host) && host != "localhost" {
			refuse(w, "ask for this address by its number or as localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// onlyLocalNames refuses names that anybody could own. A browser gets at the
// socket where ssh forwards a port to it; programs call it what they like.
func onlyLocalNames(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostname(r); strings.Contains(host, ".") && !isAddress(host) {
			refuse(w, "ask this socket for http://portico/, or for localhost where a port is forwarded to it")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostname is what the client calls this server, without a port.
func hostname(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.Trim(host, "[]")
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// sameOrigin refuses what pages of others make a browser ask. To follow a link
// is no such thing. Programs send none of these headers.
func sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o := r.Header.Get("Origin"); o != "" {
			if u, err := url.Parse(o); err != nil || u.Host == "" || u.Host != r.Host {
				refuse(w, "pages of other servers get nothing here")
				return
			}
		}
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		follows := reads && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "same-origin", "none":
		default:
			if !follows {
				refuse(w, "pages of other servers get nothing here")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
