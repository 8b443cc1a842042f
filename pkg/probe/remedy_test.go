package probe_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/probe"
	"github.com/porticod/portico/pkg/service"
)

// answering is the port of a server that gives one answer by HTTP; an empty one
// is the end of the connection.
func answering(t *testing.T, answer string) int {
	return serve(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		if n, _ := io.WriteString(c, answer); n > 0 {
			_, _ = io.Copy(io.Discard, c) // bytes that nobody read would make it a reset
		}
	})
}

// closedPort is one at which nobody listens.
func closedPort(t *testing.T) int { return port.Hold(t).Port }

// oldCertificate is the port of a server whose certificate has expired.
func oldCertificate(t *testing.T) int {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{expired(t)}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // bad handshakes are asked for
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return portOf(t, srv)
}

// Whatever fails is said together with what to do about it, by the kind of the
// service; what the daemon knows goes before what can be guessed.
func TestRemedies(t *testing.T) {
	const badGateway, unavailable = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
	http, connect := service.Probe{Kind: service.ProbeHTTP}, service.Probe{Kind: service.ProbeConnect}
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	ends := serve(t, func(net.Conn) {})
	wrong := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "no")
		_, _ = io.Copy(io.Discard, c)
	})
	echo := service.Probe{Kind: service.ProbeRaw, Send: []byte("hi"), Expect: []byte("hi")}
	none := filepath.Join(t.TempDir(), "none.sock")

	var checks []probe.Check
	add := func(service string, p service.Probe, port int) *probe.Check {
		k := tcp(port)
		k.Service, k.Probe = service, p
		checks = append(checks, k)
		return &checks[len(checks)-1]
	}
	for _, s := range []string{"process.app", "proxy.api", "chat.talk"} {
		add(s, http, silent)
		add(s, http, answering(t, ""))
		add(s, http, answering(t, badGateway))
		add(s, http, answering(t, unavailable))
	}
	add("process.dead", http, silent)
	add("tcp.dead", connect, ends)
	add("process.app", connect, ends)
	add("tcp.db", connect, ends)
	add("chat.talk", connect, ends)
	add("respond.page", service.Probe{Kind: service.ProbeHTTP, Status: []int{200}}, answering(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	add("chat.talk", service.Probe{Kind: service.ProbeWebSocket}, answering(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	add("static.site", http, answering(t, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"))
	add("static.site", http, answering(t, "noise\r\n\r\n"))
	add("echo.e", echo, wrong)
	add("echo.e", echo, closedPort(t))
	add("static.site", http, oldCertificate(t)).TLS = true
	add("static.site", http, answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n")).TLS = true
	sock := add("static.site", http, 1)
	sock.Network, sock.Address = "unix", none

	results := probe.Run(t.Context(), checks, 3*time.Second)
	web := spec("web", service.HTTP, http)
	ref := web.Ref()
	results = append(results, probe.Run(t.Context(), probe.Checks(&config.Config{Services: []service.Spec{web}, Listeners: []config.Listener{
		{Name: "any", Addresses: []config.Address{{Network: "tcp", Host: "127.0.0.1"}}, Service: &ref},
	}}, nil, nil), 3*time.Second)...)
	probe.Advise(results, probe.Health{
		"process.app": "ok", "chat.talk": "ok", "process.dead": "it ended with status 1", "tcp.dead": "no upstream is up",
	})
	var b strings.Builder
	for i, r := range results {
		if r.OK || r.Remedy == "" {
			t.Errorf("%+v fails without a remedy, or not at all", r)
		}
		found := r.Result
		if i < len(checks) {
			found = strings.ReplaceAll(found, checks[i].Address, "ADDRESS")
		}
		fmt.Fprintf(&b, "%s %s: %s\n    %s\n", r.Service, r.Probe, found, r.Remedy)
	}
	golden.Match(t, "testdata/remedies.golden", b.String())
}

// What works needs no advice, whatever the daemon says of the service.
func TestNoRemedy(t *testing.T) {
	k := tcp(answering(t, "HTTP/1.1 204 No Content\r\n\r\n"))
	k.Service, k.Probe = "process.app", service.Probe{Kind: service.ProbeHTTP}
	results := probe.Run(t.Context(), []probe.Check{k}, patience)
	probe.Advise(results, probe.Health{"process.app": "it is being replaced"})
	if !results[0].OK || results[0].Remedy != "" {
		t.Errorf("%+v", results[0])
	}
}
