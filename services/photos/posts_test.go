package photos_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// view is a post with what clients read beside the picture.
type view struct {
	status
	EditedAt    *string `json:"edited_at"`
	InReplyTo   *string `json:"in_reply_to_id"`
	InReplyToWh *string `json:"in_reply_to_account_id"`
	Replies     int     `json:"replies_count"`
	Favourites  int     `json:"favourites_count"`
	Favourited  bool
	Bookmarked  bool
	Pinned      bool
	Muted       bool
	Mentions    []struct{ ID, Username, Acct, URL string }
	Tags        []struct{ Name, URL string }
}

// comment answers a post without a picture.
func (s *site) comment(token string, to string, text string, more ...string) (v view) {
	s.t.Helper()
	s.call("POST", "/api/v1/statuses", token, with(url.Values{"status": {text}, "in_reply_to_id": {to}}, more...)).is(200).into(&v)
	return v
}

// list reads posts and returns their ids.
func (s *site) list(path, token string) []string {
	s.t.Helper()
	var list []status
	s.get(path, token).is(200).into(&list)
	ids := []string{}
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	return ids
}

// act posts to a call of a post and returns the post.
func (s *site) act(token, id, what string) (v view) {
	s.t.Helper()
	s.call("POST", "/api/v1/statuses/"+id+"/"+what, token, nil).is(200).into(&v)
	return v
}

func (s *site) follow(token, account string) {
	s.t.Helper()
	s.call("POST", "/api/v1/accounts/"+account+"/follow", token, nil).is(200)
}

func TestComments(t *testing.T) {
	s := open(t, "")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	p := s.post(ann, "public")
	a := s.comment(bob, p.ID, "nice, @Eve! #Sea #sea")
	if *a.InReplyTo != p.ID || *a.InReplyToWh != p.Account.ID || len(a.Media) != 0 {
		t.Errorf("the comment: %+v", a)
	}
	var names []string
	for _, m := range a.Mentions {
		names = append(names, m.Username)
	}
	slices.Sort(names)
	same(t, "mentions", names, []string{"ann", "eve"})
	if len(a.Tags) != 1 || a.Tags[0].Name != "sea" || a.Tags[0].URL != s.URL+"/tags/sea" {
		t.Errorf("tags: %+v", a.Tags)
	}
	if want := `<p>nice, <span class="h-card" translate="no"><a href="` + s.URL + `/@eve" class="u-url mention">@<span>Eve</span></a></span>! ` +
		`<a href="` + s.URL + `/tags/sea" class="mention hashtag" rel="tag">#<span>Sea</span></a> ` +
		`<a href="` + s.URL + `/tags/sea" class="mention hashtag" rel="tag">#<span>sea</span></a></p>`; a.Content != want {
		t.Errorf("content\n%s\nwant\n%s", a.Content, want)
	}
	b := s.comment(ann, a.ID, "thanks")
	c := s.comment(eve, p.ID, "me too", "visibility", "private")
	var v view
	s.get("/api/v1/statuses/"+p.ID, "").is(200).into(&v)
	if v.Replies != 1 {
		t.Errorf("%d public answers", v.Replies)
	}
	context := func(id, token string) (up, down []string) {
		t.Helper()
		var e struct{ Ancestors, Descendants []status }
		s.get("/api/v1/statuses/"+id+"/context", token).is(200).into(&e)
		for _, p := range e.Ancestors {
			up = append(up, p.ID)
		}
		for _, p := range e.Descendants {
			down = append(down, p.ID)
		}
		return up, down
	}
	_, down := context(p.ID, ann)
	same(t, "what ann sees below", down, []string{a.ID, b.ID, c.ID}) // eve answered her
	_, down = context(p.ID, "")
	same(t, "what anybody sees below", down, []string{a.ID, b.ID})
	up, _ := context(b.ID, bob)
	same(t, "above", up, []string{p.ID, a.ID})
	s.block("ann", "bob")
	_, down = context(p.ID, ann)
	same(t, "without who is blocked", down, []string{b.ID, c.ID})

	s.call("DELETE", "/api/v1/statuses/"+p.ID, ann, nil).is(200)
	s.get("/api/v1/statuses/"+a.ID, "").is(200).into(&v)
	if v.InReplyTo != nil || v.InReplyToWh != nil {
		t.Errorf("answers what is gone: %+v", v)
	}
	for name, form := range map[string]url.Values{
		"gone": {"status": {"x"}, "in_reply_to_id": {p.ID}}, "no id": {"status": {"x"}, "in_reply_to_id": {"x"}},
		"not to be seen": {"status": {"x"}, "in_reply_to_id": {c.ID}},
	} {
		if got := s.call("POST", "/api/v1/statuses", bob, form).StatusCode; got != 404 {
			t.Errorf("%s: %d", name, got)
		}
	}
	s.call("POST", "/api/v1/statuses", ann, url.Values{"in_reply_to_id": {a.ID}, "status": {" "}}).is(404) // bob is blocked
	s.call("POST", "/api/v1/statuses", eve, url.Values{"in_reply_to_id": {a.ID}, "status": {" "}}).is(422)
}

