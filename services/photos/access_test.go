package photos_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// A reader is somebody who tries to see something, and what they are to the
// author.
type reader struct {
	name  string
	token string
	rel   rel
	// What they heard on their streams, filled in at the end.
	heard map[string]string
}

// rel is what the table of TestAccess goes by.
type rel struct{ self, follows, named, blocked, mutes, person bool }

// maySee is the rule as docs/photos.md has it, written a second time.
func (r rel) maySee(visibility string) bool {
	switch visibility {
	case "public", "unlisted":
		return !r.blocked
	case "private":
		return r.self || !r.blocked && (r.follows || r.named)
	case "direct":
		return r.self || !r.blocked && r.named
	}
	return false
}

// readers are everybody of the matrix; the author is ann, whom people ask to
// follow.
func (s *site) readers() (list []*reader) {
	s.t.Helper()
	ann := s.signUp("ann")
	annID := s.id("ann")
	s.call("PATCH", "/api/v1/accounts/update_credentials", ann, url.Values{"locked": {"true"}}).is(200)
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	s.call("POST", "/oauth/token", "", with(s.app("read"), "grant_type", "client_credentials")).is(200).into(&tok)
	list = []*reader{{name: "anybody"}, {name: "app", token: tok.AccessToken}, {name: "ann", token: ann, rel: rel{self: true, person: true}}}
	for name, r := range map[string]rel{
		"stranger": {}, "follower": {follows: true}, "asker": {}, "left": {}, "named": {named: true}, "friend": {named: true, follows: true},
		"muter": {follows: true, mutes: true}, "blocked": {blocked: true}, "blocker": {blocked: true}, "shunned": {blocked: true, named: true},
	} {
		r.person = true
		token := s.signUp(name)
		list = append(list, &reader{name: name, token: token, rel: r})
		if r.follows || name == "asker" || name == "left" || name == "blocked" {
			s.relate(token, annID, "follow")
		}
		if r.follows || name == "left" || name == "blocked" {
			s.call("POST", "/api/v1/follow_requests/"+s.id(name)+"/authorize", ann, nil).is(200)
		}
		switch name {
		case "left":
			s.relate(ann, s.id(name), "remove_from_followers")
		case "muter":
			s.relate(token, annID, "mute", "notifications", "false")
		case "blocked", "shunned":
			s.relate(ann, s.id(name), "block")
		case "blocker":
			s.relate(token, annID, "block")
		}
	}
	return list
}

// TestAccess tries every way to read with every kind of reader and every kind of
// post. Where somebody may not see something, nobody may tell that it is there.
func TestAccess(t *testing.T) {
	s := open(t, "")
	readers := s.readers()
	ann := readers[2].token
	streams := s.hear(readers)
	posts := map[string]status{}
	for _, visibility := range []string{"public", "unlisted", "private", "direct", "deleted"} {
		var p status
		s.call("POST", "/api/v1/statuses", ann, url.Values{
			"status": {"look at #places " + visibility + ", @named @friend @shunned"}, "media_ids[]": {s.picture(ann, small).ID},
			"visibility": {strings.Replace(visibility, "deleted", "public", 1)},
		}).is(200).into(&p)
		posts[visibility] = p
	}
	streams()
	s.call("DELETE", "/api/v1/statuses/"+posts["deleted"].ID, ann, nil).is(200)
	for visibility, p := range posts {
		for _, who := range readers {
			t.Run(visibility+" for "+who.name, func(t *testing.T) {
				see := who.rel.maySee(visibility)
				s.checkPost(t, p, who, see)
				if !see && visibility != "public" && visibility != "unlisted" { // else the bytes are for everybody
					s.checkNoBytes(t, p, who)
				}
				s.checkLists(t, p, who, visibility, see)
				if visibility != "deleted" {
					who.checkHeard(t, p, visibility, see)
				}
			})
		}
	}
	s.checkPages(t, posts)
}

