package photos_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/account"
)

// join signs up through the page.
func (s *site) join(name string) *browser {
	s.t.Helper()
	b := &browser{site: s}
	b.submit("/signup", url.Values{"username": {name}, "password": {password}}).is(303)
	return b
}

// has checks that a page shows all texts.
func (b *browser) has(path string, texts ...string) string {
	b.t.Helper()
	r := b.see(path).is(200)
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			b.t.Errorf("%s has no %q", path, text)
		}
	}
	return r.body
}

// TestWithoutScript: everything that people do works with plain forms, and shows
// where they and others look for it.
func TestWithoutScript(t *testing.T) {
	s := open(t, `chat_url = "https://chat.example.org/"`)
	ann, bob := s.join("ann"), s.join("bob")
	to := ann.share(t)
	id := to[strings.LastIndex(to, "/")+1:]
	do := func(b *browser, action string, form ...string) {
		t.Helper()
		b.submit("/do/"+action, with(url.Values{"back": {"/explore"}}, form...)).is(303)
	}
	bob.has("/", "Suggested for you", "Welcome")
	do(bob, "follow", "id", s.id("ann"))
	bob.has("/@ann", "Following", "<b data-followers>1</b> follower", `href="https://chat.example.org/#@ann"`)
	bob.has("/", to)
	do(bob, "like", "id", id)
	do(bob, "save", "id", id)
	bob.has(to, "/do/unlike", "/do/unsave", "<b data-likes>1</b>")
	bob.has("/likes", to)
	bob.has("/bookmarks", to)
	bob.has(to+"/likes", "@bob")
	do(bob, "comment", "in_reply_to_id", id, "status", "so <blue>")
	ann.has(to, "so &lt;blue&gt;")
	ann.has("/", "View 1 comment")
	note := ann.has("/notifications", "liked your", "commented", "started following you", `class="notice new"`)
	last := regexp.MustCompile(`data-read><input type="hidden" name="id" value="(\d+)"`).FindStringSubmatch(note)
	if last == nil {
		t.Fatal("notifications cannot be marked as read")
	}
	do(ann, "read", "id", last[1])
	if strings.Contains(ann.has("/notifications"), `class="notice new"`) {
		t.Error("what was read is new")
	}
	bob.has("/search?q=sea", to)
	bob.has("/search?q=%40ann", "/do/unfollow")
	do(ann, "new-album", "title", "Blue things", "status_ids[]", id)
	album := regexp.MustCompile(`/@ann/albums/\d+`).FindString(bob.has("/@ann/albums", "Blue things"))
	bob.has(album, to, "Blue things")
	do(bob, "report", "account_id", s.id("ann"), "status_ids[]", id, "category", "spam", "comment", "hm")
	do(bob, "mute", "id", s.id("ann"))
}