func TestMarks(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	p := s.post(ann, "public")
	for range 2 {
		if v := s.act(bob, p.ID, "favourite"); !v.Favourited || v.Favourites != 1 {
			t.Errorf("favourite: %+v", v)
		}
		if v := s.act(bob, p.ID, "bookmark"); !v.Bookmarked || !v.Favourited {
			t.Errorf("bookmark: %+v", v)
		}
	}
	var v view
	s.get("/api/v1/statuses/"+p.ID, ann).is(200).into(&v)
	if v.Favourited || v.Bookmarked || v.Favourites != 1 {
		t.Errorf("to ann: %+v", v)
	}
	same(t, "favourites", s.list("/api/v1/favourites", bob), []string{p.ID})
	same(t, "bookmarks", s.list("/api/v1/bookmarks", bob), []string{p.ID})
	same(t, "bookmarks of ann", s.list("/api/v1/bookmarks", ann), []string{})
	var who []struct{ Username string }
	s.get("/api/v1/statuses/"+p.ID+"/favourited_by", "").is(200).into(&who)
	if len(who) != 1 || who[0].Username != "bob" {
		t.Errorf("favourited by %v", who)
	}
	same(t, "reblogged by", s.list("/api/v1/statuses/"+p.ID+"/reblogged_by", ""), []string{})
	if v := s.act(bob, p.ID, "unfavourite"); v.Favourited || v.Favourites != 0 {
		t.Errorf("unfavourite: %+v", v)
	}
	s.act(bob, p.ID, "unbookmark")
	same(t, "bookmarks", s.list("/api/v1/bookmarks", bob), []string{})
	if v := s.act(ann, p.ID, "pin"); !v.Pinned {
		t.Errorf("pin: %+v", v)
	}
	s.post(ann, "public")
	same(t, "pinned", s.list("/api/v1/accounts/"+p.Account.ID+"/statuses?pinned=true", ""), []string{p.ID})
	s.call("POST", "/api/v1/statuses/"+p.ID+"/pin", bob, nil).is(422)
	s.act(ann, p.ID, "unpin")
	if v := s.act(ann, p.ID, "mute"); !v.Muted {
		t.Errorf("mute: %+v", v)
	}
	if v := s.act(ann, p.ID, "unmute"); v.Muted {
		t.Errorf("unmute: %+v", v)
	}
	s.call("POST", "/api/v1/statuses/"+p.ID+"/reblog", bob, nil).is(422)
	s.act(bob, p.ID, "unreblog")
	s.call("POST", "/api/v1/statuses/"+p.ID+"/translate", bob, nil).is(404)
	s.get("/api/v1/statuses/"+p.ID+"/card", "").is(200)
	private := s.post(ann, "private")
	for _, what := range []string{"favourite", "bookmark", "reblog", "mute", "translate"} {
		s.call("POST", "/api/v1/statuses/"+private.ID+"/"+what, bob, nil).is(404)
	}
	s.call("POST", "/api/v1/statuses/"+private.ID+"/translate", ann, nil).is(403)
}