// checkLists tries everything that lists posts.
func (s *site) checkLists(t *testing.T, p status, who *reader, visibility string, see bool) {
	t.Helper()
	id := `"id":"` + p.ID + `"`
	inPublic := see && visibility == "public" && !who.rel.mutes
	lists := map[string]bool{
		"/api/v1/timelines/public?local=1":                                          inPublic,
		"/api/v1/timelines/tag/places":                                              inPublic,
		"/api/v1/accounts/" + p.Account.ID + "/statuses":                            see,
		"/api/v1/accounts/" + p.Account.ID + "/statuses?only_media=1&tagged=places": see,
		"/api/v1/statuses?id[]=" + p.ID:                                             see,
	}
	if who.rel.person {
		// Home has those whom one follows, and what one wrote oneself.
		lists["/api/v1/timelines/home"] = see && (who.rel.self || who.rel.follows && !who.rel.mutes)
		lists["/api/v1/notifications"] = see && who.rel.named
	}
	for path, want := range lists {
		if got := strings.Contains(s.get(path, who.token).is(200).body, id); got != want {
			t.Errorf("%s has it: %v", path, got)
		}
	}
	if who.rel.person {
		// Search may find less, and conversations show only the last post; never
		// more.
		for _, path := range []string{"/api/v1/conversations", "/api/v1/timelines/direct", "/api/v2/search?q=places", "/api/v2/search?q=" + visibility, "/api/v2/search?resolve=1&q=" + url.QueryEscape(p.URL)} {
			if !see && strings.Contains(s.get(path, who.token).is(200).body, id) {
				t.Errorf("%s has it", path)
			}
		}
	}
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

// checkPost tries the post itself, what is below it, and the bytes of its
// picture.
func (s *site) checkPost(t *testing.T, p status, who *reader, see bool) {
	t.Helper()
	r := s.get("/api/v1/statuses/"+p.ID, who.token)
	if r.StatusCode == 200 != see {
		t.Errorf("the post: %s", r.Status)
	}
	gone := s.get("/api/v1/statuses/1", who.token).is(404).body
	for _, part := range []string{"", "/context", "/history", "/favourited_by", "/reblogged_by"} {
		got := s.get("/api/v1/statuses/"+p.ID+part, who.token)
		if got.StatusCode == 200 != see || !see && got.body != gone {
			t.Errorf("%q: %s, %s", part, got.Status, got.body)
		}
	}
	if who.rel.person {
		if got := s.get("/api/v1/statuses/"+p.ID+"/source", who.token); got.StatusCode == 200 != see {
			t.Errorf("the source: %s", got.Status)
		}
		for _, act := range []string{"favourite", "unfavourite", "bookmark", "unbookmark", "mute", "unmute"} {
			if got := s.call("POST", "/api/v1/statuses/"+p.ID+"/"+act, who.token, nil); got.StatusCode == 200 != see {
				t.Errorf("%s: %s", act, got.Status)
			}
		}
		answer := url.Values{"status": {"me too"}, "in_reply_to_id": {p.ID}, "visibility": {"direct"}}
		if got := s.call("POST", "/api/v1/statuses", who.token, answer); got.StatusCode == 200 != see {
			t.Errorf("an answer: %s", got.Status)
		}
	}
	if !see {
		return
	}
	var got status
	r.into(&got)
	for _, u := range []string{got.Media[0].URL, got.Media[0].PreviewURL, got.Media[0].Sizes[0].URL} {
		s.get(u, "").is(200) // as a browser does, without the token
	}
}

// checkNoBytes tries the addresses of the author's picture without what they
// were signed with, and with a signature for another picture.
func (s *site) checkNoBytes(t *testing.T, p status, who *reader) {
	t.Helper()
	for _, u := range []string{p.Media[0].URL, p.Media[0].PreviewURL} {
		plain, _, _ := strings.Cut(u, "?")
		if got := s.get(plain, who.token); got.StatusCode != 404 {
			t.Errorf("the bytes: %s", got.Status)
		}
	}
}

// streamsOf are what a reader listens to.
var streamsOf = []string{"user", "public", "hashtag?tag=places", "direct"}

// watch opens a WebSocket with all of streamsOf; note gets the payload of each
// message, with the stream that it came by.
func (s *site) watch(ctx context.Context, who *reader, note func(name, payload string)) (run func()) {
	s.t.Helper()
	k, _, err := s.socket("?access_token="+who.token, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, text := range []string{`{"type":"subscribe","stream":"user"}`, `{"type":"subscribe","stream":"public"}`,
		`{"type":"subscribe","stream":"hashtag","tag":"places"}`, `{"type":"subscribe","stream":"direct"}`,
		`{"type":"subscribe","stream":"nothing"}`} {
		if err := k.conn.WriteString(text); err != nil {
			s.t.Fatal(err)
		}
	}
	select { // the error tells that all before it was done
	case <-k.frames:
	case <-time.After(patience):
		s.t.Fatalf("the socket of %s says nothing", who.name)
	}
	return func() {
		defer k.conn.NetConn().Close()
		for {
			var f frame
			select {
			case text := <-k.frames:
				if err := json.Unmarshal([]byte(text), &f); err != nil || f.Error != "" || f.Payload == nil {
					s.t.Errorf("%s hears %q: %v", who.name, text, err)
					return
				}
			case <-k.closed:
				return
			case <-ctx.Done():
				return
			}
			name := f.Stream[0]
			if name == "hashtag" {
				name = "hashtag?tag=" + f.Stream[1]
			}
			note("socket "+name, *f.Payload)
		}
	}
}

// hear opens streams for all readers. What it returns waits until all have heard
// everything and closes them.
func (s *site) hear(readers []*reader) (done func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, who := range readers {
		who.heard = map[string]string{}
		if !who.rel.person {
			continue // there is no stream without a person
		}
		note := func(name, text string) {
			mu.Lock()
			defer mu.Unlock()
			who.heard[name] += text + "\n"
		}
		wg.Go(s.watch(ctx, who, note))
		for _, name := range streamsOf {
			req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/streaming/"+name, nil)
			if err != nil {
				s.t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+who.token)
			res, err := s.Client.Do(req)
			if err != nil || res.StatusCode != 200 {
				s.t.Fatalf("%s of %s: %v, %v", name, who.name, res, err)
			}
			wg.Go(func() {
				defer res.Body.Close()
				lines := bufio.NewScanner(res.Body)
				lines.Buffer(nil, 1<<20)
				for lines.Scan() {
					note(name, lines.Text())
				}
			})
		}
	}
	return func() {
		// The last post is public: who has heard that one has heard all before.
		wait.Until(s.t, "everybody hears the last post", func() bool {
			mu.Lock()
			defer mu.Unlock()
			for _, who := range readers {
				for _, name := range []string{"public", "socket public"} {
					if who.rel.person && !who.rel.blocked && !who.rel.mutes && !strings.Contains(who.heard[name], " deleted, ") {
						return false
					}
				}
			}
			return true
		})
		cancel()
		wg.Wait()
	}
}

// checkHeard looks for a post in what a reader heard.
func (r *reader) checkHeard(t *testing.T, p status, visibility string, see bool) {
	t.Helper()
	if !r.rel.person {
		return
	}
	id := `"id":"` + p.ID + `"`
	public := see && visibility == "public" && !r.rel.mutes
	for name, want := range map[string]bool{
		"user":               see && (r.rel.named || r.rel.self || r.rel.follows && !r.rel.mutes),
		"public":             public,
		"hashtag?tag=places": public,
		"direct":             see && visibility == "direct",
	} {
		for _, way := range []string{"", "socket "} {
			if got := strings.Contains(r.heard[way+name], id); got != want {
				t.Errorf("the stream %s%s has it: %v", way, name, got)
			}
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
