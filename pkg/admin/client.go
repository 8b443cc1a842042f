package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/daemon"
)

// maxAnswer bounds what a client reads: a line of sockets is about 200 bytes.
const maxAnswer = 256 << 20

// maxEvent bounds one view: a route is about 500 bytes.
const maxEvent = 64 << 20

// ErrNotRunning is matched by the errors of a client that found nobody at its
// socket.
var ErrNotRunning = errors.New("no daemon answers")

// An Error is what the daemon answered in place of a result.
type Error struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// A Client speaks to the daemon behind a socket. It is safe for concurrent use.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client for the socket at path. It connects with each call.
func NewClient(path string) *Client { return NewClientOf(path, func(int) bool { return true }) }

// NewClientOf is NewClient for a socket that anybody may have made: nothing is
// sent where the one who listens there is not trusted.
func NewClientOf(path string, trusted func(uid int) bool) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: 5 * time.Second}
		c, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		if uid, ok := peerUID(c); !ok || !trusted(uid) {
			_ = c.Close() // nothing was sent
			return nil, os.ErrPermission
		}
		return c, nil
	}
	return &Client{path: path, http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, Proxy: nil}}}
}

// HTTP is for handlers that are mounted on the socket, under Base.
func (c *Client) HTTP() *http.Client { return &c.http }

// Base is the URL of what is mounted on the socket. Its host means nothing.
const Base = "http://portico"

// Ping returns nil where a daemon answers, else an ErrNotRunning or why it
// cannot be asked.
func (c *Client) Ping(ctx context.Context) error {
	return c.Do(ctx, http.MethodGet, "/healthz", nil, nil)
}

// Path is the socket that the client connects to.
func (c *Client) Path() string { return c.path }

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (s daemon.Status, err error) {
	return s, c.Do(ctx, http.MethodGet, "/status", nil, &s)
}

// Sockets asks for the live connections.
func (c *Client) Sockets(ctx context.Context) (s []Socket, err error) {
	return s, c.Do(ctx, http.MethodGet, "/sockets", nil, &s)
}

// View asks what the daemon did since its start.
func (c *Client) View(ctx context.Context) (v watch.View, err error) {
	return v, c.Do(ctx, http.MethodGet, "/view", nil, &v)
}

// Watch calls show with what the daemon does, at once and then every so many
// seconds, until show or the stream fails or ctx ends. It returns nil where the
// daemon ended the stream because it ends itself.
func (c *Client) Watch(ctx context.Context, seconds int, show func(watch.View) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/events?seconds=%d", Base, seconds), nil)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 400 {
		b, _ := io.ReadAll(io.LimitReader(res.Body, maxEvent)) // the status says enough
		return failure(res.StatusCode, b)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		if bytes.Equal(lines.Bytes(), []byte("event: end")) {
			return nil
		}
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var v watch.View
		if err := json.Unmarshal(data, &v); err != nil {
			return fmt.Errorf("understand the daemon at %s: %w", c.path, err)
		}
		if err := show(v); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return c.explain(err)
	}
	return fmt.Errorf("the daemon at %s: %w", c.path, io.ErrUnexpectedEOF)
}

// Reload makes the daemon load its file again; with dry it only says what would
// change. A reload that failed is no error here: see its Exit.
func (c *Client) Reload(ctx context.Context, dry bool) (r Reload, err error) {
	path := "/reload"
	if dry {
		path += "?diff=1"
	}
	return r, c.Do(ctx, http.MethodPost, path, nil, &r)
}

// Do makes any call. in and out are JSON; either may be nil.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("ask the daemon: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, Base+path, body)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask the daemon at %s: %w", c.path, err)
	}
	if res.StatusCode >= 400 {
		return failure(res.StatusCode, b)
	}
	if out == nil || len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("understand the daemon at %s: %w", c.path, err)
	}
	return nil
}

// failure makes an error of an answer that is one.
func failure(status int, body []byte) error {
	var wrapped struct {
		Error *Error `json:"error"`
	}
	if json.Unmarshal(body, &wrapped) == nil && wrapped.Error != nil && wrapped.Error.Message != "" {
		wrapped.Error.Status = status
		return wrapped.Error
	}
	text := strings.TrimSpace(string(body[:min(len(body), 500)]))
	if text == "" {
		text = http.StatusText(status)
	}
	return &Error{Status: status, Message: text}
}

// explain turns what the kernel said into what to do.
func (c *Client) explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w at %s", ErrNotRunning, c.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the socket %s belongs to another user; run the command as that user or as root", c.path)
	}
	return fmt.Errorf("ask the daemon at %s: %w", c.path, err)
}
