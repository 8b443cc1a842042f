package mux_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/mux"
)

// serve accepts on loopback for a port with policy pol.
func serve(t testing.TB, pol mux.Policy) (*mux.Port, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := mux.NewPort(zerolog.Nop(), nil)
	p.Apply(pol)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			p.Serve(nc)
		}
	}()
	t.Cleanup(func() { ln.Close(); p.Abort() })
	return p, ln.Addr().String()
}

func hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello "+r.Proto) }

func echo(_ context.Context, c net.Conn) { io.Copy(c, c); c.Close() }

func choose(_ *mux.Conn, v mux.Verdict) mux.Choice {
	switch v.Protocol {
	case mux.HTTP1, mux.HTTP2:
		return mux.Choice{HTTP: true, Label: "web"}
	}
	return mux.Choice{Raw: echo, Label: "echo"}
}

func TestHandOver(t *testing.T) {
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookHTTP} {
		t.Run(name, func(t *testing.T) {
			_, addr := serve(t, mux.Policy{Look: look, Choose: choose, HTTP: http.HandlerFunc(hello)})
			res, err := http.Get("http://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(b) != "hello HTTP/1.1" {
				t.Fatalf("got %q", b)
			}
		})
	}
	for name, look := range map[string]mux.Look{"split": mux.LookSplit, "direct": mux.LookRaw} {
		t.Run("raw "+name, func(t *testing.T) {
			_, addr := serve(t, mux.Policy{Look: look, Choose: choose})
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			io.WriteString(nc, "SSH-2.0-x\n")
			if s, err := bufio.NewReader(nc).ReadString('\n'); s != "SSH-2.0-x\n" {
				t.Fatalf("got %q, %v", s, err)
			}
		})
	}
}
