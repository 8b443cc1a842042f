package photos_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// A window is what an app shows its page in: cookies, and no redirects beyond
// the page, because they lead to the app.
type window struct {
	*site
	jar *cookiejar.Jar
}

func (s *site) window() *window {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &window{s, jar}
}

// send is that of site with cookies, and without following redirects.
func (w *window) send(method, path, body string, headers ...string) reply {
	w.t.Helper()
	old, redirect := w.Client.Jar, w.Client.CheckRedirect
	w.Client.Jar = w.jar
	w.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { w.Client.Jar, w.Client.CheckRedirect = old, redirect }()
	return w.site.send(method, path, strings.NewReader(body), headers...)
}

func (w *window) ask(q url.Values) reply {
	w.t.Helper()
	return w.send("GET", "/oauth/authorize?"+q.Encode(), "")
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// answer sends the form of a page as a browser does, with what somebody entered.
func (w *window) answer(page reply, pairs ...string) reply {
	w.t.Helper()
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page.body, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	form = with(form, pairs...)
	return w.send("POST", "/oauth/authorize", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// askFor is what app asks for.
func askFor(app url.Values, pairs ...string) url.Values {
	return with(url.Values{
		"client_id": {app.Get("client_id")}, "response_type": {"code"}, "redirect_uri": {"urn:ietf:wg:oauth:2.0:oob"}, "scope": {"read"},
	}, pairs...)
}

var shownCode = regexp.MustCompile(`<code id="code">([^<]+)</code>`)

func (s *site) appWith(redirects, scopes string) url.Values {
	s.t.Helper()
	var app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	s.call("POST", "/api/v1/apps", "", url.Values{"client_name": {"camera"}, "redirect_uris": {redirects}, "scopes": {scopes}}).is(200).into(&app)
	return url.Values{"client_id": {app.ID}, "client_secret": {app.Secret}}
}

// TestAuthorizationCode signs in by the page, with a code that is copied.
func TestAuthorizationCode(t *testing.T) {
	s := open(t, "")
	s.signUp("ann")
	app := s.appWith("urn:ietf:wg:oauth:2.0:oob", "read write follow")
	w := s.window()
	pg := w.ask(askFor(app, "scope", "read write:media")).is(200)
	for _, want := range []string{`name="username"`, `name="password"`, `name="allow"`, "camera", "write:media"} {
		if !strings.Contains(pg.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(pg.body, "<script") {
		t.Error("the page has a script")
	}
	policy := pg.Header.Get("Content-Security-Policy")
	if strings.Contains(policy, "form-action") || !strings.Contains(policy, "frame-ancestors 'none'") || pg.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("policy %q", policy)
	}
	if pg.Header.Get("Access-Control-Allow-Origin") != "" || pg.Header.Get("X-RateLimit-Limit") == "" {
		t.Errorf("headers of the page: %v", pg.Header)
	}
	wrong := w.answer(pg, "username", "ann", "password", "wrong horse", "allow", "true").is(422)
	if !strings.Contains(wrong.body, "wrong username or password") {
		t.Errorf("a wrong password: %s", wrong.body)
	}
	done := w.answer(wrong, "username", "ann", "password", password, "allow", "true").is(200)
	m := shownCode.FindStringSubmatch(done.body)
	if m == nil {
		t.Fatalf("no code: %s", done.body)
	}
	redeem := with(app, "grant_type", "authorization_code", "code", m[1], "redirect_uri", "urn:ietf:wg:oauth:2.0:oob")
	s.call("POST", "/oauth/token", "", with(redeem, "redirect_uri", "urn:other")).is(400)
	s.call("POST", "/oauth/token", "", with(redeem, "client_secret", "x")).is(401)
	var tok struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		Scope       string
		CreatedAt   int64 `json:"created_at"`
		ExpiresIn   *int  `json:"expires_in"`
	}
	s.call("POST", "/oauth/token", "", redeem).is(200).into(&tok)
	if tok.Scope != "read write:media" || tok.TokenType != "Bearer" || tok.CreatedAt == 0 || tok.ExpiresIn != nil {
		t.Errorf("token %+v", tok)
	}
	s.get("/api/v1/accounts/verify_credentials", tok.AccessToken).is(200)
	s.call("POST", "/api/v1/lists", tok.AccessToken, url.Values{"title": {"x"}}).is(403)
	var verified struct{ Name, Website string }
	s.get("/api/v1/apps/verify_credentials", tok.AccessToken).is(200).into(&verified)
	if verified.Name != "camera" {
		t.Errorf("the app %+v", verified)
	}
	// A second use ends what the first one made.
	if e := s.oauthProblem(redeem, 400); e != "invalid_grant" {
		t.Errorf("a code that is used again: %s", e)
	}
	s.get("/api/v1/accounts/verify_credentials", tok.AccessToken).is(401)
}

func (s *site) oauthProblem(form url.Values, status int) string {
	s.t.Helper()
	var e struct{ Error string }
	s.call("POST", "/oauth/token", "", form).is(status).into(&e)
	return e.Error
}

// TestRedirect signs in to apps that have a scheme of their own.
func TestRedirect(t *testing.T) {
	s := open(t, "")
	s.signUp("ann")
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	for _, to := range []string{"com.example.app:/oauth?x=1", "myapp:done", "http://127.0.0.1:7/cb"} {
		app := s.appWith(to, "read")
		q := askFor(app, "redirect_uri", to, "state", "a b&c", "code_challenge", challenge, "code_challenge_method", "S256")
		w := s.window()
		done := w.answer(w.ask(q).is(200), "username", "ann", "password", password, "allow", "true").is(302)
		loc := done.Header.Get("Location")
		rest, ok := strings.CutPrefix(loc, to)
		if !ok {
			t.Fatalf("%s leads to %s", to, loc)
		}
		got, err := url.ParseQuery(rest[1:])
		if err != nil || got.Get("state") != "a b&c" || got.Get("code") == "" {
			t.Fatalf("%s: %v", loc, err)
		}
		redeem := url.Values{
			"grant_type": {"authorization_code"}, "client_id": app["client_id"], "code": got["code"], "redirect_uri": {to},
		}
		if e := s.oauthProblem(with(redeem, "code_verifier", strings.Repeat("w", 43)), 400); e != "invalid_grant" {
			t.Errorf("another verifier: %s", e)
		}
		if e := s.oauthProblem(redeem, 401); e != "invalid_client" {
			t.Errorf("neither secret nor verifier: %s", e)
		}
		s.call("POST", "/oauth/token", "", with(redeem, "code_verifier", verifier)).is(200)

		denied := w.answer(w.ask(q).is(200), "allow", "false").is(302)
		if u, _ := url.Parse(denied.Header.Get("Location")); u.Query().Get("error") != "access_denied" && !strings.Contains(denied.Header.Get("Location"), "access_denied") {
			t.Errorf("denied: %s", denied.Header.Get("Location"))
		}
		for name, bad := range map[string]url.Values{
			"unsupported_response_type": with(q, "response_type", "token"), "invalid_scope": with(q, "scope", "write"),
			"invalid_request": with(q, "code_challenge_method", "plain"),
		} {
			if loc := w.ask(bad).is(302).Header.Get("Location"); !strings.Contains(loc, "error="+name) || !strings.HasPrefix(loc, to) {
				t.Errorf("%s: %s", name, loc)
			}
		}
	}
}

// TestNoRedirect: where the app or its address is not certain, nobody is sent
// anywhere.
func TestNoRedirect(t *testing.T) {
	s := open(t, "")
	app := s.appWith("myapp://cb\nhttps://app.example/cb", "read")
	w := s.window()
	for name, c := range map[string]struct {
		q      url.Values
		status int
	}{
		"no app":        {askFor(with(app, "client_id", "nobody"), "redirect_uri", "myapp://cb"), 401},
		"no address":    {askFor(app, "redirect_uri", ""), 400},
		"longer":        {askFor(app, "redirect_uri", "myapp://cb/"), 400},
		"other case":    {askFor(app, "redirect_uri", "https://app.example/CB"), 400},
		"with a query":  {askFor(app, "redirect_uri", "https://app.example/cb?x"), 400},
		"out of band":   {askFor(app), 400},
		"bad and wrong": {askFor(app, "redirect_uri", "https://evil.example", "response_type", "x"), 400},
	} {
		if r := w.ask(c.q).is(c.status); r.Header.Get("Location") != "" {
			t.Errorf("%s: sent to %s", name, r.Header.Get("Location"))
		}
	}
	w.ask(askFor(app, "redirect_uri", "https://app.example/cb")).is(200)
	w.send("DELETE", "/oauth/authorize", "").is(405)
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "not absolute", ""} {
		s.call("POST", "/api/v1/apps", "", url.Values{"client_name": {"x"}, "redirect_uris": {bad}}).is(422)
	}
}

// TestForged: a form that another site sends for somebody who is signed in.
func TestForged(t *testing.T) {
	s := open(t, "")
	s.signUp("ann")
	app := s.appWith("myapp://cb", "read")
	q := askFor(app, "redirect_uri", "myapp://cb")
	w := s.window()
	w.send("POST", "/login", url.Values{"username": {"ann"}, "password": {password}}.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin").is(303)
	pg := w.ask(q).is(200)
	if strings.Contains(pg.body, `name="password"`) || !strings.Contains(pg.body, "@ann") {
		t.Errorf("who is signed in has to sign in: %s", pg.body)
	}
	w.answer(pg, "csrf", "", "allow", "true").is(403)
	w.answer(pg, "csrf", "AAAA", "allow", "true").is(403)
	form := with(q, "allow", "true", "csrf", hidden.FindStringSubmatch(pg.body)[2])
	w.send("POST", "/oauth/authorize", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site").is(403)
	other := s.window()
	other.send("POST", "/oauth/authorize", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").is(403)
	if loc := w.answer(pg, "allow", "true").is(302).Header.Get("Location"); !strings.HasPrefix(loc, "myapp://cb?code=") {
		t.Errorf("sent to %s", loc)
	}
	forced := w.ask(with(q, "force_login", "true")).is(200)
	if !strings.Contains(forced.body, `name="password"`) {
		t.Error("force_login asks for no password")
	}
	w.answer(forced, "allow", "true").is(422)
}

// TestMetadata is what clients look up before they begin.
func TestMetadata(t *testing.T) {
	s := open(t, `
title = "Shots"
description = "Pictures <of> us"
email = "ops@example.org"
rules = ["Be kind.", "Only your own pictures."]`)
	ann := s.signUp("ann")
	s.post(ann, "public")
	for path, want := range map[string]string{
		"/.well-known/oauth-authorization-server": `"authorization_endpoint":"` + s.URL + `/oauth/authorize"`,
		"/.well-known/nodeinfo":                   `"href":"` + s.URL + `/nodeinfo/2.0"`,
		"/nodeinfo/2.0/":                          `"software":{"name":"portico"`,
		"/api/v1/instance/":                       `"email":"ops@example.org"`,
		"/api/v2/instance":                        `"rules":[{"id":"1","text":"Be kind.","hint":""}`,
		"/api/v1/instance/rules":                  `"text":"Only your own pictures."`,
		"/api/v1/instance/peers":                  `[]`,
		"/api/v1/instance/activity":               `"statuses":"1"`,
		"/api/v1/instance/extended_description":   `Pictures &lt;of&gt; us`,
		"/api/v1/instance/privacy_policy":         `"content":"<p>`,
		"/api/v1/custom_emojis":                   `[]`,
		"/api/v1/instance/domain_blocks":          `[]`,
		"/api/v1/instance/translation_languages":  `{}`,
	} {
		if r := s.get(path, "").is(200); !strings.Contains(r.body, want) {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	if b := s.get("/health", "").is(200).body; b != "OK" {
		t.Errorf("/health: %s", b)
	}
	for _, path := range []string{"announcements", "scheduled_statuses", "domain_blocks", "endorsements", "featured_tags", "filters", "lists", "follow_requests", "blocks", "mutes", "suggestions"} {
		if b := strings.TrimSpace(s.get("/api/v1/"+path, ann).is(200).body); b != "[]" {
			t.Errorf("%s: %s", path, b)
		}
	}
}