// TestSettingsPage: the profile, the picture, the password and devices.
func TestSettingsPage(t *testing.T) {
	s := open(t, "")
	ann := s.join("ann")
	other := &browser{site: s}
	other.submit("/login", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	ann.submit("/settings", url.Values{"display_name": {"Ann & Co"}, "note": {"hello"}, "privacy": {"private"}, "locked": {"true"}}).is(303)
	ann.has("/settings", "Ann &amp; Co", "hello", `<option value="private" selected>`, `name="locked" value="true" checked`)
	ann.has("/upload", `<option value="private" selected>`)
	ann.submit("/settings", url.Values{"privacy": {"direct"}}).is(422)
	typ, body := multipartOf(t, "file", [][]byte{pngOf(500, 400)})
	ann.send(http.MethodPost, "/settings/avatar", body, "Content-Type", typ, "Origin", s.URL, "Cookie", ann.cookie).is(303)
	if a := regexp.MustCompile(`/media/avatar/[^"]+`).FindString(ann.has("/settings")); a == "" {
		t.Error("no picture of oneself")
	} else {
		ann.see(a).is(200)
	}
	ann.has("/settings/devices", "This one", "Sign out all others")
	ann.submit("/do/password", url.Values{"old": {"wrong horse"}, "new": {"another horse"}}).is(422)
	ann.submit("/do/password", url.Values{"old": {password}, "new": {"another horse"}, "back": {"/settings/devices"}}).is(303)
	ann.has("/settings/devices", "This one")
	other.see("/settings").is(303) // signed out
	if r := ann.see("/export").is(200); !strings.HasPrefix(r.body, "PK") {
		t.Error("the export is no archive")
	}

	bob := s.join("bob")
	bob.submit("/do/follow", url.Values{"id": {s.id("ann")}}).is(303)
	bob.has("/@ann", "Requested")
	ann.has("/settings/people", "@bob", "/do/accept")
	ann.submit("/do/accept", url.Values{"id": {s.id("bob")}, "back": {"/settings/people"}}).is(303)
	bob.has("/@ann", "Following")
	ann.submit("/do/block", url.Values{"id": {s.id("bob")}, "back": {"/"}}).is(303)
	ann.has("/settings/people", "/do/unblock")
	ann.submit("/do/unblock", url.Values{"id": {s.id("bob")}, "back": {"//evil.example/"}}).is(303)
	if r := ann.submit("/do/mute", url.Values{"id": {s.id("bob")}, "back": {"//evil.example/"}}); r.Header.Get("Location") != "/" {
		t.Errorf("sent to %s", r.Header.Get("Location"))
	}
	ann.has("/settings/people", "/do/unmute")
}

// TestStoryPage: a story is shared and seen through the page.
func TestStoryPage(t *testing.T) {
	s := open(t, "")
	ann, bob := s.join("ann"), s.join("bob")
	typ, body := multipartOf(t, "file", [][]byte{small}, "caption", "look & see", "visibility", "public")
	r := ann.send(http.MethodPost, "/story", body, "Content-Type", typ, "Origin", s.URL, "Cookie", ann.cookie).is(303)
	ann.has(r.Header.Get("Location"), "look &amp; see", "Seen by 0", "/do/delete-story")
	bob.submit("/do/follow", url.Values{"id": {s.id("ann")}}).is(303)
	bob.has("/", `href="/stories/ann"`)
	page := bob.has("/stories/ann", "look &amp; see", "/do/seen")
	id := regexp.MustCompile(`data-seen><input type="hidden" name="id" value="(\d+)"`).FindStringSubmatch(page)
	bob.submit("/do/seen", url.Values{"id": {id[1]}, "back": {"/"}}).is(303)
	bob.has("/", `class="ring seen"`)
	ann.has("/stories/ann", "Seen by 1")
	(&browser{site: s}).see("/stories/ann").is(303)
	bob.submit("/do/delete-story", url.Values{"id": {id[1]}}).is(404)
	ann.submit("/do/delete-story", url.Values{"id": {id[1]}}).is(303)
	bob.see("/stories/ann").is(404)
}

// TestOperatorPage: for the role admin only.
func TestOperatorPage(t *testing.T) {
	s := open(t, "")
	ann, op := s.join("ann"), s.join("op")
	ann.submit("/do/report", url.Values{"account_id": {s.id("op")}, "comment": {"too strict"}}).is(303)
	ann.see("/operate").is(404)
	ann.submit("/do/suspend", url.Values{"id": {s.id("op")}}).is(403)
	u, err := s.people.UserByName(t.Context(), "op")
	if err == nil {
		err = s.people.SetRole(t.Context(), u.ID, account.RoleAdmin)
	}
	if err != nil {
		t.Fatal(err)
	}
	op.submit("/login", url.Values{"username": {"op"}, "password": {password}}).is(303)
	body := op.has("/operate", "too strict", "Open reports (1)", "free of", "Background work")
	id := regexp.MustCompile(`action="/do/resolve"[^>]*><input type="hidden" name="id" value="(\d+)"`).FindStringSubmatch(body)
	op.submit("/do/resolve", url.Values{"id": {id[1]}, "action": {"talked"}, "back": {"/operate"}}).is(303)
	op.has("/operate?resolved=1", "talked")
	op.submit("/do/suspend", url.Values{"id": {s.id("ann")}, "back": {"/operate"}}).is(303)
	ann.see("/settings").is(303)
}

// TestPagesHoldTogether: every page links only to pages and files that are there.
func TestPagesHoldTogether(t *testing.T) {
	s := open(t, "")
	ann := s.join("ann")
	ann.share(t)
	ann.submit("/do/new-album", url.Values{"title": {"x"}}).is(303)
	seen := map[string]bool{}
	queue := []string{"/"}
	for len(queue) > 0 && len(seen) < 80 {
		path := queue[0]
		queue = queue[1:]
		if path, _, _ = strings.Cut(path, "#"); path == "" || seen[path] {
			continue
		}
		seen[path] = true
		r := ann.see(path)
		if r.StatusCode != 200 {
			t.Errorf("%s: %s", path, r.Status)
			continue
		}
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			continue
		}
		if strings.Contains(r.body, " style=") || strings.Contains(r.body, "<script>") || strings.Contains(r.body, "ZgotmplZ") {
			t.Errorf("%s has what its policy forbids", path)
		}
		for _, m := range regexp.MustCompile(`(?:href|src)="(/[^"]*)"`).FindAllStringSubmatch(r.body, -1) {
			queue = append(queue, strings.ReplaceAll(m[1], "&amp;", "&"))
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d pages", len(seen))
	}
}
