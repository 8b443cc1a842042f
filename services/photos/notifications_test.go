package photos_test

import (
	"net/url"
	"strings"
	"testing"
)

type notification struct {
	ID, Type  string
	CreatedAt string `json:"created_at"`
	Account   struct{ Username string }
	Status    *status
}

func (s *site) told(path, token string) (list []notification) {
	s.t.Helper()
	s.get("/api/v1/notifications"+path, token).is(200).into(&list)
	return list
}

// kinds are "type by whom", newest first.
func kinds(list []notification) []string {
	out := []string{}
	for _, n := range list {
		out = append(out, n.Type+" "+n.Account.Username)
	}
	return out
}

func TestNotifications(t *testing.T) {
	s := open(t, "text_posts = true")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	p := s.post(ann, "public")
	s.act(bob, p.ID, "favourite")
	s.comment(bob, p.ID, "without her name")
	s.follow(eve, p.Account.ID)
	s.comment(ann, p.ID, "to myself")
	same(t, "ann", kinds(s.told("", ann)), []string{"follow eve", "mention bob", "favourite bob"})
	list := s.told("?types[]=favourite&types[]=poll", ann)
	if len(list) != 1 || list[0].Status == nil || list[0].Status.ID != p.ID {
		t.Errorf("favourites: %+v", list)
	}
	same(t, "without", kinds(s.told("?exclude_types[]=follow&exclude_types[]=mention", ann)), []string{"favourite bob"})
	same(t, "of others' kinds", kinds(s.told("?types[]=reblog", ann)), []string{})
	same(t, "of bob", kinds(s.told("?limit=1&account_id="+s.id("bob"), ann)), []string{"mention bob"})

	count := func(token string) int {
		t.Helper()
		var n struct{ Count int }
		s.get("/api/v1/notifications/unread_count", token).is(200).into(&n)
		return n.Count
	}
	all := s.told("", ann)
	if n := count(ann); n != 3 {
		t.Errorf("%d unread", n)
	}
	s.call("POST", "/api/v1/markers", ann, url.Values{"notifications[last_read_id]": {all[1].ID}}).is(200)
	if n := count(ann); n != 1 {
		t.Errorf("%d unread after the marker", n)
	}
	var one notification
	s.get("/api/v1/notifications/"+all[0].ID, ann).is(200).into(&one)
	if one.ID != all[0].ID {
		t.Errorf("one: %+v", one)
	}
	s.get("/api/v1/notifications/"+all[0].ID, bob).is(404)
	s.call("POST", "/api/v1/notifications/"+all[0].ID+"/dismiss", ann, nil).is(200)
	s.call("POST", "/api/v1/notifications/dismiss", ann, url.Values{"id": {all[1].ID}}).is(200)
	same(t, "dismissed", kinds(s.told("", ann)), []string{"favourite bob"})
	s.block("ann", "bob")
	same(t, "blocked", kinds(s.told("", ann)), []string{})
	s.call("POST", "/api/v1/notifications/clear", ann, nil).is(200)

	// Who asked for it is told of posts, and of none that they may not see.
	s.call("POST", "/api/v1/accounts/"+p.Account.ID+"/follow", eve, url.Values{"notify": {"true"}}).is(200)
	q := s.post(ann, "private")
	same(t, "eve", kinds(s.told("", eve)), []string{"status ann"})
	s.call("POST", "/api/v1/accounts/"+p.Account.ID+"/unfollow", eve, nil).is(200)
	same(t, "eve, who left", kinds(s.told("", eve)), []string{})
	s.call("DELETE", "/api/v1/statuses/"+q.ID, ann, nil).is(200)

	// A conversation that is muted is silent, and what is deleted was not.
	r := s.post(eve, "public")
	s.act(eve, r.ID, "mute")
	s.comment(ann, r.ID, "silent")
	same(t, "muted", kinds(s.told("", eve)), []string{})
	s.act(eve, r.ID, "unmute")
	c := s.comment(ann, r.ID, "loud")
	same(t, "unmuted", kinds(s.told("", eve)), []string{"mention ann"})
	s.call("DELETE", "/api/v1/statuses/"+c.ID, ann, nil).is(200)
	same(t, "deleted", kinds(s.told("", eve)), []string{})
}

func TestSearch(t *testing.T) {
	s := open(t, "text_posts = true")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	write := func(text, visibility string) string {
		t.Helper()
		var p view
		s.call("POST", "/api/v1/statuses", ann, url.Values{"status": {text}, "visibility": {visibility}}).is(200).into(&p)
		return p.ID
	}
	public, private := write("The lighthouse #Lights", "public"), write("lighthouse for friends", "private")
	type found struct {
		Accounts []struct{ Username string }
		Statuses []status
		Hashtags []struct{ Name string }
	}
	find := func(token, q string, more ...string) (f found, text string) {
		t.Helper()
		s.get("/api/v2/search?"+with(url.Values{"q": {q}}, more...).Encode(), token).is(200).into(&f)
		for _, a := range f.Accounts {
			text += "@" + a.Username + " "
		}
		for _, h := range f.Hashtags {
			text += "#" + h.Name + " "
		}
		for _, p := range f.Statuses {
			text += strings.NewReplacer(public, "public", private, "private").Replace(p.ID) + " "
		}
		return f, strings.TrimSpace(text)
	}
	for _, c := range []struct{ token, q, kind, want string }{
		{bob, "lighthouse", "", "public"}, {ann, "lighthouse", "", "private public"}, {"", "lighthouse", "", "public"},
		{bob, "light", "", "#lights public"}, {bob, "#light", "", "#lights"}, {bob, "@ann", "", "@ann"}, {bob, "ann", "accounts", "@ann"},
		{bob, "light", "hashtags", "#lights"}, {bob, "light", "statuses", "public"}, {bob, s.URL + "/@ann", "", "@ann"},
		{bob, s.URL + "/@ann/" + public, "", "public"}, {bob, s.URL + "/@ann/" + private, "", ""}, {ann, s.URL + "/@ann/" + private, "", "private"},
		{bob, s.URL + "/tags/lights", "", "#lights"}, {bob, "https://elsewhere.example/@ann", "", ""}, {bob, s.URL + "/nothing/here/at/all", "", ""},
		{bob, "lighthouse from:ann", "statuses", "public"}, {bob, "lighthouse from:bob", "statuses", ""}, {bob, "lighthouse from:nobody", "statuses", ""},
		{bob, "lighthouse before:2020-01-01", "statuses", ""}, {bob, "lighthouse after:2020-01-01", "statuses", "public"},
		{bob, "lighthouse during:2020-01-01", "statuses", ""}, {ann, "lighthouse from:me", "statuses", "private public"},
		{bob, `"OR" AND (`, "", ""}, {bob, "@nobody", "", ""},
	} {
		if _, got := find(c.token, c.q, "type", c.kind); got != c.want {
			t.Errorf("%q (%s) finds %q, not %q", c.q, c.kind, got, c.want)
		}
	}
	if _, got := find(ann, "lighthouse", "limit", "1", "offset", "1"); got != "public" {
		t.Errorf("the second is %q", got)
	}
	s.get("/api/v2/search?q=", bob).is(400)
	s.get("/api/v2/search?q=a&offset=1", "").is(401)
	var v1 struct{ Hashtags []string }
	s.get("/api/v1/search?q=light", bob).is(200).into(&v1)
	if len(v1.Hashtags) != 1 || v1.Hashtags[0] != "lights" {
		t.Errorf("v1: %v", v1.Hashtags)
	}
}
