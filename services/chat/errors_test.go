package chat_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/golden"
	"github.com/porticod/portico/services/chat"
)

func TestErrorsOverHTTP(t *testing.T) {
	w := start(t, nil)
	a, eve := w.join("alice"), w.join("eve")
	w.join("bob")
	conv := a.with("bob") // c_1
	a.say(conv, "m1", "hello")
	nobody, stranger := &person{w: w}, &person{w, "", "not-a-token"}
	msgs := "/v1/conversations/c_1/messages"
	send := func(cid, text string) string { return fmt.Sprintf(`{"cid":%q,"text":%q}`, cid, text) }
	var out strings.Builder
	for _, c := range []struct {
		p                  *person
		method, path, body string
	}{
		{nobody, "GET", "/v1/me", ""},
		{stranger, "GET", "/v1/me", ""},
		{stranger, "GET", "/v1/events", ""},
		{a, "GET", "/nothing", ""},
		{a, "GET", "/v1/", ""},
		{a, "PUT", "/v1/me", "{}"},
		{a, "DELETE", "/", ""},
		{nobody, "POST", "/v1/accounts", "not json"},
		{nobody, "POST", "/v1/accounts", "null"},
		{nobody, "POST", "/v1/accounts", "[]"},
		{nobody, "POST", "/v1/accounts", `{"username":1,"password":"long enough"}`},
		{nobody, "POST", "/v1/accounts", `{"username":"alice","password":"long enough"}`},
		{nobody, "POST", "/v1/accounts", `{"username":"no..dots","password":"long enough"}`},
		{nobody, "POST", "/v1/accounts", `{"username":"carol","password":"short"}`},
		{nobody, "POST", "/v1/accounts", `{"username":"` + strings.Repeat("x", 200<<10) + `"}`},
		{nobody, "POST", "/v1/sessions", `{"username":"alice","password":"wrong password"}`},
		{nobody, "POST", "/v1/sessions", `{"username":"nobody-here","password":"wrong password"}`},
		{a, "DELETE", "/v1/sessions/none", ""},
		{a, "GET", "/v1/users/nobody", ""},
		{a, "GET", "/v1/users?limit=0", ""},
		{a, "POST", "/v1/conversations", `{}`},
		{a, "POST", "/v1/conversations", `{"kind":"direct"}`},
		{a, "POST", "/v1/conversations", `{"kind":"direct","with":"nobody"}`},
		{a, "POST", "/v1/conversations", `{"kind":"group","title":"x"}`},
		{a, "GET", "/v1/conversations?after=-?-", ""},
		{a, "GET", "/v1/conversations?limit=-1", ""},
		{a, "GET", "/v1/conversations/c_99", ""},
		{a, "GET", "/v1/conversations/c_01", ""},
		{a, "GET", "/v1/conversations/c_99999999999999999999", ""},
		{eve, "GET", "/v1/conversations/c_1", ""},
		{eve, "GET", "/v1/conversations/c_1/members", ""},
		{eve, "GET", msgs, ""},
		{eve, "POST", msgs, send("e1", "let me in")},
		{eve, "POST", "/v1/conversations/c_1/marks", `{"read":1}`},
		{a, "POST", msgs, send("", "x")},
		{a, "POST", msgs, send("a b", "x")},
		{a, "POST", msgs, send(strings.Repeat("c", 65), "x")},
		{a, "POST", msgs, send("m2", "")},
		{a, "POST", msgs, send("m2", " \n\t ")},
		{a, "POST", msgs, `{"cid":"m2","text":"bell\u0007"}`},
		{a, "POST", msgs, `{"cid":"m2","text":"carriage\r\n"}`},
		{a, "POST", msgs, "{\"cid\":\"m2\",\"text\":\"\xff\"}"},
		{a, "POST", msgs, send("m2", strings.Repeat("x", 16<<10+1))},
		{a, "POST", msgs, `{"cid":"m2","text":"x","reply_to":7}`},
		{a, "POST", msgs, `{"cid":"m2","text":"x","reply_to":-1}`},
		{a, "POST", msgs, `{"cid":"m2","text":"x","attachments":["b"]}`},
		{a, "POST", msgs, send("m1", "not hello")},
		{a, "GET", msgs + "?before=1&after=1", ""},
		{a, "GET", msgs + "?before=x", ""},
		{a, "GET", msgs + "?before=-1", ""},
		{a, "GET", msgs + "?limit=0", ""},
		{a, "POST", "/v1/conversations/c_1/marks", `{"read":-1}`},
		{a, "GET", "/v1/events?after=1", ""},
		{a, "GET", "/v1/events?after=x&epoch=y", ""},
		{a, "GET", "/v1/ws", ""},
	} {
		status, body := c.p.do(c.method, c.path, c.body)
		if len(c.body) > 100 {
			c.body = c.body[:100] + "…"
		}
		fmt.Fprintf(&out, "%s %s %s\n  %d %s\n", c.method, c.path, strings.ToValidUTF8(c.body, "?"), status, body)
	}
	golden.Match(t, "testdata/http.golden", out.String())
}

