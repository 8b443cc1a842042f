package admin

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/porticod/portico/pkg/admin/web"
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
	return onlyOwner(onlyLocalNames(sameOrigin(mux)))
}

// public is what the TCP address shows: to read, and nothing about people.
func (s *Server) public(bound net.Addr) http.Handler {
	mux := http.NewServeMux()
	s.watch(mux)
	return onlyHost(bound, sameOrigin(mux))
}

// watch adds what people look at and what monitoring asks for.
func (s *Server) watch(mux *http.ServeMux) {
	mux.Handle("GET /{$}", web.Handler())
	mux.Handle("GET /web/", web.Handler())
	mux.HandleFunc("GET /view", s.serveView)
	mux.HandleFunc("GET /events", s.serveEvents)
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

func fail(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}
