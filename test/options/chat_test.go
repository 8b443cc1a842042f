package options_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit"
)

// A chatter is somebody in a chat, by HTTP.
type chatter struct {
	t     *testing.T
	url   string
	token string
}

// call makes a call, which must be answered with status.
func (c chatter) call(status int, method, path, body string, fields ...string) answer {
	c.t.Helper()
	a := ask(c.t, method, c.url+path, body, append(fields, "Authorization", "Bearer "+c.token)...)
	a.is(c.t, status, "")
	return a
}

func join(t *testing.T, url, name string) chatter {
	t.Helper()
	a := ask(t, http.MethodPost, url+"/v1/accounts", `{"username":"`+name+`","password":"correct horse"}`)
	a.is(t, http.StatusCreated, "")
	return chatter{t, url, a.field(t, "token")}
}

const chats = `
log { level = "warn" }
accounts { registration = "open" }
service "chat" "strict" {
  allowed_origins = ["https://app.test"]
  ping            = "1s"
  max_text        = "10B"
  max_attachment  = "100B"
  quota           = "150B"
  max_members     = 2
  public_url      = "https://chat.test"
  drain           = "77s"
  resume_limit    = 2
  limits {
    connections = 1
    sends       = 1
    burst       = 4
  }
}
service "chat" "doors" {
  limits {
    calls         = 1
    failed_logins = 2
    sign_ups      = 3
  }
}
listener "strict" {
  address = "127.0.0.1:0"
  service = service.chat.strict
}
listener "doors" {
  address         = "127.0.0.1:0"
  service         = service.chat.doors
  trusted_proxies = ["127.0.0.1"]
}
`

// option: accounts.registration log.level
// option: chat.allowed_origins chat.ping chat.max_text chat.max_attachment chat.quota chat.max_members
// option: chat.public_url chat.drain chat.resume_limit chat.limits.connections
// option: chat.limits.sends chat.limits.burst chat.limits.calls chat.limits.failed_logins chat.limits.sign_ups
func TestChat(t *testing.T) {
	t.Parallel()
	d := start(t, chats)
	strict := d.URL("strict")
	ann, bob := join(t, strict, "ann"), join(t, strict, "bob")
	join(t, strict, "cid")
	start := ann.call(200, "GET", "/v1/events", "")

	chatPages(t, strict)
	chatSizes(t, ann)
	group := ann.call(201, "POST", "/v1/conversations", `{"kind":"group","cid":"g","title":"T","members":["bob"]}`).field(t, "id")
	ann.call(409, "PUT", "/v1/conversations/"+group+"/members/cid", `{"role":"member"}`)
	ann.call(201, "POST", "/v1/conversations/"+group+"/invite", "").says(t, `"url":"https://chat\.test/`)

	// Sends: one was in chatSizes, so three more are let through.
	for i := range 3 {
		ann.call(201, "POST", "/v1/conversations/"+group+"/messages", fmt.Sprintf(`{"cid":"m%d","text":"hello"}`, i))
	}
	a := ann.call(429, "POST", "/v1/conversations/"+group+"/messages", `{"cid":"m4","text":"hello"}`)
	if ms := a.field(t, "error.retry_after_ms"); len(ms) < 3 { // the default is every 10 ms
		t.Errorf("the next message after %s ms", ms)
	}
	missed := "/v1/events?epoch=" + start.field(t, "epoch") + "&after=" + start.field(t, "cursor")
	if got := ann.call(200, "GET", missed, ""); got.field(t, "reset") != "true" {
		t.Errorf("resume_limit: %.300s", got.body)
	}
	chatDoors(t, d.URL("doors"))
	chatSocket(t, d, bob)
	if strings.Contains(d.Log(), `"level":"info"`) {
		t.Errorf("level warn has info:\n%s", d.Log())
	}
}

