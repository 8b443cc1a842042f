package admin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/admin/watch"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

var errEnough = errors.New("enough")

// A stream begins at once, has rates from the second view on, and outlives the
// time that a request may take to arrive.
func TestWatch(t *testing.T) {
	f := start(t)
	var views []watch.View
	err := f.client.Watch(soon(t), 1, func(v watch.View) error {
		views = append(views, v)
		if len(views) >= 4 && v.At.Sub(views[0].At) > readTimeout {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("after %d views: %v", len(views), err)
	}
	if views[0].Seconds != 0 || views[1].Seconds <= 0 || views[0].Version != "1.2.3" || views[0].Generation != 7 {
		t.Errorf("got %+v, %+v", views[0], views[1])
	}
	v, err := f.client.View(soon(t))
	if err != nil || v.Generation != 7 || v.Seconds <= 0 {
		t.Errorf("since the start: %+v, %v", v, err)
	}
}

// A server that closes does not wait for who views, and says that it ends.
func TestCloseEndsStreams(t *testing.T) {
	took := closeUnderStreams(t)
	for range 20 { // on a busy machine everything takes longer
		if took > time.Second {
			took = closeUnderStreams(t)
		}
	}
	if took > time.Second {
		t.Errorf("closing took %v", took)
	}
}

// closeUnderStreams is how long the closing of a server takes that two view.
func closeUnderStreams(t *testing.T) time.Duration {
	t.Helper()
	f := start(t)
	commit, _, err := f.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	res := get(t, "http://"+f.Address()+"/events", nil)
	first, over := make(chan struct{}, 100), make(chan error, 1)
	ctx := soon(t)
	go func() {
		over <- f.client.Watch(ctx, 1, func(watch.View) error {
			first <- struct{}{}
			return nil
		})
	}()
	select {
	case <-first:
	case <-ctx.Done():
		t.Fatal("no view came")
	}
	began := time.Now()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	took := time.Since(began)
	if err := <-over; err != nil {
		t.Errorf("over the socket: %v", err)
	}
	if _, err := io.ReadAll(res.Body); err != nil && ctx.Err() != nil {
		t.Errorf("over TCP: %v", err)
	}
	if err := f.client.Watch(ctx, 1, nil); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("afterwards: %v", err)
	}
	return took
}

// Taking the TCP address away ends what is viewed there.
func TestAddressGoesUnderAStream(t *testing.T) {
	f := start(t)
	commit, _, err := f.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	res := get(t, "http://"+f.Address()+"/events", nil)
	commit, _, err = f.Listen(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	commit()
	_, _ = io.ReadAll(res.Body)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the stream went on for %v", took)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	f := start(t)
	commit, _, err := f.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	url := "http://" + f.Address() + "/events"
	for range 16 {
		if res := get(t, url, nil); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("got %s", res.Status)
		}
	}
	res := get(t, url, nil)
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(b), "too many look already") || res.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %s, %s", res.Status, b)
	}
	for _, n := range []string{"0", "61", "x", "-1"} {
		if res := get(t, url+"?seconds="+n, nil); res.StatusCode != http.StatusBadRequest {
			t.Errorf("seconds=%s: %s", n, res.Status)
		}
	}
}

// get asks, with header "Host: x" or others, and leaves the body open.
func get(t *testing.T, url string, header map[string]string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, http.DefaultClient, req, header)
}

func ask(t *testing.T, c *http.Client, req *http.Request, header map[string]string) *http.Response {
	t.Helper()
	for name, value := range header {
		req.Header.Set(name, value)
	}
	req.Host = req.Header.Get("Host")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// Pages of others get nothing, neither by a name that they own nor from inside
// a browser, and can have nothing done.
func TestForeignPages(t *testing.T) {
	f := start(t)
	commit, _, err := f.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	commit()
	tcp := "http://" + f.Address()
	type headers = map[string]string
	for _, c := range []struct {
		method, url string
		client      *http.Client
		header      headers
		status      int
	}{
		{"GET", tcp + "/view", nil, headers{"Host": "evil.example.org"}, 403},
		{"GET", tcp + "/metrics", nil, headers{"Host": "evil.example.org:9090"}, 403},
		{"GET", tcp + "/view", nil, headers{"Host": "localhost:9090"}, 200},
		{"GET", tcp + "/view", nil, headers{"Host": "[::1]:9090"}, 200},
		{"GET", tcp + "/view", nil, headers{"Origin": "http://localhost:3001"}, 403},
		{"GET", tcp + "/view", nil, headers{"Origin": "null"}, 403},
		{"GET", tcp + "/view", nil, headers{"Host": "localhost:9090", "Origin": "http://localhost:9090"}, 200},
		{"GET", tcp + "/metrics", nil, headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		{"GET", tcp + "/events", nil, headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403},
		{"GET", tcp + "/", nil, headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"GET", tcp + "/", nil, headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"GET", tcp + "/web/app.js", nil, headers{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200},
		{"POST", admin.Base + "/reload", f.client.HTTP(), headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"POST", admin.Base + "/reload", f.client.HTTP(), headers{"Origin": "http://evil.example.org"}, 403},
		{"POST", admin.Base + "/reload", f.client.HTTP(), headers{"Host": "evil.example.org"}, 403},
		{"GET", admin.Base + "/status", f.client.HTTP(), headers{"Host": "anything"}, 200},
		{"GET", admin.Base + "/", f.client.HTTP(), nil, 200},
	} {
		req, err := http.NewRequestWithContext(soon(t), c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.client == nil {
			c.client = http.DefaultClient
		}
		if res := ask(t, c.client, req, c.header); res.StatusCode != c.status {
			t.Errorf("%s %s with %v: %s", c.method, c.url, c.header, res.Status)
		}
	}
	if len(f.reloads) > 0 {
		t.Error("a foreign page reloaded the daemon")
	}
}

// The page is allowed its own files, and nothing of others or within itself.
func TestPolicy(t *testing.T) {
	f := start(t)
	req, err := http.NewRequestWithContext(soon(t), http.MethodGet, admin.Base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res := ask(t, f.client.HTTP(), req, nil)
	b, _ := io.ReadAll(res.Body)
	csp := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy has no %s: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("the policy: %s", csp)
	}
	for _, bad := range []string{"<style", "style=", "onclick", "http://", "https://"} {
		if strings.Contains(string(b), bad) {
			t.Errorf("the page has %s", bad)
		}
	}
}
