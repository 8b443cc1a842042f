package photos_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/account"
)

// TestEveryAnswerIsJSON: whatever is asked below /api and /oauth, the answer is
// JSON with a text.
func TestEveryAnswerIsJSON(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	for _, c := range []struct {
		method, path, token, typ, body string
		status                         int
	}{
		{"GET", "/api", "", "", "", 404},
		{"GET", "/api/", "", "", "", 404},
		{"GET", "/api/v1/trends/nothing", "", "", "", 404},
		{"GET", "/.well-known/nothing", "", "", "", 404},
		{"GET", "/oauth/nothing", "", "", "", 404},
		{"GET", "/api/v1/push/subscription", ann, "", "", 404},
		{"POST", "/api/v1/nothing", ann, "", "", 404},
		{"DELETE", "/api/v1/instance", "", "", "", 405},
		{"GET", "/oauth/token/", "", "", "", 405},
		{"BREW", "/api/v1/statuses", "", "", "", 405},
		{"GET", "/api/v1/statuses/x", "", "", "", 404},
		{"GET", "/api/v1/statuses/-1", "", "", "", 404},
		{"GET", "/api/v1/statuses/99999999999999999999", "", "", "", 404},
		{"GET", "/api/v1/accounts/7", "", "", "", 404},
		{"GET", "/api/v1/accounts/lookup", "", "", "", 404},
		{"GET", "/api/v1/accounts/verify_credentials", "", "", "", 401},
		{"GET", "/api/v1/accounts/verify_credentials", "wrong", "", "", 401},
		{"GET", "/api/v1/timelines/public", "wrong", "", "", 401},
		{"POST", "/api/v1/statuses", ann, "application/json", "{", 400},
		{"POST", "/api/v1/statuses", ann, "text/plain", "hi", 415},
		{"POST", "/api/v1/statuses", ann, "application/json", `{"status":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		{"POST", "/oauth/token", "", "", "", 400},
	} {
		headers := []string{"Content-Type", c.typ}
		if c.token != "" {
			headers = append(headers, "Authorization", "Bearer "+c.token)
		}
		r := s.send(c.method, c.path, strings.NewReader(c.body), headers...).is(c.status)
		var e struct{ Error string }
		if err := json.Unmarshal([]byte(r.body), &e); err != nil || e.Error == "" {
			t.Errorf("%s %s: %q", c.method, c.path, r.body)
		}
		if ct := r.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
			t.Errorf("%s %s: Content-Type %q", c.method, c.path, ct)
		}
		if r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: without CORS", c.method, c.path)
		}
		if c.status == 405 && !strings.Contains(r.Header.Get("Allow"), "OPTIONS") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, r.Header.Get("Allow"))
		}
	}
	if allow := s.call("DELETE", "/api/v1/instance", "", nil).Header.Get("Allow"); allow != "GET, HEAD, OPTIONS" {
		t.Errorf("Allow: %q", allow)
	}
}

func TestPathsAndPreflight(t *testing.T) {
	s := open(t, "")
	for _, path := range []string{"/api/v1/instance", "/api/v1/instance/", "/api//v1/instance//", "/api/v1/timelines/public/?limit=1"} {
		s.get(path, "").is(200)
	}
	for _, path := range []string{"/api/v1/statuses", "/api/v1/not-there", "/oauth/token", "/media/1/original.jpg"} {
		r := s.send("OPTIONS", path, nil, "Origin", "https://app.example", "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,idempotency-key").is(204)
		if r.Header.Get("Access-Control-Allow-Headers") != "authorization,idempotency-key" || !strings.Contains(r.Header.Get("Access-Control-Allow-Methods"), "DELETE") {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
	if h := s.get("/api/v1/instance", "").Header.Get("Access-Control-Expose-Headers"); !strings.Contains(h, "Link") {
		t.Errorf("exposed: %q", h)
	}
	s.send("POST", "/media/1/original.jpg", nil).is(405)
	s.send("POST", "/healthz", nil).is(405)
}

func TestInstance(t *testing.T) {
	s := open(t, `
		title      = "Holidays"
		max_upload = "5MiB"
		public_url = "https://photos.example.org/"
		limits {
		  caption = 500
		}`)
	var v1 struct {
		URI, Title, Version, Email string
		URLs                       struct {
			Streaming string `json:"streaming_api"`
		}
		Registrations bool
		Rules         []any
		Configuration struct {
			Statuses struct {
				Max int `json:"max_characters"`
				Pic int `json:"max_media_attachments"`
			}
			Media struct {
				Size int `json:"image_size_limit"`
			} `json:"media_attachments"`
			Polls map[string]int
		}
	}
	s.get("/api/v1/instance", "").is(200).into(&v1)
	if v1.URI != "photos.example.org" || v1.Title != "Holidays" || !v1.Registrations || v1.Rules == nil ||
		!strings.HasPrefix(v1.Version, "4.2.0 (compatible; portico ") || v1.URLs.Streaming != "wss://photos.example.org" {
		t.Errorf("v1: %+v", v1)
	}
	if c := v1.Configuration; c.Statuses.Max != 500 || c.Statuses.Pic != 10 || c.Media.Size != 5<<20 || len(c.Polls) != 4 {
		t.Errorf("configuration: %+v", c)
	}
	var v2 map[string]any
	s.get("/api/v2/instance", "").is(200).into(&v2)
	for _, key := range []string{"domain", "title", "version", "source_url", "description", "usage", "thumbnail", "languages", "configuration", "registrations", "contact", "rules", "icon"} {
		if v2[key] == nil {
			t.Errorf("v2 has no %s", key)
		}
	}
	conf := v2["configuration"].(map[string]any)
	for _, key := range []string{"urls", "statuses", "media_attachments", "polls", "accounts", "translation"} {
		if conf[key] == nil {
			t.Errorf("the configuration of v2 has no %s", key)
		}
	}
	s.people.Configure(account.Options{Registration: account.Closed})
	s.get("/api/v1/instance", "").is(200).into(&v1)
	if v1.Registrations {
		t.Error("registrations are open although they are closed")
	}
	s.call("POST", "/api/v1/accounts", "", url.Values{"username": {"x"}, "password": {password}}).is(403)
}

func TestSignUpMistakes(t *testing.T) {
	s := open(t, "")
	s.signUp("ann")
	for name, c := range map[string]struct{ username, password, field, code string }{
		"taken":    {"Ann", password, "username", "ERR_TAKEN"},
		"letters":  {"a b", password, "username", "ERR_INVALID"},
		"missing":  {"", password, "username", "ERR_BLANK"},
		"reserved": {"admin", password, "username", "ERR_RESERVED"},
		"short":    {"bob", "short", "password", "ERR_TOO_SHORT"},
		"long":     {strings.Repeat("b", 31), password, "username", "ERR_TOO_LONG"},
	} {
		var e struct {
			Error   string
			Details map[string][]struct{ Error, Description string }
		}
		s.call("POST", "/api/v1/accounts", "", url.Values{"username": {c.username}, "password": {c.password}}).is(422).into(&e)
		if d := e.Details[c.field]; len(d) != 1 || d[0].Error != c.code || !strings.HasPrefix(e.Error, "Validation failed: ") {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestOAuth(t *testing.T) {
	s := open(t, "")
	s.signUp("ann")
	app := s.app("read write:media")
	grant := with(app, "grant_type", "password", "username", "ann", "password", password)
	for name, c := range map[string]struct {
		form   url.Values
		status int
		code   string
	}{
		"no grant":     {app, 400, "invalid_request"},
		"other grant":  {with(app, "grant_type", "magic"), 400, "unsupported_grant_type"},
		"no client":    {url.Values{"grant_type": {"client_credentials"}}, 401, "invalid_client"},
		"wrong secret": {with(grant, "client_secret", "x"), 401, "invalid_client"},
		"password":     {with(grant, "password", "wrong horse"), 400, "invalid_grant"},
		"nobody":       {with(grant, "username", "nobody"), 400, "invalid_grant"},
		"more scopes":  {with(grant, "scope", "read write"), 400, "invalid_scope"},
		"odd scopes":   {with(grant, "scope", "read all"), 400, "invalid_scope"},
	} {
		var e struct {
			Error       string
			Description string `json:"error_description"`
		}
		s.call("POST", "/oauth/token", "", c.form).is(c.status).into(&e)
		if e.Error != c.code || e.Description == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for name, form := range map[string]url.Values{
		"scopes":   {"client_name": {"x"}, "redirect_uris": {"https://x.example"}, "scopes": {"all"}},
		"redirect": {"client_name": {"x"}, "redirect_uris": {"javascript:alert(1)"}},
		"no name":  {"redirect_uris": {"https://x.example"}},
	} {
		if r := s.call("POST", "/api/v1/apps", "", form); r.StatusCode != 422 {
			t.Errorf("app with bad %s: %s", name, r.Status)
		}
	}

}

// TestScopesAndRevoke: a token opens what it was made for, until it is revoked by
// the app that it was made through.
func TestScopesAndRevoke(t *testing.T) {
	s := open(t, "")
	s.signUp("ann")
	app := s.app("read write:media")
	grant := with(app, "grant_type", "password", "username", "ann", "password", password)
	var tok struct {
		AccessToken string `json:"access_token"`
		Scope       string
	}
	s.call("POST", "/oauth/token", "", with(grant, "scope", "read:accounts write:media")).is(200).into(&tok)
	s.get("/api/v1/timelines/home", tok.AccessToken).is(403)
	s.upload(tok.AccessToken, small).is(200)
	s.call("POST", "/api/v1/statuses", tok.AccessToken, url.Values{}).is(403)
	if r := s.call("POST", "/oauth/token", "", url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(app)); r.StatusCode != 200 {
		t.Errorf("client in the header: %s %s", r.Status, r.body)
	}

	other := s.app("read")
	s.call("POST", "/oauth/revoke", "", with(other, "token", tok.AccessToken)).is(403)
	s.call("POST", "/oauth/revoke", "", with(app, "token", "nonsense")).is(200)
	if r := s.call("POST", "/oauth/revoke", "", with(app, "token", tok.AccessToken)).is(200); strings.TrimSpace(r.body) != "{}" {
		t.Errorf("revoke answers %q", r.body)
	}
	s.get("/api/v1/accounts/lookup?acct=ann", tok.AccessToken).is(401)

	var alone struct {
		AccessToken string `json:"access_token"`
	}
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "client_credentials")).is(200).into(&alone)
	s.get("/api/v1/timelines/home", alone.AccessToken).is(422)
	s.call("POST", "/oauth/revoke", "", with(app, "token", alone.AccessToken)).is(200)
	s.get("/api/v1/timelines/public", alone.AccessToken).is(401)
}

func basic(app url.Values) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(app.Get("client_id")+":"+app.Get("client_secret")))
}

func TestPasswordGrantOff(t *testing.T) {
	s := open(t, "password_grant = false")
	s.signUp("ann")
	app := s.app("read")
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "password", "username", "ann", "password", password)).is(400)
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "client_credentials")).is(200)
}

// TestTokensOfOthers: a token opens the service that it was made for, and no
// other one.
func TestTokensOfOthers(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	u, err := s.people.UserByName(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := s.people.NewSession(t.Context(), account.Session{UserID: u.ID, Service: "chat.test"})
	if err != nil {
		t.Fatal(err)
	}
	s.get("/api/v1/timelines/home", foreign).is(401)
	s.get("/api/v1/timelines/home", ann).is(200)
	s.send("GET", "/api/v1/timelines/home?access_token="+ann, nil).is(401)
	s.send("GET", "/api/v1/timelines/home", nil, "Cookie", "portico_photos_test="+ann).is(401)
}

// TestShape: every documented key of a post is there, and times look as clients
// expect.
func TestShape(t *testing.T) {
	s := open(t, "")
	p := s.post(s.signUp("ann"), "public")
	var raw map[string]any
	s.get("/api/v1/statuses/"+p.ID, "").is(200).into(&raw)
	has := func(what string, m map[string]any, keys string) {
		t.Helper()
		for _, k := range strings.Fields(keys) {
			if _, ok := m[k]; !ok {
				t.Errorf("%s has no %s", what, k)
			}
		}
	}
	has("a post", raw, `id uri created_at account content visibility sensitive spoiler_text media_attachments application mentions tags emojis
		reblogs_count favourites_count replies_count url in_reply_to_id in_reply_to_account_id reblog poll card language edited_at
		favourited reblogged muted bookmarked pinned filtered`)
	acct := raw["account"].(map[string]any)
	has("an account", acct, `id username acct url uri display_name note avatar avatar_static header header_static locked fields emojis bot group
		discoverable noindex moved suspended limited created_at last_status_at statuses_count followers_count following_count roles`)
	m := raw["media_attachments"].([]any)[0].(map[string]any)
	has("a picture", m, "id type url preview_url remote_url preview_remote_url text_url meta description blurhash sizes")
	for name, v := range map[string]any{"created_at": raw["created_at"], "account": acct["created_at"]} {
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", v.(string)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := time.Parse(time.DateOnly, acct["last_status_at"].(string)); err != nil {
		t.Errorf("last_status_at: %v", err)
	}
	if acct["statuses_count"] != 1.0 {
		t.Errorf("statuses_count: %v", acct["statuses_count"])
	}
	if _, ok := raw["id"].(string); !ok {
		t.Error("the id is no string")
	}
	for _, v := range []any{raw["mentions"], raw["tags"], acct["fields"]} {
		if list, ok := v.([]any); !ok || len(list) != 0 {
			t.Errorf("%v is no empty list", v)
		}
	}
	s.get("/api/v1/accounts/"+p.Account.ID, "").is(200)
	s.get("/api/v1/accounts/lookup?acct=@ann@"+s.Addr, "").is(200)
	s.get("/api/v1/accounts/lookup?acct=ann@elsewhere.example", "").is(404)
}
