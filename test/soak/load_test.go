package soak_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A caller is somebody with a token and connections of his own.
type caller struct {
	base, token string
	client      *http.Client
}

func newCaller(base string) *caller {
	return &caller{base: base, client: &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 5 * time.Second,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}}}
}

// call makes a request that must succeed; in is sent as it is, or as JSON.
// A service that has too much to do says when to come again, and is asked again.
func (c *caller) call(method, path string, in, out any) error {
	for end := time.Now().Add(patience); ; {
		after, err := c.once(method, path, in, out)
		if after == 0 || time.Now().Add(after).After(end) {
			return err
		}
		<-time.After(after)
	}
}

// once returns how long to wait where that is worth it.
func (c *caller) once(method, path string, in, out any) (after time.Duration, err error) {
	body, kind := []byte(nil), "application/json"
	switch in := in.(type) {
	case nil:
	case *form:
		body, kind = in.Bytes(), in.kind
	default:
		if body, err = json.Marshal(in); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", kind)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		if s, _ := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode == http.StatusServiceUnavailable && s > 0 {
			after = time.Duration(s) * time.Second
		}
		return after, errors.Join(fmt.Errorf("%s %s: %s %.200s", method, path, res.Status, answer), err)
	}
	if out == nil {
		return 0, nil
	}
	return 0, json.Unmarshal(answer, out)
}

// A form is an upload.
type form struct {
	bytes.Buffer
	kind string
}

func newForm(field, name string, data []byte) (*form, error) {
	f := new(form)
	w := multipart.NewWriter(f)
	f.kind = w.FormDataContentType()
	part, err := w.CreateFormFile(field, name)
	if err == nil {
		_, err = part.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	return f, err
}

// must is for what the load begins with.
func (r *run) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// photos uploads, posts, reads and deletes.
func (r *run) photos() {
	data, err := os.ReadFile(filepath.Join(r.d.Dir, "pictures", "0.jpg"))
	r.must(err)
	for i := range 2 {
		c := newCaller(r.d.URL("photos"))
		var in struct {
			Token string `json:"access_token"`
		}
		r.must(c.call("POST", "/api/v1/accounts", map[string]string{"username": fmt.Sprint("snapper", i), "password": "a password of length"}, &in))
		c.token = in.Token
		var kept []string
		r.each("photos: upload, post, read, delete", 400*time.Millisecond, func(n int) error {
			f, err := newForm("file", "a.jpg", data)
			if err != nil {
				return err
			}
			var media, status struct{ ID string }
			if err := c.call("POST", "/api/v1/media", f, &media); err != nil {
				return err
			}
			if err := c.call("POST", "/api/v1/statuses", map[string]any{"status": fmt.Sprint("picture ", n), "media_ids": []string{media.ID}}, &status); err != nil {
				return err
			}
			var feed []struct{ ID string }
			if err := c.call("GET", "/api/v1/timelines/home?limit=20", nil, &feed); err != nil {
				return err
			}
			if len(feed) == 0 || feed[0].ID != status.ID {
				return fmt.Errorf("the newest post is not %s but %v", status.ID, feed)
			}
			if kept = append(kept, status.ID); len(kept) < 10 {
				return nil
			}
			gone := kept[0]
			kept = kept[1:]
			return c.call("DELETE", "/api/v1/statuses/"+gone, nil, nil)
		})
	}
}

// web asks for files, pictures, the proxy, TLS and the relay.
func (r *run) web() {
	web, secure, pictures := newCaller(r.d.URL("web")), newCaller(r.d.URL("secure")), newCaller(r.d.URL("pictures"))
	addr := r.d.Addr("web")
	get := func(c *caller, path string) func(int) error {
		return func(int) error { return c.call("GET", path, nil, nil) }
	}
	for range 3 {
		r.each("static, keep-alive", 5*time.Millisecond, get(web, "/"))
		r.each("static, 512 KiB", 30*time.Millisecond, get(web, "/large.bin"))
		r.each("proxy", 5*time.Millisecond, get(web, "/proxied"))
		r.each("static, HTTP/2 over TLS", 20*time.Millisecond, get(secure, "/"))
		r.each("static, a TLS connection each", 100*time.Millisecond, func(int) error {
			c := newCaller(secure.base)
			defer c.client.CloseIdleConnections()
			return c.call("GET", "/", nil, nil)
		})
		r.each("relay, 64 KiB to and fro", 30*time.Millisecond, func(int) error { return relay(addr) })
	}
	r.each("pictures of changing size", 150*time.Millisecond, func(n int) error {
		return pictures.call("GET", fmt.Sprintf("/%d.jpg?w=%d", n%4, 100+n*37%900), nil, nil)
	})
}

// relay says that it is SSH, and gets its bytes back.
func relay(addr string) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	said := []byte("SSH-2.0-soak\r\n" + strings.Repeat("x", 64<<10))
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(said)
		sent <- err
	}()
	got := make([]byte, len(said))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, said) {
		return fmt.Errorf("other bytes came back")
	}
	return <-sent
}

// rude are clients that do not end what they begin.
func (r *run) rude() {
	say := func(listener, text string, hold time.Duration) func(int) error {
		addr := r.d.Addr(listener)
		return func(int) error {
			c, err := net.DialTimeout("tcp", addr, patience)
			if err != nil {
				return err
			}
			defer c.Close()
			_, _ = io.WriteString(c, text)
			select {
			case <-time.After(hold):
			case <-r.stop:
			}
			return nil
		}
	}
	r.each("rude: half a request, held", 50*time.Millisecond, say("web", "GET / HTTP/1.1\r\nHost:", 3*time.Second))
	r.each("rude: nothing at all", 50*time.Millisecond, say("web", "", time.Second))
	r.each("rude: half a handshake", 50*time.Millisecond, say("secure", "\x16\x03\x01\x02\x00\x01", time.Second))
	r.each("rude: an answer not taken", 50*time.Millisecond, say("web", "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n", time.Second))
	r.each("rude: half an upload", 200*time.Millisecond, say("photos",
		"POST /api/v1/media HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n--b\r\n", 500*time.Millisecond))
	r.each("rude: noise", 50*time.Millisecond, say("chat", strings.Repeat("\x00\xff\r\n", 400), 0))
}

// operator reloads, also bad files, and rotates the access log.
func (r *run) operator() {
	file := filepath.Join(r.d.Dir, "config.hcl")
	reload := func(config string, ok bool) error {
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			return err
		}
		res, err := r.d.Admin.Reload(context.Background(), false)
		if err != nil {
			return err
		}
		if res.OK != ok {
			return fmt.Errorf("ok is %v: %s %s", res.OK, res.Error, res.Text)
		}
		return nil
	}
	r.each("reload", time.Second, func(n int) error {
		if n%5 == 4 {
			if err := reload("listener {", false); err != nil {
				return err
			}
		}
		return reload(r.config(n), true)
	})
	r.each("the access log is moved", 2*time.Second, func(int) error {
		if err := os.Rename(filepath.Join(r.d.Dir, "access.log"), filepath.Join(r.d.Dir, "access.1")); err != nil && !os.IsNotExist(err) {
			return err
		}
		return syscall.Kill(r.d.PID(), syscall.SIGUSR1)
	})
}
