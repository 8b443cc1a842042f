// Package http3_test speaks HTTP/3 with the daemon as a browser would.
package http3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/porticod/portico/internal/testkit"
)

const config = `
data_dir = "data"
service "echo" "one" {}
service "respond" "two" { body = "two" }
listener "web" {
  address = "127.0.0.1:0"
  http3   = true
  tls { self_signed = true }
  service = service.echo.one
  limits { body = "2MiB" }
  route {
    path    = "/two"
    service = service.respond.two
  }
  route {
    host    = ["two.example.org"]
    service = service.respond.two
  }
}
`

// A client remembers its connections, to tell whether one was used again.
type client struct {
	*http.Client
	dialed *int
}

func newClient(t *testing.T, addr string) client {
	t.Helper()
	dialed := 0
	tr := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			dialed++
			return quic.DialAddr(ctx, addr, tc, qc)
		},
	}
	t.Cleanup(func() { _ = tr.Close() })
	return client{&http.Client{Transport: tr, Timeout: 20 * time.Second}, &dialed}
}

func (c client) do(t *testing.T, method, url string, body []byte) (string, *http.Response) {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), res
}

func TestHTTP3(t *testing.T) {
	d := testkit.Start(t, testkit.App(), config)
	addr := d.Addr("web")

	// A client of HTTP/1.1 learns where HTTP/3 is.
	first := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := first.Get(d.URL("web"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	first.CloseIdleConnections()
	port := addr[strings.LastIndexByte(addr, ':'):]
	if want := fmt.Sprintf("h3=%q; ma=86400", port); res.Header.Get("Alt-Svc") != want {
		t.Errorf("Alt-Svc is %q, want %s", res.Header.Get("Alt-Svc"), want)
	}

	c := newClient(t, addr)
	big := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	if got, res := c.do(t, http.MethodPost, "https://one.example.org/", big); got != string(big) || res.ProtoMajor != 3 {
		t.Errorf("%s: %d bytes of %d came back", res.Proto, len(got), len(big))
	}
	for _, url := range []string{"https://one.example.org/two", "https://two.example.org/"} {
		if got, res := c.do(t, http.MethodGet, url, nil); got != "two" || res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %q %v", url, got, res.Header)
		}
	}
	// HTTP/1.1 says with a refusal that the connection ends; HTTP/3 must not.
	if _, res := c.do(t, http.MethodPost, "https://one.example.org/", append(big, append(big, 1)...)); res.StatusCode != 413 || res.Header["Connection"] != nil {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	var protocols []string
	for _, s := range d.Sockets() {
		protocols = append(protocols, string(s.Protocol))
	}
	if !strings.Contains(strings.Join(protocols, " "), "http3") {
		t.Errorf("sockets lists %v", protocols)
	}
}

// A reload changes what a connection gets, and leaves the connection.
func TestReloadKeepsConnections(t *testing.T) {
	d := testkit.Start(t, testkit.App(), config)
	c := newClient(t, d.Addr("web"))
	if got, _ := c.do(t, http.MethodGet, "https://one.example.org/two", nil); got != "two" {
		t.Fatal(got)
	}
	if r := d.Reload(strings.ReplaceAll(config, `body = "two"`, `body = "changed"`)); !r.OK {
		t.Fatal(r.Text)
	}
	if got, _ := c.do(t, http.MethodGet, "https://one.example.org/two", nil); got != "changed" {
		t.Errorf("after the reload: %q", got)
	}
	if *c.dialed != 1 {
		t.Errorf("%d connections, want 1", *c.dialed)
	}
	// Without HTTP/3 the port refuses, and clients of TCP are told nothing.
	if r := d.Reload(strings.ReplaceAll(config, "http3   = true", "")); !r.OK {
		t.Fatal(r.Text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if q, err := quic.DialAddr(ctx, d.Addr("web"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil); err == nil {
		_ = q.CloseWithError(0, "")
		t.Error("HTTP/3 is still served")
	}
}

// A request that is in progress at the stop is answered.
func TestStopFinishesRequests(t *testing.T) {
	d := testkit.Start(t, testkit.App(), config)
	c, url := newClient(t, d.Addr("web")), d.URL("web")
	body, more := io.Pipe()
	answer := make(chan error, 1)
	go func() {
		req, err := http.NewRequest(http.MethodPost, "https://one.example.org/", body)
		if err != nil {
			answer <- err
			return
		}
		res, err := c.Do(req)
		if err != nil {
			answer <- err
			return
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err == nil && string(b) != "begun, ended" {
			err = fmt.Errorf("answered %q", b)
		}
		answer <- err
	}()
	if _, err := more.Write([]byte("begun")); err != nil {
		t.Fatal(err)
	}
	d.Eventually("the request arrives", func() bool { return d.Status().Listeners[0].Requests == 1 })
	stopped := make(chan int, 1)
	go func() { stopped <- d.Stop() }()
	other := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	d.Eventually("the stop begins", func() bool {
		res, err := other.Get(url)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.Close
	})
	if _, err := more.Write([]byte(", ended")); err != nil {
		t.Fatal(err)
	}
	if err := more.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if code := <-stopped; code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestMain(m *testing.M) {
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	os.Exit(m.Run())
}
