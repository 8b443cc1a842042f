package photos_test

import (
	"net/url"
	"strings"
	"testing"
)

// reader is somebody who tries to see something, with the URLs of pictures as
// they were given to them.
type reader struct {
	name  string
	token string
}

// TestAccess tries every way to read with every kind of reader and every kind of
// post. Where somebody may not see something, nobody may tell that it is there.
func TestAccess(t *testing.T) {
	s := open(t, "")
	ann, eve := s.signUp("ann"), s.signUp("eve")
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	s.call("POST", "/oauth/token", "", with(s.app("read"), "grant_type", "client_credentials")).is(200).into(&tok)
	blocked, blocker := s.signUp("blocked"), s.signUp("blocker")
	s.block("ann", "blocked")
	s.block("blocker", "ann")
	readers := []reader{
		{"anybody", ""}, {"an app", tok.AccessToken}, {"a stranger", eve}, {"the author", ann},
		{"one who is blocked", blocked}, {"one who blocks", blocker},
	}
	gone := s.post(ann, "public")
	s.call("DELETE", "/api/v1/statuses/"+gone.ID, ann, nil).is(200)
	posts := map[string]status{
		"public": s.post(ann, "public"), "unlisted": s.post(ann, "unlisted"), "private": s.post(ann, "private"), "deleted": gone,
	}
	for visibility, p := range posts {
		for _, who := range readers {
			t.Run(visibility+" for "+who.name, func(t *testing.T) {
				author := who.token == ann
				see := visibility == "public" || visibility == "unlisted" || visibility == "private" && author
				see = see && who.token != blocked && who.token != blocker
				s.checkPost(t, p, who, see)
				if !see && (visibility == "private" || visibility == "deleted") { // else the bytes are for everybody
					s.checkNoBytes(t, p, who)
				}
				lists := map[string]bool{
					"/api/v1/timelines/public":                       see && visibility == "public",
					"/api/v1/accounts/" + p.Account.ID + "/statuses": see,
				}
				if who.token != "" && who.name != "an app" {
					lists["/api/v1/timelines/home"] = see && author
				}
				for path, want := range lists {
					if got := strings.Contains(s.get(path, who.token).is(200).body, `"id":"`+p.ID+`"`); got != want {
						t.Errorf("%s has it: %v", path, got)
					}
				}
			})
		}
	}
	s.checkPages(t, posts)
}