func TestEdit(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	a, b := s.picture(ann, small), s.picture(ann, jpegOf(50, 20))
	var p view
	s.call("POST", "/api/v1/statuses", ann, url.Values{"status": {"first"}, "media_ids[]": {a.ID}, "media_attributes[][id]": {a.ID}, "media_attributes[][description]": {"a box"}}).is(200).into(&p)
	if p.Media[0].Description == nil || *p.Media[0].Description != "a box" {
		t.Errorf("description: %+v", p.Media[0])
	}
	s.call("PUT", "/api/v1/statuses/"+p.ID, bob, url.Values{"status": {"mine"}}).is(404)
	body := fmt.Sprintf(`{"status":"second @bob","spoiler_text":"careful","media_ids":["%s"],"media_attributes":[{"id":"%s","description":"a dot","focus":"0.5,-0.5"}]}`, b.ID, b.ID)
	s.send("PUT", "/api/v1/statuses/"+p.ID, strings.NewReader(body), "Authorization", "Bearer "+ann, "Content-Type", "application/json").is(200).into(&p)
	if p.EditedAt == nil || p.SpoilerText != "careful" || len(p.Media) != 1 || p.Media[0].ID != b.ID || *p.Media[0].Description != "a dot" || p.Media[0].Meta.Focus.X != .5 {
		t.Errorf("edited: %+v", p)
	}
	var source struct{ ID, Text, Spoiler_text string }
	s.get("/api/v1/statuses/"+p.ID+"/source", ann).is(200).into(&source)
	if source.Text != "second @bob" {
		t.Errorf("source: %+v", source)
	}
	var history []struct {
		Content   string
		CreatedAt string `json:"created_at"`
		Account   struct{ Username string }
		Media     []media `json:"media_attachments"`
	}
	s.get("/api/v1/statuses/"+p.ID+"/history", "").is(200).into(&history)
	if len(history) != 2 || history[0].Content != "<p>first</p>" || len(history[0].Media) != 0 || history[1].Account.Username != "ann" || len(history[1].Media) != 1 {
		t.Errorf("history: %+v", history)
	}
	s.call("PUT", "/api/v1/statuses/"+p.ID, ann, url.Values{"media_ids[]": {"12"}}).is(422)
	s.call("PUT", "/api/v1/statuses/"+p.ID, ann, url.Values{"status": {strings.Repeat("x", 3000)}}).is(422)
	s.get("/api/v1/statuses/"+p.ID+"/source", "").is(401)
	same(t, "many", s.list("/api/v1/statuses?id[]="+p.ID+"&id[]=1&id[]="+s.post(ann, "private").ID, bob), []string{p.ID})
}

func TestTimelines(t *testing.T) {
	s := open(t, "text_posts = true")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	write := func(token, text string, more ...string) string {
		t.Helper()
		var p view
		s.call("POST", "/api/v1/statuses", token, with(url.Values{"status": {text}}, more...)).is(200).into(&p)
		return p.ID
	}
	s.follow(ann, s.id("bob"))
	one := write(bob, "one #sea #sun")
	two := write(bob, "two", "visibility", "private")
	three := write(eve, "three #sea")
	four := write(ann, "four #sea")
	answer := s.comment(bob, four, "answer #sea")
	same(t, "home", s.list("/api/v1/timelines/home", ann), []string{four, two, one})
	same(t, "home of eve", s.list("/api/v1/timelines/home", eve), []string{three})
	same(t, "public", s.list("/api/v1/timelines/public", ""), []string{four, three, one})
	same(t, "public with pictures", s.list("/api/v1/timelines/public?only_media=true", ""), []string{})
	same(t, "remote", s.list("/api/v1/timelines/public?remote=true", ""), []string{})
	same(t, "tag", s.list("/api/v1/timelines/tag/SEA", ""), []string{answer.ID, four, three, one})
	same(t, "all tags", s.list("/api/v1/timelines/tag/sea?all[]=sun", ""), []string{one})
	same(t, "none of tags", s.list("/api/v1/timelines/tag/sea?none[]=sun&limit=2", ""), []string{answer.ID, four})
	same(t, "no tag", s.list("/api/v1/timelines/tag/no%20tag", ""), []string{})

	bobID := s.id("bob")
	same(t, "bob to anybody", s.list("/api/v1/accounts/"+bobID+"/statuses", ""), []string{answer.ID, one})
	same(t, "bob to ann", s.list("/api/v1/accounts/"+bobID+"/statuses?exclude_replies=true", ann), []string{two, one})
	same(t, "bob by tag", s.list("/api/v1/accounts/"+bobID+"/statuses?tagged=sun", ann), []string{one})
	same(t, "bob by no tag", s.list("/api/v1/accounts/"+bobID+"/statuses?tagged=1", ann), []string{})

	var list struct{ ID string }
	s.call("POST", "/api/v1/lists", ann, url.Values{"title": {"friends"}}).is(200).into(&list)
	s.call("POST", "/api/v1/lists/"+list.ID+"/accounts", ann, url.Values{"account_ids[]": {bobID}}).is(200)
	same(t, "list", s.list("/api/v1/timelines/list/"+list.ID, ann), []string{two, one})
	s.get("/api/v1/timelines/list/"+list.ID, bob).is(404)

	s.call("POST", "/api/v1/accounts/"+bobID+"/mute", ann, nil).is(200)
	same(t, "home without bob", s.list("/api/v1/timelines/home", ann), []string{four})
	same(t, "public without bob", s.list("/api/v1/timelines/public", ann), []string{four, three})
	s.call("POST", "/api/v1/accounts/"+bobID+"/unmute", ann, nil).is(200)

	var tag struct {
		Name      string
		Following bool
		History   []struct{ Day, Uses, Accounts string }
	}
	s.call("POST", "/api/v1/tags/Sea/follow", ann, nil).is(200).into(&tag)
	if tag.Name != "sea" || !tag.Following || len(tag.History) != 7 || tag.History[0].Uses != "4" || tag.History[0].Accounts != "3" {
		t.Errorf("tag: %+v", tag)
	}
	same(t, "home with the tag", s.list("/api/v1/timelines/home", ann), []string{four, three, two, one})
	var tags []struct{ Name string }
	s.get("/api/v1/followed_tags", ann).is(200).into(&tags)
	if len(tags) != 1 {
		t.Errorf("followed tags: %v", tags)
	}
	s.call("POST", "/api/v1/tags/sea/unfollow", ann, nil).is(200).into(&tag)
	if tag.Following {
		t.Error("still followed")
	}
	s.get("/api/v1/trends/tags", "").is(200).into(&tags)
	if len(tags) != 2 || tags[0].Name != "sea" {
		t.Errorf("trends: %v", tags)
	}
	s.act(eve, one, "favourite")
	same(t, "trending", s.list("/api/v1/trends/statuses", ""), []string{four, one})
	same(t, "links", s.list("/api/v1/trends/links", ""), []string{})
}