func TestErrorsCarryTheirHeaders(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.Limits.Burst, c.Limits.Sends = 1, 1 })
	a := w.join("alice")
	conv := a.with("alice")
	ask := func(method, path, body, token string) *http.Response {
		req, _ := http.NewRequestWithContext(t.Context(), method, w.http.URL+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := w.http.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	var limited *http.Response
	for i := 0; limited == nil || limited.StatusCode == 201; i++ { // one a second is allowed
		limited = ask("POST", "/v1/conversations/"+conv+"/messages", fmt.Sprintf(`{"cid":"%d","text":"x"}`, i), a.token)
	}
	for _, c := range []struct {
		res           *http.Response
		status        int
		header, value string
	}{
		{ask("GET", "/v1/me", "", ""), 401, "WWW-Authenticate", "Bearer"},
		{ask("PUT", "/v1/me", "", a.token), 405, "Allow", "DELETE, GET, HEAD, PATCH"},
		{limited, 429, "Retry-After", "1"},
	} {
		if got := c.res.Header.Get(c.header); got != c.value || c.res.StatusCode != c.status {
			t.Errorf("%s with %s: %q, not %d with %q", c.res.Status, c.header, got, c.status, c.value)
		}
		if ct, cc := c.res.Header.Get("Content-Type"), c.res.Header.Get("Cache-Control"); ct != "application/json" || cc != "no-store" {
			t.Errorf("%s: %s, %s", c.res.Status, ct, cc)
		}
	}
}

// A duplicate costs nothing and is answered however much was sent; everybody
// has an allowance of his own.
func TestSendLimits(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.Limits.Burst, c.Limits.Sends = 3, 1 })
	a, b := w.join("alice"), w.join("bob")
	conv := a.with("bob")
	sa, sb := a.connect(), b.connect()
	frame := "" // one frame is one commit: no time passes in between
	for i, cid := range []string{"1", "1", "2", "1", "3", "4", "5", "6", "7", "2"} {
		frame += fmt.Sprintf(`{"id":%d,"send":{"conv":%q,"cid":%q,"text":"x"}}`+"\n", i, conv, cid)
	}
	sa.send("%s", frame)
	got := ""
	for range 10 {
		switch l := sa.next("answer", func(l line) bool { return l.Ack != nil || l.Error != nil }); {
		case l.Error != nil:
			if l.Error.RetryAfterMS < 1 || l.Error.RetryAfterMS > 1000 {
				t.Errorf("%s", l.raw)
			}
			got += l.Error.Code + " "
		case l.Ack.Dup:
			got += "dup "
		default:
			got += "new "
		}
	}
	const limited = "rate_limited rate_limited rate_limited rate_limited "
	if want := "new dup new dup new " + limited + "dup "; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	sb.send(`{"id":1,"send":{"conv":%q,"cid":"1","text":"x"}}`, conv)
	sb.next("ack", isAck)
}

func TestErrorsOverWebSocket(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	a.with("alice") // c_1
	var out strings.Builder
	for _, lines := range [][]string{
		{`{"id":1,"send":{"conv":"c_1","cid":"1","text":"x"}}`, `{"id":2,"connect":{"token":"wrong"}}`},
		{`{"id":1,"connect":{}}`},
		{`CONNECT`, `{"id":"again","connect":{"token":"TOKEN"}}`},
		{`CONNECT`, `{"id":2,"dance":{}}`, `{"id":3}`, `{"newer":1}`, `{"id":4,"dance":{}}`, `{"id":5,"conversations":{"limit":0}}`},
		{`CONNECT`, `nonsense`, `{"id":2,"send":{"conv":1}}`, `{"id":3,"mark":[]}`},
		{`CONNECT`, `[]`, `{"id":{},"send":{}}`, `{"id":1.5,"history":{}}`},
		{`CONNECT`, `{"send":{"conv":"c_1","cid":"1","text":"x"}}`, `{"id":7,"send":null}`, `{"id":8,"send":{},"mark":{}}`},
		{`CONNECT`, `{"id":2,"send":{"conv":"c_9","cid":"1","text":"x"}}` + "\n" + `{"id":3,"send":{"conv":"c_1","cid":"","text":"x"}}` + "\n" +
			`{"id":4,"history":{"conv":"c_9"}}` + "\n" + `{"id":5,"create":{"kind":"direct","with":"nobody"}}` + "\n" + `{"id":6,"mark":{"conv":"c_9","read":1}}`},
		{`CONNECT`, strings.Repeat("{}\n", 65)},
	} {
		s := w.dial(nil)
		for _, l := range lines {
			l = strings.ReplaceAll(l, "CONNECT", fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, a.token))
			_ = s.conn.WriteString(strings.ReplaceAll(l, "TOKEN", a.token)) // it may be closed by now
		}
		_ = s.conn.WriteString(`{"id":"end","history":{"conv":"c_1","limit":1}}`)
		for _, l := range lines {
			fmt.Fprintf(&out, "> %.100s\n", strings.ReplaceAll(l, "\n", "\n> "))
		}
		for l := range s.lines {
			if l.Connect != nil || l.Synced != nil || l.Ev != nil {
				continue
			}
			if string(l.ID) == `"end"` {
				_ = s.conn.WriteClose(1000, nil)
				continue
			}
			fmt.Fprintf(&out, "< %s\n", l.raw)
		}
		if code := s.closed(); code != 1006 { // else it was us
			fmt.Fprintf(&out, "closed %d\n", code)
		}
		out.WriteByte('\n')
	}
	golden.Match(t, "testdata/ws.golden", out.String())
}
