// Package options_test tries every option of docs/config.md on a running
// program: each is set to something else than its default, and what it does is
// seen from outside. A test says in its comment which options it is about;
// TestEveryOptionIsTried names those that no test has.
//
// Configs are written down whole, so that they can be read from the tests: what
// is only known when they run comes in by variables.
package options_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	hold "github.com/porticod/portico/internal/testkit/port"
	"github.com/porticod/portico/pkg/cli"
)

// patience is how long is waited for what must come. Defaults of what is tried
// are longer, or a test says how long it may take.
const patience = 20 * time.Second

// TestMain is the program too: the same lines as cmd/portico, without another
// link of it. And it is what the kind process starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		child()
		return
	}
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
		cli.Main(testkit.App())
	}
	os.Exit(m.Run())
}

func program(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs the program with a config. vars are its variables: name, value,
// name, value.
func start(t *testing.T, config string, vars ...string) *testkit.Daemon {
	t.Helper()
	d := testkit.StartBinary(t, program(t), config, environ(vars)...)
	t.Cleanup(func() {
		for _, bad := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
			if strings.Contains(d.Log(), bad) {
				t.Errorf("the log has %s:\n%s", bad, d.Log())
			}
		}
	})
	return d
}

func environ(vars []string) (env []string) {
	for i := 0; i+1 < len(vars); i += 2 {
		env = append(env, "PORTICO_VAR_"+vars[i]+"="+vars[i+1])
	}
	return env
}

// portico runs another command of the program; what it says is returned.
func portico(t *testing.T, status int, dir string, vars []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ(vars)...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Errorf("portico %s: status %d, not %d\n%s", strings.Join(args, " "), got, status, out)
	}
	return string(out)
}

// files writes files in a folder of its own: name, content, name, content. A
// name that ends with a slash is a folder.
func files(t *testing.T, nameContent ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i+1 < len(nameContent); i += 2 {
		path := dir + "/" + nameContent[i]
		if err := os.MkdirAll(path[:strings.LastIndex(path, "/")], 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "/") {
			continue
		}
		if err := os.WriteFile(path, []byte(nameContent[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// An answer is one of HTTP that was read whole; broken says that it could not be.
type answer struct {
	*http.Response
	body   string
	broken error
}

// client follows no redirects and remembers no connection.
var client = &http.Client{
	Timeout:       patience,
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends a request: fields are headers, name, value, name, value.
func ask(t testing.TB, method, url, body string, fields ...string) answer {
	t.Helper()
	return askWith(t, client, method, url, body, fields...)
}

func askWith(t testing.TB, client *http.Client, method, url, body string, fields ...string) answer {
	t.Helper()
	a, err := try(t, client, method, url, body, fields...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(t testing.TB, client *http.Client, method, url, body string, fields ...string) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "Host" {
			req.Host = fields[i+1]
		}
		req.Header.Set(fields[i], fields[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res, string(b), err}, nil
}

func get(t testing.TB, url string, fields ...string) answer {
	t.Helper()
	return ask(t, http.MethodGet, url, "", fields...)
}

// is checks status and body; an empty body is not looked at.
func (a answer) is(t testing.TB, status int, body string) {
	t.Helper()
	if a.StatusCode != status || body != "" && strings.TrimSuffix(a.body, "\n") != body {
		t.Errorf("%s %s: %d %.300q, not %d %q", a.Request.Method, a.Request.URL, a.StatusCode, a.body, status, body)
	}
}

// has checks a header; an empty value means that there is none.
func (a answer) has(t testing.TB, name, value string) {
	t.Helper()
	if got := strings.Join(a.Header.Values(name), ", "); got != value {
		t.Errorf("%s %s: %s is %q, not %q", a.Request.Method, a.Request.URL, name, got, value)
	}
}

// dial opens a connection with a deadline that ends a test which would hang.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	c, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// from is dial as a client elsewhere: the listener must believe PROXY headers of
// loopback.
func from(t testing.TB, addr, client string) net.Conn {
	t.Helper()
	c := dial(t, addr)
	send(t, c, fmt.Sprintf("PROXY TCP4 %s 192.0.2.1 4321 80\r\n", client))
	return c
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// hello is a request that leaves the connection open.
const hello = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// answered asks on c, and reports with what status; 0 where the connection is
// closed instead.
func answered(t testing.TB, c net.Conn) int {
	t.Helper()
	if _, err := io.WriteString(c, hello); err != nil {
		return 0
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Fatalf("neither answered nor closed: %v", err)
		}
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode
}

// line reads one, without its end.
func line(t testing.TB, c net.Conn) string {
	t.Helper()
	var b bytes.Buffer
	for one := make([]byte, 1); ; {
		if _, err := c.Read(one); err != nil {
			t.Fatalf("after %q: %v", b.String(), err)
		}
		if one[0] == '\n' {
			return b.String()
		}
		b.WriteByte(one[0])
	}
}

// closes waits until the other side ends c, and says how long that took: less
// than what a listener gives every client.
func closes(t testing.TB, c net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := io.Copy(io.Discard, c); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Fatalf("it is still open after %v", time.Since(begin))
		}
	}
	took := time.Since(begin)
	if took > 9*time.Second {
		t.Errorf("it was closed after %v", took)
	}
	return took
}

// backend is a server behind portico; its address is host:port.
func backend(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// says is a server that answers with a word.
func says(t testing.TB, word string) string {
	t.Helper()
	return backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, word) })
}

// dead is an address where nobody listens.
func dead(t testing.TB) string { return hold.Hold(t).Addr }

// receive waits for what a channel brings.
func receive[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("nothing came in %v", patience)
	}
	return v
}

// says checks that patterns match the body.
func (a answer) says(t testing.TB, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(a.body) {
			t.Errorf("%s %s: no match for %s in %.2000s", a.Request.Method, a.Request.URL, p, a.body)
		}
	}
}

// anyCertificate is a client that believes every server.
var anyCertificate = tlsClient(&tls.Config{InsecureSkipVerify: true})

func tlsClient(conf *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: conf},
		CheckRedirect: client.CheckRedirect,
	}
}

// field is what a path, like conversation.id, leads to in a body of JSON; as
// text.
func (a answer) field(t testing.TB, path string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s %s: %d %.300s: %v", a.Request.Method, a.Request.URL, a.StatusCode, a.body, err)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(in) {
				t.Fatalf("no %s in %s", path, a.body)
			}
			v = in[i]
		default:
			t.Fatalf("%s %s: no %s in %d %.500s", a.Request.Method, a.Request.URL, path, a.StatusCode, a.body)
		}
	}
	return fmt.Sprint(v)
}
