package photos_test

import (
	"image"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
)

type profile struct {
	ID          string
	DisplayName string `json:"display_name"`
	Note        string
	Avatar      string
	Header      string
	Locked, Bot bool
	Fields      []field
	Source      struct {
		Note, Privacy, Language string
		Sensitive               bool
		Fields                  []field
	}
}

type field struct {
	Name, Value string
	VerifiedAt  *string `json:"verified_at"`
}

func (s *site) update(token string, body io.Reader, typ string) reply {
	s.t.Helper()
	return s.send("PATCH", "/api/v1/accounts/update_credentials", body, "Content-Type", typ, "Authorization", "Bearer "+token)
}

// TestUpdateCredentials changes everything, in each of the three ways to say it.
func TestUpdateCredentials(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	want := profile{
		DisplayName: "Ann", Note: "<p>hi &lt;b&gt;</p>", Locked: true, Bot: true,
		Fields: []field{{Name: "one", Value: "Berlin"}, {Name: "two", Value: "&amp;"}},
	}
	want.Source.Note, want.Source.Privacy, want.Source.Language, want.Source.Sensitive = "hi <b>", "unlisted", "de", true
	want.Source.Fields = []field{{Name: "one", Value: "Berlin"}, {Name: "two", Value: "&"}}
	values := url.Values{
		"display_name": {"Ann"}, "note": {"hi <b>"}, "locked": {"true"}, "bot": {"1"}, "source[privacy]": {"unlisted"},
		"source[language]": {"de"}, "source[sensitive]": {"on"}, "fields_attributes[10][name]": {"two"}, "fields_attributes[10][value]": {"&"},
		"fields_attributes[9][name]": {"one"}, "fields_attributes[9][value]": {"Berlin"},
	}
	var pairs []string
	for k, v := range values {
		pairs = append(pairs, k, v[0])
	}
	typ, form := multipartOf(t, "file", nil, pairs...)
	for name, send := range map[string]func() reply{
		"form":      func() reply { return s.call("PATCH", "/api/v1/accounts/update_credentials", ann, values) },
		"multipart": func() reply { return s.update(ann, form, typ) },
		"JSON": func() reply {
			return s.update(ann, strings.NewReader(`{"display_name":"Ann","note":"hi <b>","locked":true,"bot":true,
				"source":{"privacy":"unlisted","language":"de","sensitive":true},
				"fields_attributes":[{"name":"one","value":"Berlin"},{"name":"","value":""},{"name":"two","value":"&"}]}`), "application/json")
		},
	} {
		s.call("PATCH", "/api/v1/accounts/update_credentials", ann, url.Values{
			"display_name": {""}, "note": {""}, "locked": {"false"}, "bot": {"off"}, "source[sensitive]": {"F"}, "fields_attributes[0][name]": {""},
		}).is(200)
		var got, again profile
		send().is(200).into(&got)
		s.get("/api/v1/accounts/verify_credentials", ann).is(200).into(&again)
		want.ID, want.Avatar, want.Header = got.ID, got.Avatar, got.Header
		same(t, name, got, want)
		same(t, name, again, want)
	}
	for name, bad := range map[string]url.Values{
		"a long name":     {"display_name": {strings.Repeat("x", 65)}},
		"a long note":     {"note": {strings.Repeat("x", 501)}},
		"a fifth field":   {"fields_attributes[][name]": {"1", "2", "3", "4", "5"}},
		"a nameless one":  {"fields_attributes[0][value]": {"x"}},
		"a visibility":    {"source[privacy]": {"direct"}},
		"another":         {"source[privacy]": {"secret"}},
		"a language":      {"source[language]": {"!"}},
		"a line of lines": {"fields_attributes[0][name]": {"a\nb"}},
	} {
		s.call("PATCH", "/api/v1/accounts/update_credentials", ann, bad).is(422)
		_ = name
	}
	var prefs map[string]any
	s.get("/api/v1/preferences", ann).is(200).into(&prefs)
	if prefs["posting:default:visibility"] != "unlisted" || prefs["posting:default:language"] != "de" {
		t.Errorf("preferences: %v", prefs)
	}
}

