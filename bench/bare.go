package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"
)

// serveBare is a peer: net/http alone, at the address that the environment names.
func serveBare(ctx context.Context) error {
	ln, err := net.Listen("tcp", os.Getenv(bareAddr))
	if err != nil {
		return err
	}
	body := []byte(answer)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(body)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Hour}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// bareAddr is the variable that tells the bare server where to listen.
const bareAddr = "PORTICO_BENCH_BARE"

func startBare(ctx context.Context, addr string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s, err := launch(ctx, []string{bareAddr + "=" + addr}, self, "-bare")
	if err != nil {
		return nil, err
	}
	if err := s.listens(ctx, addr); err != nil {
		return nil, err
	}
	return s, nil
}
