package process_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/servicetest"
)

func TestReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	for _, pass := range []string{"port", "socket", "fd"} {
		t.Run(pass, func(t *testing.T) {
			option := `pass = "` + pass + `"`
			r := start(t, "http", option, "WORD", "0")
			r.get("/")
			stop := r.load(3)
			for i := range 5 {
				word := fmt.Sprint(i + 1)
				r.update("http", option, "WORD", word)
				wait.Until(r.t, "the new one serves", func() bool { return r.get("/") == word })
			}
			if n := stop(); n < 10 {
				t.Errorf("only %d requests", n)
			}
			if n := r.metric("restarts_total"); n != 0 {
				t.Errorf("%v restarts", n)
			}
			if n := r.metric("replacements_total"); n != 5 {
				t.Errorf("%v replacements", n)
			}
			for _, line := range r.env.LoudLogs() {
				t.Error(line)
			}
		})
	}
}

// slow has a request in progress, and returns its answer's status and body.
func (r *rig) slow(d time.Duration) <-chan string {
	r.t.Helper()
	answer := make(chan string, 1)
	go func() {
		status, b, err := r.post("/slow?for=" + d.String())
		answer <- fmt.Sprint(status, " ", b, " ", err != nil)
	}()
	wait.Until(r.t, "the slow request is in progress", func() bool {
		_, err := os.Stat(r.file + ".slow")
		return err == nil
	})
	return answer
}

func TestReplacedProgramFinishesItsRequests(t *testing.T) {
	t.Parallel()
	r := start(t, "http", "", "WORD", "old")
	pid := r.pid()
	answer := r.slow(500 * time.Millisecond)
	r.update("http", "", "WORD", "new")
	wait.Until(r.t, "the new one serves", func() bool { return r.get("/") == "new" })
	if got := <-answer; got != "200 old false" {
		t.Errorf("%q", got)
	}
	wait.Until(r.t, "the old one ended", func() bool { return !alive(pid) })
}

func TestDrainTimeOfAReplacedProgram(t *testing.T) {
	r := start(t, "http", `drain = "100ms"`, "WORD", "old")
	pid := r.pid()
	answer := r.slow(time.Hour)
	r.update("http", `drain = "100ms"`, "WORD", "new")
	if got := <-answer; !strings.HasPrefix(got, "502 ") {
		t.Errorf("%q", got)
	}
	wait.Until(r.t, "the old one ended", func() bool { return !alive(pid) })
	r.logged("the drain time is over")
	if got := r.get("/"); got != "new" {
		t.Errorf("%q", got)
	}
}

func TestFailedReplacementLeavesTheOldOne(t *testing.T) {
	t.Parallel()
	r := start(t, "http", "", "WORD", "old")
	pid := r.pid()
	stop := r.load(2)
	for p, c := range map[string]struct{ within, why string }{
		"crash":  {"60s", "ended with status 3"}, // a busy machine takes its time to come to that
		"silent": {"200ms", "not ready"},
	} {
		r.update(p, "stop_timeout = \"1s\"\nhealth { start_timeout = \""+c.within+"\" }\nrestart { delay = \"20ms\" }")
		wait.Until(r.t, "Check tells", func() bool {
			err := r.check()
			return err != nil && strings.Contains(err.Error(), "the one from before goes on") && strings.Contains(err.Error(), c.why)
		})
		if got := r.pid(); got != pid {
			t.Errorf("%s: the old one does not serve", p)
		}
	}
	r.logged("the program could not be started")
	if r.metric("up") != 1 || r.metric("failed_starts_total") < 2 {
		t.Error("the metrics do not tell")
	}
	r.update("http", "", "WORD", "old")
	if err := r.check(); err != nil {
		t.Errorf("back at the old settings: %v", err)
	}
	if got := r.pid(); got != pid {
		t.Error("it was replaced by itself")
	}
	stop()
}

func TestSettingsChangeWhileItRuns(t *testing.T) {
	r := start(t, "http", "", "WORD", "x")
	pid := r.pid()
	r.update("http", `response_timeout = "150ms"`, "WORD", "x")
	if status, b, err := r.post("/slow?for=1h"); status != 504 || err != nil {
		t.Errorf("%d %q %v", status, b, err)
	}
	r.update("http", `health { path = "/none" }`, "WORD", "x")
	if got := r.pid(); got != pid {
		t.Error("it was replaced for nothing")
	}
}

