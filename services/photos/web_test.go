package photos_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browser is a client with one cookie that says where its forms come from.
type browser struct {
	*site
	cookie string
}

// submit sends a form from a page of the service.
func (b *browser) submit(path string, form url.Values) reply {
	b.t.Helper()
	r := b.call(http.MethodPost, path, "", form, "Origin", b.URL, "Cookie", b.cookie)
	b.keep(r)
	return r
}

func (b *browser) keep(r reply) {
	for _, c := range r.Cookies() {
		b.cookie = c.Name + "=" + c.Value
	}
}

// see gets a page.
func (b *browser) see(path string) reply {
	b.t.Helper()
	return b.send(http.MethodGet, path, nil, "Cookie", b.cookie)
}

func TestPage(t *testing.T) {
	b := &browser{site: open(t, `title = "Holidays <1>"`)}
	r := b.see("/").is(200)
	for _, want := range []string{"Holidays &lt;1&gt;", "Nothing here yet", "/login", "/signup"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the empty page has no %q", want)
		}
	}
	csp := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(r.body, "style=") || strings.Contains(r.body, "onclick") {
		t.Errorf("CSP %q", csp)
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`).FindAllStringSubmatch(r.body, -1) {
		if a := b.get(m[1], "").is(200); !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s", m[1], a.Header.Get("Cache-Control"))
		}
	}
	b.see("/upload").is(303)
	b.submit("/signup", url.Values{"username": {"An n"}, "password": {password}}).is(422)
	r = b.submit("/signup", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	set := r.Header.Get("Set-Cookie")
	for _, want := range []string{"portico_photos_test=", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("cookie %q has no %s", set, want)
		}
	}
	r = b.see("/").is(200)
	if !strings.Contains(r.body, `href="/upload"`) || strings.Contains(r.body, "/login") {
		t.Error("the page does not know who is signed in")
	}
	to := b.share(t)
	r = b.see(to).is(200)
	for _, want := range []string{`alt="first &#34;one&#34;"`, `alt="second"`, "at the sea", "/do/delete", "data:image/png;base64,"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the post has no %s", want)
		}
	}
	for _, path := range []string{"/", "/explore"} {
		if r = b.see(path); !strings.Contains(r.body, to) {
			t.Errorf("%s has no link to the post", path)
		}
	}
	if r = b.see("/@ann").is(200); !strings.Contains(r.body, to) {
		t.Error("the profile has no link to the post")
	}
	b.see("/@nobody").is(404)
	b.see("/nothing/here/at/all").is(404)
	b.see("/?max_id=x").is(404)

}

// TestPageOfOthers: who is not the author cannot delete, and who signed out is
// signed out.
func TestPageOfOthers(t *testing.T) {
	b := &browser{site: open(t, "")}
	b.submit("/signup", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	to := b.share(t)
	other := &browser{site: b.site}
	other.submit("/signup", url.Values{"username": {"eve"}, "password": {password}}).is(303)
	this := url.Values{"id": {to[strings.LastIndex(to, "/")+1:]}, "back": {"/@ann"}}
	other.submit("/do/delete", this).is(404)
	b.see(to).is(200)
	if r := b.submit("/do/delete", this).is(303); r.Header.Get("Location") != "/@ann" {
		t.Errorf("after deleting: %s", r.Header.Get("Location"))
	}
	b.see(to).is(404)

	old := b.cookie
	b.submit("/logout", nil).is(303)
	b.cookie = old
	if r := b.see("/"); !strings.Contains(r.body, "/login") {
		t.Error("the session outlived signing out")
	}
	b.submit("/login", url.Values{"username": {"ann"}, "password": {"wrong horse"}}).is(422)
	b.submit("/login", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	b.see("/upload").is(200)
}

// share uploads two pictures with the form and returns where the post is.
func (b *browser) share(t *testing.T) string {
	t.Helper()
	typ, body := multipartOf(t, "file", [][]byte{small, pngOf(50, 50)}, "status", "at the sea",
		"description[0]", `first "one"`, "description[1]", "second", "visibility", "public", "key", "k")
	r := b.send(http.MethodPost, "/upload", body, "Content-Type", typ, "Origin", b.URL, "Cookie", b.cookie).is(303)
	return r.Header.Get("Location")
}

// TestForeignForms: another site cannot make a browser write here.
func TestForeignForms(t *testing.T) {
	b := &browser{site: open(t, "text_posts = true")}
	b.submit("/signup", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	form := url.Values{"status": {"words"}}
	for name, headers := range map[string][]string{
		"another origin": {"Origin", "https://evil.example"},
		"another port":   {"Origin", "http://127.0.0.1:1"},
		"null":           {"Origin", "null"},
		"nothing":        {},
		"fetch metadata": {"Sec-Fetch-Site", "cross-site"},
		"same site":      {"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"},
	} {
		for _, path := range []string{"/upload", "/login", "/signup", "/logout", "/do/follow", "/settings"} {
			if r := b.call("POST", path, "", form, append(headers, "Cookie", b.cookie)...); r.StatusCode != 403 {
				t.Errorf("%s to %s: %s", name, path, r.Status)
			}
		}
	}
	b.call("POST", "/upload", "", form, "Sec-Fetch-Site", "same-origin", "Cookie", b.cookie).is(303)
}

// TestFormMistakes: what is wrong stands in the form again.
func TestFormMistakes(t *testing.T) {
	b := &browser{site: open(t, "")}
	b.submit("/signup", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	r := b.submit("/upload", url.Values{"status": {"words"}}).is(422)
	if !strings.Contains(r.body, "needs a picture") || !strings.Contains(r.body, `role="alert"`) {
		t.Error("the form does not say what is wrong")
	}
	many := make([][]byte, 11)
	for i := range many {
		many[i] = small
	}
	typ, body := multipartOf(t, "file", many)
	b.send(http.MethodPost, "/upload", body, "Content-Type", typ, "Origin", b.URL, "Cookie", b.cookie).is(422)
	typ, body = multipartOf(t, "file", [][]byte{[]byte("no picture")})
	b.send(http.MethodPost, "/upload", body, "Content-Type", typ, "Origin", b.URL, "Cookie", b.cookie).is(422)
	if r := b.submit("/signup", url.Values{"username": {"ann"}, "password": {password}}).is(422); !strings.Contains(r.body, "taken") {
		t.Error("the form does not say that the name is taken")
	}
}

// TestPrivateOnThePage: the author sees a private post with its picture, others
// see nothing of it.
func TestPrivateOnThePage(t *testing.T) {
	b := &browser{site: open(t, `public_url = "https://photos.example.org"`)}
	typ, body := multipartOf(t, "file", [][]byte{small}, "visibility", "private")
	b.submit("/signup", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	if !strings.Contains(b.submit("/logout", nil).Header.Get("Set-Cookie"), "Secure") {
		t.Error("the cookie of a page behind https is not Secure")
	}
	b.submit("/login", url.Values{"username": {"ann"}, "password": {password}}).is(303)
	to := b.send(http.MethodPost, "/upload", body, "Content-Type", typ, "Origin", "https://photos.example.org", "Cookie", b.cookie).is(303).Header.Get("Location")
	src := regexp.MustCompile(`<img class="shot" src="(/media/[^"]+)"`).FindStringSubmatch(b.see(to).is(200).body)
	if src == nil {
		t.Fatal("the page has no picture, or not with a URL of its own")
	}
	picture := strings.ReplaceAll(src[1], "&amp;", "&")
	b.see(picture).is(200)
	if !strings.Contains(b.see("/@ann").is(200).body, to) {
		t.Error("the author's own page has no private post")
	}
	b.get(to, "").is(404)
	if strings.Contains(b.get("/@ann", "").is(200).body, to) {
		t.Error("others see a private post")
	}
	b.submit("/logout", nil).is(303)
	b.get(picture, "").is(404)
}

// TestProfileCounts: a profile counts the posts of its grid that its viewer may
// see; comments are none of them, though apps are told of both together.
func TestProfileCounts(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.join("bob")
	p := s.post(ann, "public")
	s.post(ann, "private")
	s.comment(ann, p.ID, "the first of many")
	bob.has("/@ann", "<li><b>1</b> post</li>")
	bob.has("/@ann/albums", "<li><b>1</b> post</li>")
	s.follow(s.again("bob"), s.id("ann"))
	bob.has("/@ann", "<li><b>2</b> posts</li>")
	var a struct {
		Count int64 `json:"statuses_count"`
	}
	s.get("/api/v1/accounts/"+s.id("ann"), ann).is(200).into(&a)
	if a.Count != 3 {
		t.Errorf("statuses_count is %d", a.Count)
	}
}