// TestPortraits: avatars are cropped, for everybody, gone when they are replaced,
// and never more than what the person has anywhere.
func TestPortraits(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	set := func(name string, file []byte) (p profile) {
		t.Helper()
		typ, body := multipartOf(t, name, [][]byte{file})
		s.update(ann, body, typ).is(200).into(&p)
		return p
	}
	size := func(u string) image.Point {
		t.Helper()
		r := s.get(u, "").is(200)
		if cc := r.Header.Get("Cache-Control"); !strings.Contains(cc, "immutable") {
			t.Errorf("Cache-Control %q", cc)
		}
		c, _, err := image.DecodeConfig(strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		return image.Pt(c.Width, c.Height)
	}
	first := set("avatar", jpegOf(900, 600))
	if got := size(first.Avatar); got != image.Pt(400, 400) {
		t.Errorf("the avatar has %v", got)
	}
	p := set("header", pngOf(3000, 600))
	if got := size(p.Header); got.X != 1500 || p.Avatar != first.Avatar {
		t.Errorf("the header has %v", got)
	}
	second := set("avatar", jpegOf(500, 700))
	s.get(first.Avatar, "").is(404)
	s.get(second.Avatar, "").is(200)
	s.get(strings.Replace(second.Avatar, "/avatar/", "/header/", 1), "").is(404)
	typ, body := multipartOf(t, "avatar", [][]byte{[]byte("no picture")})
	s.update(ann, body, typ).is(422)
	s.get(second.Avatar, "").is(200)
	s.call("DELETE", "/api/v1/profile/header", ann, nil).is(200).into(&p)
	if !strings.HasSuffix(p.Header, "/assets/header.png") {
		t.Errorf("a header that was removed: %s", p.Header)
	}
	u, err := s.people.UserByName(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	if u.AvatarService == "" || !strings.Contains(second.Avatar, u.Avatar[:16]) {
		t.Errorf("the accounts have %q of %q", u.Avatar, u.AvatarService)
	}
	other := "a blob of the chat"
	if _, err := s.people.UpdateProfile(t.Context(), u.ID, account.ProfileEdit{Avatar: &other, Service: "chat.talk"}); err != nil {
		t.Fatal(err)
	}
	s.get("/api/v1/accounts/verify_credentials", ann).is(200).into(&p)
	if !strings.HasSuffix(p.Avatar, "/assets/avatar.png") {
		t.Errorf("an avatar that is none any more: %s", p.Avatar)
	}
	wait.Until(t, "the bytes go", func() bool { return s.get(second.Avatar, "").StatusCode == 404 })
	third := set("avatar", jpegOf(300, 300))
	s.call("DELETE", "/api/v1/profile/avatar", ann, nil).is(200)
	s.get(third.Avatar, "").is(404)
}

func TestPrivateLists(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	s.relate(bob, s.id("ann"), "follow")
	path := "/api/v1/accounts/" + s.id("ann") + "/followers"
	s.call("PATCH", "/api/v1/accounts/update_credentials", ann, url.Values{"hide_collections": {"true"}}).is(200)
	same(t, "for oneself", s.names(path, ann), []string{"bob"})
	same(t, "for others", s.names(path, bob), nil)
	same(t, "for anybody", s.names(path, ""), nil)
}

func TestLists(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	bobID := s.id("bob")
	var l struct {
		ID, Title string
		Replies   string `json:"replies_policy"`
		Exclusive bool
	}
	s.call("POST", "/api/v1/lists", ann, url.Values{"title": {"friends"}}).is(200).into(&l)
	path := "/api/v1/lists/" + l.ID
	s.call("POST", path+"/accounts", ann, url.Values{"account_ids[]": {bobID}}).is(404)
	s.relate(ann, bobID, "follow")
	s.send("POST", path+"/accounts/", strings.NewReader(`{"account_ids":[`+bobID+`]}`), "Content-Type", "application/json", "Authorization", "Bearer "+ann).is(200)
	same(t, "members", s.names(path+"/accounts", ann), []string{"bob"})
	same(t, "all members", s.names(path+"/accounts?limit=0", ann), []string{"bob"})
	if b := s.get("/api/v1/accounts/"+bobID+"/lists", ann).is(200).body; !strings.Contains(b, `"title":"friends"`) {
		t.Errorf("lists with bob: %s", b)
	}
	s.get(path, bob).is(404)
	s.call("DELETE", path, bob, nil).is(404)
	s.call("PUT", path, ann, url.Values{"title": {"all"}, "replies_policy": {"none"}, "exclusive": {"true"}}).is(200).into(&l)
	if l.Title != "all" || l.Replies != "none" || !l.Exclusive {
		t.Errorf("changed: %+v", l)
	}
	s.call("PUT", path, ann, url.Values{"replies_policy": {"some"}}).is(422)
	s.call("POST", "/api/v1/lists", ann, url.Values{"title": {" "}}).is(422)
	s.call("DELETE", path+"/accounts?account_ids[]="+bobID, ann, nil).is(200)
	same(t, "members", s.names(path+"/accounts", ann), nil)
	s.call("DELETE", path, ann, nil).is(200)
	s.get(path, ann).is(404)
}

func TestFilters(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	p := s.post(bob, "public")
	type keyword struct {
		ID, Keyword string
		WholeWord   bool `json:"whole_word"`
	}
	type filter struct {
		ID, Title string
		Context   []string
		Action    string  `json:"filter_action"`
		ExpiresAt *string `json:"expires_at"`
		Keywords  []keyword
		Statuses  []struct {
			ID       string
			StatusID string `json:"status_id"`
		}
	}
	var f filter
	s.call("POST", "/api/v2/filters", ann, url.Values{
		"title": {"pets"}, "context[]": {"home", "public"}, "filter_action": {"hide"}, "expires_in": {"3600"},
		"keywords_attributes[0][keyword]": {"cat"}, "keywords_attributes[0][whole_word]": {"true"}, "keywords_attributes[1][keyword]": {"dog"},
	}).is(200).into(&f)
	if len(f.Keywords) != 2 || !f.Keywords[0].WholeWord || f.Keywords[1].WholeWord || f.ExpiresAt == nil || f.Action != "hide" {
		t.Fatalf("made: %+v", f)
	}
	path := "/api/v2/filters/" + f.ID
	s.call("PUT", path, ann, url.Values{
		"title": {"animals"}, "expires_in": {""}, "keywords_attributes[0][id]": {f.Keywords[1].ID}, "keywords_attributes[0][_destroy]": {"true"},
		"keywords_attributes[1][keyword]": {"cow"},
	}).is(200).into(&f)
	if f.Title != "animals" || f.ExpiresAt != nil || len(f.Keywords) != 2 || f.Keywords[1].Keyword != "cow" {
		t.Errorf("changed: %+v", f)
	}
	var k keyword
	s.call("POST", path+"/keywords", ann, url.Values{"keyword": {"fox"}}).is(200).into(&k)
	s.call("PUT", "/api/v2/filters/keywords/"+k.ID, ann, url.Values{"keyword": {"ox"}}).is(200)
	s.get("/api/v2/filters/keywords/"+k.ID, ann).is(200).into(&k)
	same(t, "a keyword", k.Keyword, "ox")
	s.call("DELETE", "/api/v2/filters/keywords/"+k.ID, ann, nil).is(200)
	s.get("/api/v2/filters/keywords/"+k.ID, ann).is(404)
	s.call("POST", path+"/statuses", ann, url.Values{"status_id": {p.ID}}).is(200)
	s.call("POST", path+"/statuses", ann, url.Values{"status_id": {p.ID}}).is(422)
	s.call("POST", path+"/statuses", ann, url.Values{"status_id": {"7"}}).is(404)
	s.get(path, ann).is(200).into(&f)
	same(t, "posts", f.Statuses[0].StatusID, p.ID)
	s.call("DELETE", "/api/v2/filters/statuses/"+f.Statuses[0].ID, ann, nil).is(200)
	s.get(path, bob).is(404)
	s.call("DELETE", path, bob, nil).is(404)

	var v1 struct {
		ID, Phrase   string
		Irreversible bool
		WholeWord    bool `json:"whole_word"`
	}
	s.call("POST", "/api/v1/filters", ann, url.Values{"phrase": {"rain"}, "context[]": {"home"}, "whole_word": {"true"}}).is(200).into(&v1)
	if b := s.get("/api/v1/filters", ann).is(200).body; strings.Count(b, `"phrase"`) != 3 {
		t.Errorf("v1: %s", b)
	}
	s.call("PUT", "/api/v1/filters/"+v1.ID, ann, url.Values{"phrase": {"snow"}, "context[]": {"public"}, "irreversible": {"true"}}).is(200).into(&v1)
	if v1.Phrase != "snow" || !v1.Irreversible || !v1.WholeWord {
		t.Errorf("v1: %+v", v1)
	}
	s.call("DELETE", "/api/v1/filters/"+v1.ID, ann, nil).is(200)
	if b := s.get("/api/v2/filters", ann).is(200).body; strings.Count(b, `"title"`) != 1 {
		t.Errorf("v2: %s", b)
	}
	for _, bad := range []url.Values{{"title": {"x"}}, {"context[]": {"home"}}, {"title": {"x"}, "context[]": {"space"}}, {"title": {"x"}, "context[]": {"home"}, "filter_action": {"x"}}} {
		s.call("POST", "/api/v2/filters", ann, bad).is(422)
	}
	s.call("DELETE", path, ann, nil).is(200)
	s.get(path, ann).is(404)
}

func TestSettings(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	same(t, "no markers", strings.TrimSpace(s.get("/api/v1/markers?timeline[]=home", ann).is(200).body), "{}")
	s.call("POST", "/api/v1/markers", ann, url.Values{"home[last_read_id]": {"7"}}).is(200)
	s.call("POST", "/api/v1/markers", ann, url.Values{"home[last_read_id]": {"9"}, "notifications[last_read_id]": {"3"}}).is(200)
	s.call("POST", "/api/v1/markers", ann, url.Values{"home[last_read_id]": {"x"}}).is(422)
	if b := s.get("/api/v1/markers?timeline[]=home", ann).is(200).body; !strings.Contains(b, `{"home":{"last_read_id":"9","version":2,"updated_at":"`) {
		t.Errorf("markers: %s", b)
	}
	var tag struct {
		ID, Name, URL string
		Count         string `json:"statuses_count"`
	}
	s.call("POST", "/api/v1/featured_tags", ann, url.Values{"name": {"#Cats"}}).is(200).into(&tag)
	if tag.Name != "cats" || tag.Count != "0" || tag.URL != s.URL+"/@ann/tagged/cats" {
		t.Errorf("featured: %+v", tag)
	}
	if b := s.get("/api/v1/accounts/"+s.id("ann")+"/featured_tags", "").is(200).body; !strings.Contains(b, `"name":"cats"`) {
		t.Errorf("featured: %s", b)
	}
	s.call("POST", "/api/v1/featured_tags", ann, url.Values{"name": {"two words"}}).is(422)
	s.call("DELETE", "/api/v1/featured_tags/"+tag.ID, ann, nil).is(200)
	s.call("DELETE", "/api/v1/featured_tags/"+tag.ID, ann, nil).is(404)
	s.call("POST", "/api/v1/domain_blocks", ann, url.Values{"domain": {"Evil.example"}}).is(200)
	same(t, "domains", strings.TrimSpace(s.get("/api/v1/domain_blocks", ann).is(200).body), `["evil.example"]`)
	s.call("POST", "/api/v1/domain_blocks", ann, url.Values{"domain": {"a b"}}).is(422)
	s.call("DELETE", "/api/v1/domain_blocks?domain=evil.example", ann, nil).is(200)
}

// TestLimit: everybody who calls too often waits, alone.
func TestLimit(t *testing.T) {
	s := open(t, "limits {\n requests = 5\n}")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	for left := 4; left >= 0; left-- {
		r := s.get("/api/v1/accounts/verify_credentials", ann).is(200)
		if got := r.Header.Get("X-RateLimit-Remaining"); got != string(rune('0'+left)) || r.Header.Get("X-RateLimit-Limit") != "5" {
			t.Errorf("%s are left of %s, not %d", got, r.Header.Get("X-RateLimit-Limit"), left)
		}
		reset, err := time.Parse("2006-01-02T15:04:05.000Z", r.Header.Get("X-RateLimit-Reset"))
		if err != nil || time.Until(reset) > 5*time.Minute || time.Until(reset) < 0 {
			t.Errorf("reset %v, %v", reset, err)
		}
	}
	r := s.get("/api/v1/accounts/verify_credentials", ann).is(http.StatusTooManyRequests)
	if r.Header.Get("Retry-After") == "" || !strings.Contains(r.body, `"error":"Too many requests`) {
		t.Errorf("%v %s", r.Header, r.body)
	}
	s.get("/api/v1/accounts/verify_credentials", bob).is(200)
	s.get("/api/v1/instance", "").is(200)
	for path, token := range map[string]string{"/api/v1/nothing": "", "/api/v1/statuses/1": "", "/api/v1/accounts/verify_credentials": "wrong", "/oauth/token": ""} {
		if s.get(path, token).Header.Get("X-RateLimit-Remaining") == "" {
			t.Errorf("%s does not say how many are left", path)
		}
	}
	exposed := s.get("/api/v1/instance", "").Header.Get("Access-Control-Expose-Headers")
	if !strings.Contains(exposed, "X-RateLimit-Reset") || !strings.Contains(exposed, "Link") {
		t.Errorf("exposed: %q", exposed)
	}
}