func TestWhatTheProgramIsTold(t *testing.T) {
	r := start(t, "http", "")
	req := servicetest.Request("GET", r.URL+"/headers")
	req.Host = "shop.example.org"
	req.Header.Set("X-Forwarded-Proto", "https") // left by the front door: it was trusted
	req.Header.Set("X-Forwarded-For", "6.6.6.6")
	req.Header.Set("Forwarded", "for=6.6.6.6")
	req.Header.Set("X-Request-Id", "abc")
	res, err := r.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	for _, want := range []string{"Host: shop.example.org", "X-Forwarded-For: 127.0.0.1\r", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example.org", "X-Request-Id: abc"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in\n%s", want, b)
		}
	}
	if strings.Contains(string(b), "6.6.6.6") || strings.Contains(string(b), "Accept-Encoding: gzip") {
		t.Errorf("told too much:\n%s", b)
	}
	if got := r.get("/query?a=%zz;b=1&c"); got != "/query?a=%zz;b=1&c" {
		t.Errorf("the query became %q", got)
	}
}

func TestErrorsInJSON(t *testing.T) {
	r := start(t, "silent", `queue { requests = 0 }`)
	req := servicetest.Request("GET", r.URL)
	req.Header.Set("Accept", "application/json")
	res, err := r.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var e struct {
		Error struct{ Code, Message string }
	}
	if err := json.NewDecoder(res.Body).Decode(&e); err != nil || res.StatusCode != 503 || e.Error.Code != "unavailable" {
		t.Errorf("%s %v %v", res.Status, e, err)
	}
	r.update("http", "")
	if res, err := r.Client.Do(&http.Request{Method: "CONNECT", URL: servicetest.Request("GET", r.URL).URL, Host: "x:1"}); err != nil || res.StatusCode != 405 {
		t.Errorf("CONNECT: %v %v", res, err)
	}
}

func TestBodyLimitOfTheListener(t *testing.T) {
	t.Parallel()
	r := start(t, "http", "")
	srv := servicetest.HTTP(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.Body = http.MaxBytesReader(w, q.Body, 10)
		r.svc.(http.Handler).ServeHTTP(w, q)
	}))
	res, err := srv.Client.Post(srv.URL+"/body", "text/plain", struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 1000))})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 413 {
		t.Error(res.Status)
	}
}

// A client whose body stalls, or is none, is told so: it is not the program's fault.
func TestBodiesThatDoNotCome(t *testing.T) {
	t.Parallel()
	r := start(t, "http", "")
	srv := servicetest.HTTP(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		r.svc.(http.Handler).ServeHTTP(w, q)
	}))
	for body, want := range map[string]int{"Content-Length: 10\r\n\r\nhalf": 408, "Transfer-Encoding: chunked\r\n\r\nzz\r\n": 400} {
		c, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "POST /body HTTP/1.1\r\nHost: x\r\n"+body)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || !res.Close {
			t.Errorf("%q: %s, close %v", body, res.Status, res.Close)
		}
	}
}

// An event stream of a replaced program ends as if it were done: its client
// connects again, to the new one.
func TestEventStreamOfAReplacedProgram(t *testing.T) {
	const option = `drain = "2m"`
	r := start(t, "http", option, "WORD", "old")
	res, err := r.Client.Get(r.URL + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	br := bufio.NewReader(res.Body)
	if line, err := br.ReadString('\n'); line != "data: old\n" {
		t.Fatalf("%q %v", line, err)
	}
	begun := time.Now()
	r.update("http", option, "WORD", "new")
	if _, err := io.ReadAll(br); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// socket is a WebSocket client that turns what it hears into strings.
type socket struct {
	*gws.Conn
	gws.BuiltinEventHandler
	heard chan string
}

func (c *socket) OnMessage(_ *gws.Conn, m *gws.Message) { c.heard <- string(m.Bytes()) }

func (c *socket) OnClose(_ *gws.Conn, err error) {
	var ce *gws.CloseError
	if errors.As(err, &ce) {
		c.heard <- fmt.Sprint("close ", ce.Code)
		return
	}
	c.heard <- fmt.Sprint("broken ", err)
}

func (r *rig) socket() *socket {
	r.t.Helper()
	c := &socket{heard: make(chan string, 100)}
	conn, _, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws://" + r.Addr + "/ws"})
	if err != nil {
		r.t.Fatal(err)
	}
	c.Conn = conn
	go conn.ReadLoop()
	r.t.Cleanup(func() { _ = conn.NetConn().Close() })
	return c
}

func (c *socket) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-c.heard:
		return s
	case <-time.After(patience):
		t.Fatal("nothing heard")
		return ""
	}
}

