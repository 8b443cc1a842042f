package guard_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/porticod/portico/pkg/guard"
)

// door serves "inside" behind a guard, with the headers that the service saw.
func door(t *testing.T, o guard.Options) *httptest.Server {
	t.Helper()
	g := guard.New(o)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := netip.MustParseAddrPort(r.RemoteAddr).Addr()
		if c := r.Header.Get("Test-Client"); c != "" {
			client = netip.MustParseAddr(c)
		}
		v := guard.Visit{Request: r, Client: client, Fail: func(status int, code, message string) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, code)
		}}
		if !g.Admit(w, v) {
			return
		}
		_, _ = io.WriteString(w, "inside auth="+r.Header.Get("Authorization")+" user="+r.Header.Get("Remote-User"))
	}))
	t.Cleanup(srv.Close)
	return srv
}

func ask(t *testing.T, srv *httptest.Server, method string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, srv.URL+"/path?q=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "user" {
			name, password, _ := strings.Cut(v, ":")
			req.SetBasicAuth(name, password)
			continue
		}
		req.Header.Set(k, v)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestNothingAskedIsNoGuard(t *testing.T) {
	if g := guard.New(guard.Options{}); g != nil {
		t.Error("a guard that asks nothing")
	}
}

func TestBasic(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("hashed"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	srv := door(t, guard.Options{Basic: &guard.Basic{Realm: `the "realm"`, Users: map[string]string{"ann": "plain", "bob": string(hash)}}})
	for user, want := range map[string]int{
		"":           http.StatusUnauthorized,
		"ann:plain":  http.StatusOK,
		"bob:hashed": http.StatusOK,
		"bob:plain":  http.StatusUnauthorized,
		"eve:plain":  http.StatusUnauthorized,
		"eve:":       http.StatusUnauthorized,
	} {
		h := map[string]string{"Test-Client": "192.0.2.1"}
		if user != "" {
			h["user"] = user
		}
		for range 2 { // the second time it is remembered
			res, body := ask(t, srv, http.MethodGet, h)
			if res.StatusCode != want {
				t.Errorf("%q: %d %s", user, res.StatusCode, body)
			}
			if want == http.StatusUnauthorized && res.Header.Get("WWW-Authenticate") != `Basic realm="the 'realm'", charset="UTF-8"` {
				t.Errorf("%q: %s", user, res.Header.Get("WWW-Authenticate"))
			}
			if want == http.StatusOK && !strings.HasPrefix(body, "inside auth= ") {
				t.Errorf("the service saw the password: %s", body)
			}
		}
	}
}

// Ten wrong passwords close the door to an address, and to nobody else.
func TestGuessing(t *testing.T) {
	srv := door(t, guard.Options{Basic: &guard.Basic{Users: map[string]string{"ann": "right"}}})
	guesser, other := map[string]string{"user": "ann:wrong", "Test-Client": "192.0.2.1"}, map[string]string{"user": "ann:right", "Test-Client": "192.0.2.2"}
	for i := range 10 {
		if res, _ := ask(t, srv, http.MethodGet, guesser); res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, res.StatusCode)
		}
	}
	guesser["Test-Client"], guesser["user"] = "2001:db8::1", "ann:wrong"
	for i := range 10 {
		guesser["Test-Client"] = fmt.Sprintf("2001:db8::%d", i)
		ask(t, srv, http.MethodGet, guesser)
	}
	if res, _ := ask(t, srv, http.MethodGet, guesser); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a guesser with many IPv6 addresses: %d", res.StatusCode)
	}
	guesser["Test-Client"] = "192.0.2.1"
	guesser["user"] = "ann:right"
	if res, _ := ask(t, srv, http.MethodGet, guesser); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("guess 11: %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	for range 20 { // right ones do not count
		if res, _ := ask(t, srv, http.MethodGet, other); res.StatusCode != http.StatusOK {
			t.Fatalf("somebody else: %d", res.StatusCode)
		}
	}
}

