package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds the services' own checks.
const readyTimeout = 5 * time.Second

// private is everything, for the unix socket.
func (s *Server) private() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.opts.Status()) })
	mux.HandleFunc("GET /sockets", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, sockets(s.opts.Sockets())) })
	mux.HandleFunc("POST /reload", s.serveReload)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if s.opts.Users != nil {
		mux.Handle("/users/", s.opts.Users)
	}
	s.watch(mux)
	return onlyOwner(mux)
}

// public is what the TCP address shows: to read, and nothing about people.
func (s *Server) public(bound net.Addr) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.servePage)
	s.watch(mux)
	return onlyHost(bound, mux)
}

// watch adds what monitoring asks for.
func (s *Server) watch(mux *http.ServeMux) {
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.opts.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", s.serveReady)
}

func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := s.opts.Ready(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

// serveReload answers 200 also for a reload that failed: the request itself was
// understood and done, and the answer says what came of it.
func (s *Server) serveReload(w http.ResponseWriter, r *http.Request) {
	// A client that gives up must not stop a reload halfway.
	ctx := context.WithoutCancel(r.Context())
	answer(w, http.StatusOK, s.opts.Reload(ctx, r.FormValue("diff") == "1"))
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone, or will notice
}

func refuse(w http.ResponseWriter, message string) {
	answer(w, http.StatusForbidden, map[string]any{"error": map[string]string{"code": "forbidden", "message": message}})
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
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && host != "localhost" {
			refuse(w, "ask for this address by its number or as localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}
