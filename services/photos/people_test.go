package photos_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
)

// id is the id of somebody.
func (s *site) id(name string) string {
	s.t.Helper()
	var a struct{ ID string }
	s.get("/api/v1/accounts/lookup?acct="+name, "").is(200).into(&a)
	return a.ID
}

type relationship struct {
	ID                                        string
	Following, Requested, Notifying, Blocking bool
	Muting, Endorsed                          bool
	FollowedBy                                bool `json:"followed_by"`
	BlockedBy                                 bool `json:"blocked_by"`
	RequestedBy                               bool `json:"requested_by"`
	ShowingReblogs                            bool `json:"showing_reblogs"`
	MutingNotifications                       bool `json:"muting_notifications"`
	Languages                                 []string
	Note                                      string
	MutingExpiresAt                           *string `json:"muting_expires_at"`
}

// relate does something to somebody and returns what they are now.
func (s *site) relate(token, id, what string, pairs ...string) (r relationship) {
	s.t.Helper()
	s.call("POST", "/api/v1/accounts/"+id+"/"+what, token, with(nil, pairs...)).is(200).into(&r)
	return r
}

// names are the usernames in a list of accounts.
func (s *site) names(path, token string) (names []string) {
	s.t.Helper()
	var list []struct{ Username string }
	s.get(path, token).is(200).into(&list)
	for _, a := range list {
		names = append(names, a.Username)
	}
	return names
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	g, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func TestFollow(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	annID, bobID := s.id("ann"), s.id("bob")
	same(t, "a follow", s.relate(ann, bobID, "follow", "notify", "true", "languages[]", "de"),
		relationship{ID: bobID, Following: true, Notifying: true, ShowingReblogs: true, Languages: []string{"de"}})
	same(t, "options that are not given", s.relate(ann, bobID, "follow", "reblogs", "0"),
		relationship{ID: bobID, Following: true, Notifying: true, Languages: []string{"de"}})
	same(t, "followers", s.names("/api/v1/accounts/"+bobID+"/followers", ""), []string{"ann"})
	same(t, "following", s.names("/api/v1/accounts/"+annID+"/following", bob), []string{"bob"})
	var a struct {
		Followers int `json:"followers_count"`
		Following int `json:"following_count"`
	}
	s.get("/api/v1/accounts/"+bobID, "").is(200).into(&a)
	same(t, "followers_count", a.Followers, 1)
	s.call("POST", "/api/v1/accounts/"+annID+"/follow", ann, nil).is(403)
	s.call("POST", "/api/v1/accounts/7/follow", ann, nil).is(404)
	same(t, "removed", s.relate(bob, annID, "remove_from_followers").FollowedBy, false)
	same(t, "unfollowed", s.relate(ann, bobID, "unfollow"), relationship{ID: bobID})

	var rels []relationship
	s.get("/api/v1/accounts/relationships?id[]="+bobID+"&id[]="+annID+"&id[]=9&id[]=x", ann).is(200).into(&rels)
	same(t, "relationships", []string{rels[0].ID, rels[1].ID}, []string{bobID, annID})
	s.get("/api/v1/accounts/relationships?id="+bobID, ann).is(200).into(&rels)
	same(t, "one relationship", len(rels), 1)
}

func TestLocked(t *testing.T) {
	s := open(t, "")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	bobID := s.id("bob")
	s.call("PATCH", "/api/v1/accounts/update_credentials", bob, url.Values{"locked": {"true"}}).is(200)
	p := s.post(bob, "private")
	same(t, "asked", s.relate(ann, bobID, "follow"), relationship{ID: bobID, Requested: true})
	s.relate(eve, bobID, "follow")
	s.get("/api/v1/statuses/"+p.ID, ann).is(404)
	same(t, "requests", s.names("/api/v1/follow_requests", bob), []string{"eve", "ann"})
	var me struct {
		Source struct {
			Requests int `json:"follow_requests_count"`
		}
	}
	s.get("/api/v1/accounts/verify_credentials", bob).is(200).into(&me)
	same(t, "follow_requests_count", me.Source.Requests, 2)
	s.call("POST", "/api/v1/follow_requests/"+s.id("ann")+"/authorize", bob, nil).is(200)
	s.call("POST", "/api/v1/follow_requests/"+s.id("ann")+"/authorize", bob, nil).is(404)
	s.call("POST", "/api/v1/follow_requests/"+s.id("eve")+"/reject", bob, nil).is(200)
	var got status
	s.get("/api/v1/statuses/"+p.ID, ann).is(200).into(&got)
	s.get("/api/v1/statuses/"+p.ID, eve).is(404)
	picture := got.Media[0].URL
	s.get(picture, "").is(200)
	// What one may see ends with the follow, be the URL ever so well signed.
	s.relate(bob, s.id("ann"), "remove_from_followers")
	s.get(picture, "").is(404)
	s.get("/api/v1/statuses/"+p.ID, ann).is(404)
	same(t, "requests", s.names("/api/v1/follow_requests", bob), nil)
}

func TestBlock(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	annID, bobID := s.id("ann"), s.id("bob")
	s.relate(ann, bobID, "follow")
	s.relate(bob, annID, "follow")
	p := s.post(ann, "public")
	same(t, "blocked", s.relate(ann, bobID, "block"), relationship{ID: bobID, Blocking: true})
	var rels []relationship
	s.get("/api/v1/accounts/relationships?id[]="+annID, bob).is(200).into(&rels)
	same(t, "who is blocked", rels, []relationship{{ID: annID, BlockedBy: true}})
	s.call("POST", "/api/v1/accounts/"+annID+"/follow", bob, nil).is(403)
	s.get("/api/v1/statuses/"+p.ID, bob).is(404)
	same(t, "blocks", s.names("/api/v1/blocks", ann), []string{"bob"})
	same(t, "followers that a block hides", s.names("/api/v1/accounts/"+annID+"/followers", bob), nil)
	same(t, "unblocked", s.relate(ann, bobID, "unblock"), relationship{ID: bobID})
	s.get("/api/v1/statuses/"+p.ID, bob).is(200)
	// A block from elsewhere ends follows too.
	s.relate(ann, bobID, "follow")
	s.block("bob", "ann")
	wait.Until(t, "the follow ends", func() bool { return len(s.names("/api/v1/accounts/"+annID+"/following", ann)) == 0 })
}

func TestBlockPages(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	var want []string
	for _, name := range []string{"b1", "b2", "b3", "b4", "b5"} {
		s.signUp(name)
		s.relate(ann, s.id(name), "block")
		want = append([]string{name}, want...)
	}
	var got []string
	path := "/api/v1/blocks?limit=2"
	var prev string
	for path != "" {
		r := s.get(path, ann).is(200)
		got = append(got, s.names(path, ann)...)
		next, before := links(r)
		path, prev = next, before
		if len(got) > 10 {
			t.Fatal("it does not end")
		}
	}
	same(t, "all pages", got, want)
	_ = prev
	r := s.get("/api/v1/blocks?limit=2", ann).is(200)
	next, _ := links(r)
	_, back := links(s.get(next, ann).is(200))
	same(t, "back", s.names(back, ann), []string{"b5", "b4"})
}

var linkPart = regexp.MustCompile(`<([^>]+)>; rel="(next|prev)"`)

// links are the addresses of the next and the previous page.
func links(r reply) (next, prev string) {
	for _, m := range linkPart.FindAllStringSubmatch(r.Header.Get("Link"), -1) {
		if m[2] == "next" {
			next = m[1]
		} else {
			prev = m[1]
		}
	}
	return next, prev
}

func TestMuteAndNote(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	s.signUp("bob")
	bobID := s.id("bob")
	m := s.relate(ann, bobID, "mute", "notifications", "false", "duration", "3600")
	if !m.Muting || m.MutingNotifications || m.MutingExpiresAt == nil {
		t.Errorf("muted: %+v", m)
	}
	if b := s.get("/api/v1/mutes", ann).is(200).body; !strings.Contains(b, `"mute_expires_at":"`) {
		t.Errorf("mutes: %s", b)
	}
	s.relate(ann, bobID, "mute")
	if b := s.get("/api/v1/mutes", ann).is(200).body; !strings.Contains(b, `"mute_expires_at":null`) {
		t.Errorf("mutes: %s", b)
	}
	same(t, "unmuted", s.relate(ann, bobID, "unmute"), relationship{ID: bobID})
	same(t, "a note", s.relate(ann, bobID, "note", "comment", "kind").Note, "kind")
	s.call("POST", "/api/v1/accounts/"+bobID+"/note", ann, url.Values{"comment": {strings.Repeat("x", 2001)}}).is(422)
	s.call("POST", "/api/v1/accounts/"+bobID+"/pin", ann, nil).is(422)
	s.relate(ann, bobID, "follow")
	same(t, "endorsed", s.relate(ann, bobID, "pin").Endorsed, true)
	same(t, "endorsements", s.names("/api/v1/endorsements", ann), []string{"bob"})
	same(t, "of others", s.names("/api/v1/accounts/"+s.id("ann")+"/endorsements", ""), []string{"bob"})
	same(t, "not endorsed", s.relate(ann, bobID, "unpin").Endorsed, false)
}

func TestFindPeople(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	bob, carl := s.signUp("bob"), s.signUp("bobby")
	s.signUp("bobo")
	s.relate(ann, s.id("bobo"), "follow")
	same(t, "search", s.names("/api/v1/accounts/search?q=bob", ann), []string{"bobo", "bob", "bobby"})
	same(t, "search with @", s.names("/api/v1/accounts/search?q=@bobby@"+s.Addr, ann), []string{"bobby"})
	same(t, "only followed", s.names("/api/v1/accounts/search?q=bob&following=true", ann), []string{"bobo"})
	same(t, "a page", s.names("/api/v1/accounts/search?q=bob&limit=1&offset=1", ann), []string{"bob"})
	s.relate(bob, s.id("ann"), "block")
	same(t, "without who blocks", s.names("/api/v1/accounts/search?q=bob", ann), []string{"bobo", "bobby"})
	same(t, "whom one blocks", s.names("/api/v1/accounts/search?q=ann", bob), []string{"ann"})
	same(t, "whom one blocks, by a part", s.names("/api/v1/accounts/search?q=an", bob), nil)
	s.relate(carl, s.id("bobo"), "follow")
	var fam []struct {
		ID       string
		Accounts []struct{ Username string }
	}
	s.relate(ann, s.id("bobby"), "follow")
	s.get("/api/v1/accounts/familiar_followers?id[]="+s.id("bobo"), ann).is(200).into(&fam)
	if len(fam) != 1 || len(fam[0].Accounts) != 1 || fam[0].Accounts[0].Username != "bobby" {
		t.Errorf("familiar followers: %+v", fam)
	}
	s.post(carl, "public")
	same(t, "directory", s.names("/api/v1/directory?order=active", ann), []string{"bobby"})
	eve := s.signUp("eve")
	got := s.names("/api/v1/suggestions", eve)
	if len(got) == 0 || got[0] != "bobo" {
		t.Errorf("suggestions: %v", got)
	}
	if b := s.get("/api/v2/suggestions", eve).is(200).body; !strings.Contains(b, `"source":"global"`) {
		t.Errorf("suggestions: %s", b)
	}
	s.call("DELETE", "/api/v1/suggestions/"+s.id("bobo"), eve, nil).is(200)
	if got := s.names("/api/v1/suggestions", eve); slices.Contains(got, "bobo") {
		t.Errorf("suggestions: %v", got)
	}
}

// TestGone: who is suspended or deleted is in no list, and comes back whole.
func TestGone(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	annID, bobID := s.id("ann"), s.id("bob")
	s.relate(bob, annID, "follow")
	s.relate(ann, bobID, "follow")
	p := s.post(bob, "public")
	u, err := s.people.UserByName(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.people.Suspend(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/accounts/" + bobID, "/api/v1/accounts/lookup?acct=bob", "/api/v1/statuses/" + p.ID, "/api/v1/accounts/" + bobID + "/followers"} {
		s.get(path, ann).is(404)
	}
	s.get(p.Media[0].URL, "").is(404)
	same(t, "followers", s.names("/api/v1/accounts/"+annID+"/followers", ann), nil)
	same(t, "search", s.names("/api/v1/accounts/search?q=bob", ann), nil)
	if err := s.people.Unsuspend(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	same(t, "followers", s.names("/api/v1/accounts/"+annID+"/followers", ann), []string{"bob"})
	if err := s.people.Delete(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	s.get("/api/v1/accounts/"+bobID, ann).is(404)
	wait.Until(t, "counts follow", func() bool {
		return strings.Contains(s.get("/api/v1/accounts/"+annID, "").body, `"followers_count":0,"following_count":0`)
	})
}
