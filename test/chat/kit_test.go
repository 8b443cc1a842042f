// Package chat tries the chat from outside, against the real binary: that it
// keeps its promises through SIGKILL, that its WebSockets and echo's are those of
// RFC 6455, and that what it says is what openapi.yaml and asyncapi.yaml describe.
package chat

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// patience is how long is waited for what must come.
const patience = time.Minute

// config has a chat and an echo whose limits do not stand in a test's way.
const config = `
data_dir = "data"
log {
  level = "warn"
  access { off = true }
}
accounts {
  registration = "open"
}
service "chat" "talk" {
  resume_limit = 1000000
  limits {
    sends       = 1000000
    burst       = 1000000
    connections = 1000
    calls       = 1000000
  }
}
service "echo" "back" {}
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.talk
}
listener "echo" {
  address = "127.0.0.1:0"
  service = service.echo.back
}
`

// A user is an account with a token.
type user struct {
	name, token string
	client      *http.Client
}

// call makes a request and decodes the answer into into, if there is one.
func (u *user) call(method, url string, body, into any) (status int, err error) {
	status, b, err := u.raw(method, url, body)
	if err == nil && into != nil && status < 300 {
		err = json.Unmarshal(b, into)
	}
	return status, err
}

// raw makes a request with a JSON body, or one of bytes, and returns the answer's.
func (u *user) raw(method, url string, body any) (status int, answer []byte, err error) {
	send, ok := body.([]byte)
	if !ok && body != nil {
		if send, err = json.Marshal(body); err != nil {
			return 0, nil, err
		}
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(send))
	if err != nil {
		return 0, nil, err
	}
	if u.token != "" {
		req.Header.Set("Authorization", "Bearer "+u.token)
	}
	res, err := u.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// must makes a request that has to succeed.
func (u *user) must(t *testing.T, method, url string, body, into any) {
	t.Helper()
	status, b, err := u.raw(method, url, body)
	if err != nil || status >= 300 {
		t.Fatalf("%s %s: %d %s %v", method, url, status, b, err)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("%s %s: %v in %s", method, url, err, b)
		}
	}
}

// signUp makes an account.
func signUp(t *testing.T, base, name string) *user {
	t.Helper()
	u := &user{name: name, client: newClient(t)}
	var in struct{ Token string }
	u.must(t, "POST", base+"/v1/accounts", map[string]string{"username": name, "password": "password of " + name}, &in)
	u.token = in.Token
	return u
}

// An event is what is pushed, as far as these tests look at it.
type event struct {
	Cursor int64
	Type   string
	Conv   string
	Seq    int64
	CID    string
	From   string
	Text   string

	Target       int64
	User, Action string
	Deleted      bool
	Attachments  []struct{ ID string }
	Reactions    []struct {
		Emoji string
		Users []string
	}
}

// A line is what a WebSocket sends.
type line struct {
	ID      json.RawMessage
	Connect *struct {
		Epoch   string
		Cursor  int64
		Resumed bool
		Reset   bool
	}
	Ev     *event
	Synced *struct{ Cursor int64 }
	Ack    *struct {
		Conv string
		Seq  int64
		CID  string
		Dup  bool
	}
	Error *struct{ Code, Message string }
}

// newClient is an HTTP client with connections of its own.
func newClient(t *testing.T) *http.Client {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}