// chatPages is about pages of other origins.
func chatPages(t *testing.T, url string) {
	t.Helper()
	for origin, want := range map[string]string{"https://app.test": "https://app.test", "https://evil.test": ""} {
		a := ask(t, http.MethodOptions, url+"/v1/me", "", "Origin", origin, "Access-Control-Request-Method", "GET")
		a.has(t, "Access-Control-Allow-Origin", want)
	}
}

// chatSizes is about texts and attachments.
func chatSizes(t *testing.T, ann chatter) {
	t.Helper()
	notes := ann.call(201, "POST", "/v1/conversations", `{"kind":"direct","with":"ann"}`).field(t, "id")
	ann.call(413, "POST", "/v1/conversations/"+notes+"/messages", `{"cid":"long","text":"`+strings.Repeat("x", 11)+`"}`)
	ann.call(201, "POST", "/v1/conversations/"+notes+"/messages", `{"cid":"fits","text":"`+strings.Repeat("x", 10)+`"}`)
	ann.call(413, "POST", "/v1/blobs?name=a", strings.Repeat("a", 101))
	ann.call(201, "POST", "/v1/blobs?name=a", strings.Repeat("a", 100)).says(t, `"url":"https://chat\.test/`)
	ann.call(507, "POST", "/v1/blobs?name=b", strings.Repeat("b", 51))
	ann.call(201, "POST", "/v1/blobs?name=b", strings.Repeat("b", 50))
}

// chatSocket is about connections: how many, whether they are asked for a sign
// of life, and what they are told at the end. It stops the daemon.
func chatSocket(t *testing.T, d *testkit.Daemon, bob chatter) {
	t.Helper()
	ws, end := webSocket(t, d.Addr("strict")+"/v1/ws")
	if err := ws.WriteString(`{"id":1,"connect":{"token":"` + bob.token + `"}}`); err != nil {
		t.Fatal(err)
	}
	until := func(want string) {
		t.Helper()
		for {
			frame := receive(t, end.said)
			for line := range strings.Lines(frame) {
				if strings.Contains(line, want) && (want != "{}" || strings.TrimSpace(line) == "{}") {
					return
				}
			}
		}
	}
	until(`"synced"`)
	bob.call(429, "GET", "/v1/events?wait=1", "")
	until("{}") // the default is longer than is waited
	_ = ws.WriteString("{}")
	stopped := make(chan int, 1)
	go func() { stopped <- d.Stop() }()
	until(`"max_ms":77000`)
	_ = ws.NetConn().Close()
	receive(t, stopped)
}

// chatDoors is about who comes in, from somewhere else, and about calls.
func chatDoors(t *testing.T, url string) {
	t.Helper()
	login := func(status int, from, password string) {
		t.Helper()
		ask(t, http.MethodPost, url+"/v1/sessions", `{"username":"ann","password":"`+password+`"}`, "X-Forwarded-For", from).is(t, status, "")
	}
	login(401, "192.0.2.1", "wrong")
	login(401, "192.0.2.1", "wrong")
	login(429, "192.0.2.1", "correct horse")
	login(201, "192.0.2.2", "correct horse")
	signUp := func(status int, from, name string) {
		t.Helper()
		ask(t, http.MethodPost, url+"/v1/accounts", `{"username":"`+name+`","password":"correct horse"}`, "X-Forwarded-For", from).is(t, status, "")
	}
	for i := range 3 {
		signUp(201, "192.0.2.3", fmt.Sprintf("many%d", i))
	}
	signUp(429, "192.0.2.3", "many3")
	signUp(201, "192.0.2.4", "many3")

	dan := join(t, url, "dan")
	statuses := map[int]int{}
	for range 15 { // ten at once, and one a second
		statuses[ask(t, http.MethodGet, url+"/v1/me", "", "Authorization", "Bearer "+dan.token).StatusCode]++
	}
	if statuses[200] < 10 || statuses[429] == 0 || len(statuses) != 2 {
		t.Errorf("calls: %v", statuses)
	}
}