func TestForward(t *testing.T) {
	var asked *http.Request
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		switch r.Header.Get("Cookie") {
		case "s=good":
			w.Header().Set("Remote-User", "ann")
		case "s=slow":
			<-r.Context().Done()
		default:
			w.Header().Set("Location", "https://login.example.org/")
			w.WriteHeader(http.StatusFound)
			_, _ = io.WriteString(w, "sign in")
		}
	}))
	defer auth.Close()
	srv := door(t, guard.Options{Forward: &guard.Forward{URL: auth.URL + "/verify", Copy: []string{"remote-user"}, Timeout: 2 * time.Second}})

	res, body := ask(t, srv, http.MethodPost, map[string]string{"Cookie": "s=good", "Remote-User": "root"})
	if res.StatusCode != http.StatusOK || !strings.HasSuffix(body, "user=ann") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	for name, want := range map[string]string{
		"X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/path?q=1", "X-Forwarded-Proto": "http", "X-Forwarded-For": "127.0.0.1",
		"X-Forwarded-Host": strings.TrimPrefix(srv.URL, "http://"), "Remote-User": "",
	} {
		if got := asked.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	res, body = ask(t, srv, http.MethodGet, map[string]string{"Remote-User": "root"})
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "https://login.example.org/" || body != "sign in" {
		t.Errorf("refused: %d %v %s", res.StatusCode, res.Header, body)
	}
	if res, body = ask(t, srv, http.MethodGet, map[string]string{"Cookie": "s=slow"}); res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("slow: %d %s", res.StatusCode, body)
	}
	auth.Close()
	if res, body = ask(t, srv, http.MethodGet, map[string]string{"Cookie": "s=good"}); res.StatusCode != http.StatusBadGateway {
		t.Errorf("away: %d %s", res.StatusCode, body)
	}
}

func TestCORS(t *testing.T) {
	c := guard.CORS{
		Origins: []string{"https://app.example.org"}, Methods: []string{"GET", "PUT"}, Headers: []string{"*"}, Expose: []string{"Link"},
		Credentials: true, MaxAge: time.Hour,
	}
	// A preflight needs no password, what follows does.
	srv := door(t, guard.Options{CORS: &c, Basic: &guard.Basic{Users: map[string]string{"ann": "x"}}})
	preflight := map[string]string{"Origin": "https://app.example.org", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
	res, _ := ask(t, srv, http.MethodOptions, preflight)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example.org", "Access-Control-Allow-Methods": "GET, PUT", "Access-Control-Allow-Headers": "authorization",
		"Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "3600",
	} {
		if got := res.Header.Get(name); got != want || res.StatusCode != http.StatusNoContent {
			t.Errorf("%d %s: %q, want %q", res.StatusCode, name, got, want)
		}
	}
	res, _ = ask(t, srv, http.MethodGet, map[string]string{"Origin": "https://app.example.org"})
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Access-Control-Allow-Origin") == "" || res.Header.Get("Access-Control-Expose-Headers") != "Link" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	preflight["Origin"] = "https://evil.example.org"
	if res, _ = ask(t, srv, http.MethodOptions, preflight); res.Header.Get("Access-Control-Allow-Origin") != "" || res.Header.Get("Vary") == "" {
		t.Errorf("another origin: %v", res.Header)
	}
	c.Origins, c.Credentials = []string{"*"}, false
	if res, _ = ask(t, door(t, guard.Options{CORS: &c}), http.MethodGet, map[string]string{"Origin": "https://any.example.org"}); res.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("everybody: %v", res.Header)
	}
}

func TestHeaders(t *testing.T) {
	srv := door(t, guard.Options{Headers: map[string]string{"X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}, Security: true})
	res, _ := ask(t, srv, http.MethodGet, nil)
	for name, want := range map[string]string{
		"X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN",
		"Strict-Transport-Security": "", // not without TLS
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