func TestWebSocketIsToldOfTheReplacement(t *testing.T) {
	r := start(t, "http", "", "WORD", "old")
	c := r.socket()
	for _, m := range []string{"hello", "", strings.Repeat("x", 200), strings.Repeat("y", 70_000)} {
		if err := c.WriteMessage(gws.OpcodeText, []byte(m)); err != nil {
			t.Fatal(err)
		}
		if got := c.next(t); got != "old "+m {
			t.Errorf("%.20q", got)
		}
	}
	r.update("http", "", "WORD", "new")
	if got := c.next(t); got != "close 1012" {
		t.Errorf("%q", got)
	}
	r.logged("the client closed with") // the program learns of it
	c = r.socket()
	_ = c.WriteMessage(gws.OpcodeText, []byte("again"))
	if got := c.next(t); got != "new again" {
		t.Errorf("%q", got)
	}
	if err := r.env.WaitTracked(2, patience); err != nil {
		t.Error(err)
	}
}

// A client that does not read what the program sends without a pause is heard all
// the same.
func TestNeitherDirectionWaitsForTheOther(t *testing.T) {
	r := start(t, "http", "")
	conn, _, err := gws.NewClient(&socket{}, &gws.ClientOption{Addr: "ws://" + r.Addr + "/ws?push=1"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.NetConn().Close() // its messages are never read
	_ = conn.SetDeadline(time.Now().Add(patience))
	r.logged("the client does not read")
	for _, word := range []string{"still here", "and here"} {
		if err := conn.WriteString(word); err != nil {
			t.Fatal(err)
		}
		r.logged("heard " + word)
	}
}

// The program sends without a pause; the close frame still comes between two of
// its frames and not into one.
func TestCloseFrameBetweenFrames(t *testing.T) {
	r := start(t, "http", "", "WORD", "old")
	for range 5 {
		c := r.socket()
		quit := make(chan struct{})
		go func() {
			for m := bytes.Repeat([]byte("z"), 50_000); ; {
				if c.WriteMessage(gws.OpcodeBinary, m) != nil {
					close(quit)
					return
				}
			}
		}()
		c.next(t)
		r.env.Drain(1001)
		for {
			if got := c.next(t); strings.HasPrefix(got, "close") || strings.HasPrefix(got, "broken") {
				if got != "close 1001" {
					t.Errorf("%.40q", got)
				}
				break
			}
		}
		_ = c.NetConn().Close()
		<-quit
	}
}

func TestRefusedHandshakeComesThrough(t *testing.T) {
	r := start(t, "http", "")
	c, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /none HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 { // the program's own answer to any path
		t.Error(res.Status)
	}
}

// Who gets HTTP/2 to the program by way of an upgrade would get past everything
// that looks at requests.
func TestOnlyWebSocketsUpgrade(t *testing.T) {
	r := start(t, "http", "")
	for _, upgrade := range []string{"h2c", "websocket, h2c", "TLS/1.0"} {
		req := servicetest.Request("GET", r.URL+"/headers")
		req.Header.Set("Connection", "Upgrade, HTTP2-Settings")
		req.Header.Set("Upgrade", upgrade)
		req.Header.Set("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
		res, err := r.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || strings.Contains(string(b), "Upgrade") || strings.Contains(string(b), "Http2") {
			t.Errorf("%s: %s\n%s", upgrade, res.Status, b)
		}
	}
	// Nor with a body, of which nobody would know where it ends and frames begin.
	req, err := http.NewRequest("POST", r.URL+"/headers", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	res, err := r.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || strings.Contains(string(b), "Upgrade") {
		t.Errorf("with a body: %s\n%s", res.Status, b)
	}
}