// block has one block another, as any service may let them.
func (s *site) block(who, whom string) {
	s.t.Helper()
	a, err := s.people.UserByName(s.t.Context(), who)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := s.people.UserByName(s.t.Context(), whom)
	if err == nil {
		err = s.people.Block(s.t.Context(), a.ID, b.ID)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// checkPost tries the post itself and the bytes of its picture.
func (s *site) checkPost(t *testing.T, p status, who reader, see bool) {
	t.Helper()
	r := s.get("/api/v1/statuses/"+p.ID, who.token)
	if r.StatusCode == 200 != see {
		t.Errorf("the post: %s", r.Status)
	}
	if see {
		var got status
		r.into(&got)
		for _, u := range []string{got.Media[0].URL, got.Media[0].PreviewURL, got.Media[0].Sizes[0].URL} {
			s.get(u, "").is(200) // as a browser does, without the token
		}
		return
	}
	if r.body != s.get("/api/v1/statuses/1", who.token).is(404).body {
		t.Errorf("the answer tells that there is something: %s", r.body)
	}
}

func (s *site) checkNoBytes(t *testing.T, p status, who reader) {
	t.Helper()
	for _, u := range []string{p.Media[0].URL, p.Media[0].PreviewURL} {
		plain, _, _ := strings.Cut(u, "?")
		if got := s.get(plain, who.token); got.StatusCode != 404 {
			t.Errorf("the bytes: %s", got.Status)
		}
	}
}

// checkPages looks for posts in the pages that anybody gets.
func (s *site) checkPages(t *testing.T, posts map[string]status) {
	for visibility, p := range posts {
		link := "/@ann/" + p.ID
		pages := map[string]bool{"/": visibility == "public", "/@ann": visibility == "public" || visibility == "unlisted"}
		for path, want := range pages {
			if got := strings.Contains(s.get(path, "").is(200).body, link); got != want {
				t.Errorf("%s has the %s post: %v", path, visibility, got)
			}
		}
		if got := s.get(link, "").StatusCode == 200; got != pages["/@ann"] {
			t.Errorf("the page of the %s post: %v", visibility, got)
		}
	}
	s.get("/@eve/"+posts["public"].ID, "").is(404)
}

// TestSignedURLs: the URL of a private picture dies with the session that it was
// made for, and opens nothing else.
func TestSignedURLs(t *testing.T) {
	s := open(t, "")
	ann, eve := s.signUp("ann"), s.signUp("eve")
	app := s.app("read")
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "password", "username", "ann", "password", password)).is(200).into(&tok)
	p := s.post(ann, "private")
	var seen status
	s.get("/api/v1/statuses/"+p.ID, tok.AccessToken).is(200).into(&seen)
	u := seen.Media[0].URL
	if u == p.Media[0].URL {
		t.Error("two sessions share a URL")
	}
	r := s.get(u, "").is(200)
	if cc := r.Header.Get("Cache-Control"); cc != "private, no-cache" {
		t.Errorf("Cache-Control: %q", cc)
	}
	s.send("GET", u, nil, "If-None-Match", r.Header.Get("ETag")).is(304)
	var again status
	s.get("/api/v1/statuses/"+p.ID, tok.AccessToken).is(200).into(&again)
	if again.Media[0].URL != u {
		t.Error("the URL is not stable")
	}

	loose := s.picture(eve, small)
	s.get(loose.URL, "").is(200)
	parsed, err := url.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"without":     strings.Split(u, "?")[0],
		"for another": strings.Split(loose.URL, "?")[0] + "?" + parsed.RawQuery,
		"of another":  strings.Split(u, "?")[0] + "?" + strings.Split(loose.URL, "?")[1],
		"other day":   strings.Replace(u, "day=", "day=1", 1),
		"no number":   strings.Replace(u, "day=", "day=x", 1),
		"other size":  strings.Replace(u, "original.png", "40.jpg", 1),
		"no such":     strings.Replace(u, "original.png", "41.jpg", 1),
	} {
		if got := s.get(bad, "").StatusCode; got != 404 {
			t.Errorf("%s: %d for %s", name, got, bad)
		}
	}
	s.call("POST", "/oauth/revoke", "", with(app, "token", tok.AccessToken)).is(200)
	s.get(u, "").is(404)
	s.send("GET", u, nil, "If-None-Match", r.Header.Get("ETag")).is(404)
	s.get(p.Media[0].URL, "").is(200)
}

// TestSuspended: who is suspended is not there, for nobody, until they are again.
func TestSuspended(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	public, private := s.post(ann, "public"), s.post(ann, "private")
	u, err := s.people.UserByName(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	check := func(code, posts int) {
		t.Helper()
		for _, path := range []string{
			"/api/v1/statuses/" + public.ID, public.Media[0].URL, private.Media[0].URL, "/@ann", "/@ann/" + public.ID,
			"/api/v1/accounts/" + public.Account.ID, "/api/v1/accounts/" + public.Account.ID + "/statuses", "/api/v1/accounts/lookup?acct=ann",
		} {
			s.get(path, "").is(code)
		}
		var list []status
		s.get("/api/v1/timelines/public", "").is(200).into(&list)
		if len(list) != posts {
			t.Errorf("%d posts in the timeline", len(list))
		}
	}
	check(200, 1)
	if err := s.people.Suspend(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	check(404, 0)
	s.get("/api/v1/timelines/home", ann).is(403)
	if err := s.people.Unsuspend(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	check(200, 1)
}
