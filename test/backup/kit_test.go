// Package backup tries portico backup and restore against the real binary: under
// load, into a fresh daemon, and with everything that should be refused.
package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/program"
)

// patience is how long is waited for what must come.
const patience = time.Minute

// config has what keeps data, with limits that do not stand in a test's way.
const config = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
accounts { registration = "open" }
service "chat" "talk" {
  limits {
    sends = 1000000
    burst = 1000000
    calls = 1000000
  }
}
service "photos" "snaps" { password_grant = true }
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.talk
}
listener "photos" {
  address = "127.0.0.1:0"
  service = service.photos.snaps
}
`

// run runs the program to its end and returns what it said.
func run(t *testing.T, dir string, stdin io.Reader, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program.Shipped(t), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, stdin, &out, &errs
	if err := cmd.Run(); ctx.Err() != nil {
		t.Fatalf("%v took for ever: %v\n%s", args, err, errs.String())
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// must is run for what has to succeed.
func must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	status, out, errs := run(t, dir, nil, args...)
	if status != 0 {
		t.Fatalf("portico %v: status %d\n%s%s", args, status, out, errs)
	}
	return out
}

// A user is an account with its tokens.
type user struct {
	name         string
	chat, photos string
	client       *http.Client
}

// ask makes a request; body is JSON, a form, or with its type bytes.
func (u *user) ask(token, method, address, kind string, body []byte, into any) error {
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := u.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	switch raw, ok := into.(*[]byte); {
	case err != nil:
		return err
	case res.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s %s", method, address, res.Status, b)
	case ok:
		*raw = b
		return nil
	case into == nil:
		return nil
	}
	return json.Unmarshal(b, into)
}

func (u *user) json(method, address string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return u.ask(u.chat, method, address, "application/json", b, into)
}

func newUser(t *testing.T, name string) *user {
	u := &user{name: name, client: &http.Client{Timeout: patience, Transport: &http.Transport{}}}
	t.Cleanup(u.client.CloseIdleConnections)
	return u
}

// signUp makes an account and tokens for both services.
func signUp(t *testing.T, chat, photos, name string) *user {
	t.Helper()
	u := newUser(t, name)
	var in struct{ Token string }
	if err := u.json("POST", chat+"/v1/accounts", map[string]string{"username": name, "password": "password of " + name}, &in); err != nil {
		t.Fatal(err)
	}
	u.chat = in.Token
	form := func(values ...string) []byte {
		v := url.Values{}
		for i := 0; i < len(values); i += 2 {
			v.Set(values[i], values[i+1])
		}
		return []byte(v.Encode())
	}
	const kind = "application/x-www-form-urlencoded"
	var app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	var token struct {
		Token string `json:"access_token"`
	}
	oob := "urn:ietf:wg:oauth:2.0:oob"
	err := u.ask("", "POST", photos+"/api/v1/apps", kind, form("client_name", "test", "redirect_uris", oob, "scopes", "read write"), &app)
	if err == nil {
		err = u.ask("", "POST", photos+"/oauth/token", kind, form("grant_type", "password", "client_id", app.ID, "client_secret", app.Secret,
			"username", name, "password", "password of "+name, "scope", "read write", "redirect_uri", oob), &token)
	}
	if err != nil {
		t.Fatal(err)
	}
	u.photos = token.Token
	return u
}

// picture makes a JPEG that is like no other, as a form's part.
func picture(n int) (kind string, body []byte, err error) {
	m := image.NewRGBA(image.Rect(0, 0, 60, 40))
	for i := range 60 * 40 {
		m.Set(i%60, i/60, color.RGBA{uint8(n), uint8(n >> 8), uint8(i * 7), 255})
	}
	var file, b bytes.Buffer
	if err := jpeg.Encode(&file, m, nil); err != nil {
		return "", nil, err
	}
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "a.jpg")
	if err != nil {
		return "", nil, err
	}
	if _, err := part.Write(file.Bytes()); err != nil {
		return "", nil, err
	}
	err = w.Close()
	return w.FormDataContentType(), b.Bytes(), err
}

// at moves an address to where a service is now.
func at(base, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return base + strings.TrimPrefix(u.RequestURI(), base)
}