// TestLinks goes through lists by their Link headers, forth and back.
func TestLinks(t *testing.T) {
	s := open(t, "text_posts = true")
	ann := s.signUp("ann")
	var all []string
	for i := range 7 {
		var p view
		s.call("POST", "/api/v1/statuses", ann, url.Values{"status": {fmt.Sprint("post ", i)}}).is(200).into(&p)
		s.act(ann, p.ID, "favourite")
		s.act(ann, p.ID, "bookmark")
		all = append([]string{p.ID}, all...)
	}
	for _, path := range []string{
		"/api/v1/timelines/home?limit=3", "/api/v1/timelines/public?limit=3&local=true", "/api/v1/favourites?limit=3", "/api/v1/bookmarks?limit=3",
		"/api/v1/accounts/" + s.id("ann") + "/statuses?limit=3",
	} {
		var got []string
		var back string
		for next := s.URL + path; next != ""; {
			r := s.get(next, ann).is(200)
			var list []status
			r.into(&list)
			for _, p := range list {
				got = append(got, p.ID)
			}
			var prev string
			if next, prev = links(r); prev != "" {
				back = prev
			}
		}
		same(t, path, got, all)
		same(t, path+" back", s.list(back, ann), all[:3])
	}
}

func TestConversations(t *testing.T) {
	s := open(t, "")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	m := s.picture(ann, small)
	var p view
	s.call("POST", "/api/v1/statuses", ann, url.Values{"status": {"@bob just you"}, "media_ids[]": {m.ID}, "visibility": {"direct"}}).is(200).into(&p)
	s.get("/api/v1/statuses/"+p.ID, eve).is(404)
	s.get("/api/v1/statuses/"+p.ID, "").is(404)
	var seen view
	s.get("/api/v1/statuses/"+p.ID, bob).is(200).into(&seen)
	s.get(seen.Media[0].URL, "").is(200)
	s.get(strings.Replace(seen.Media[0].URL, "sig=", "sig=x", 1), "").is(404)
	same(t, "home", s.list("/api/v1/timelines/home", ann), []string{p.ID})
	same(t, "home of bob, who does not follow ann", s.list("/api/v1/timelines/home", bob), []string{})
	a := s.comment(bob, p.ID, "hm")
	if a.Visibility != "direct" {
		t.Errorf("an answer in private is %s", a.Visibility)
	}
	type conversation struct {
		ID         string
		Unread     bool
		Accounts   []struct{ Username string }
		LastStatus *status `json:"last_status"`
	}
	read := func(token string) (list []conversation) {
		t.Helper()
		s.get("/api/v1/conversations", token).is(200).into(&list)
		return list
	}
	list := read(ann)
	if len(list) != 1 || !list[0].Unread || list[0].Accounts[0].Username != "bob" || list[0].LastStatus.ID != a.ID {
		t.Fatalf("conversations: %+v", list)
	}
	if len(read(eve)) != 0 {
		t.Error("eve reads others' conversations")
	}
	s.call("POST", "/api/v1/conversations/"+list[0].ID+"/read", bob, nil).is(404)
	var one conversation
	s.call("POST", "/api/v1/conversations/"+list[0].ID+"/read", ann, nil).is(200).into(&one)
	if one.Unread {
		t.Error("still unread")
	}
	same(t, "direct", s.list("/api/v1/timelines/direct", ann), []string{a.ID})
	s.call("DELETE", "/api/v1/conversations/"+list[0].ID, ann, nil).is(200)
	if len(read(ann)) != 0 || len(read(bob)) != 1 {
		t.Error("conversations after one was deleted")
	}
}
