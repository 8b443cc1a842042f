package photos_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
)

// TestFromSignUpToTheBytes is the way of a client: app, token, account, upload,
// post, timeline, picture.
func TestFromSignUpToTheBytes(t *testing.T) {
	s := open(t, "")
	app := s.app("read write follow push")
	var tok struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		Scope       string
		CreatedAt   int64 `json:"created_at"`
	}
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "client_credentials", "scope", "read write")).is(200).into(&tok)
	if tok.TokenType != "Bearer" || tok.Scope != "read write" || tok.CreatedAt == 0 {
		t.Errorf("token: %+v", tok)
	}
	s.call("POST", "/api/v1/accounts", tok.AccessToken, url.Values{"username": {"Ann"}, "password": {password}}).is(200)
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "password", "username", "ann", "password", password, "scope", "read write")).is(200).into(&tok)
	var me struct {
		ID, Username, Acct, URL, Avatar, Header string
		DisplayName                             string `json:"display_name"`
		Source                                  struct{ Privacy string }
	}
	s.get("/api/v1/accounts/verify_credentials", tok.AccessToken).is(200).into(&me)
	if me.Username != "ann" || me.Acct != "ann" || me.DisplayName != "ann" || me.URL != s.URL+"/@ann" || me.Source.Privacy != "public" {
		t.Errorf("verify_credentials: %+v", me)
	}
	for _, u := range []string{me.Avatar, me.Header} {
		if r := s.get(u, "").is(200); r.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%s is %s", u, r.Header.Get("Content-Type"))
		}
	}

	m := s.picture(tok.AccessToken, tagged(jpegOf(1200, 900), 6), "description", "a  gradient ", "focus", "0.5,-0.25")
	if m.Type != "image" || *m.Description != "a  gradient" || len(m.Blurhash) < 6 || m.Meta.Focus.X != .5 || m.Meta.Focus.Y != -.25 {
		t.Errorf("media: %+v", m)
	}
	if o := m.Meta.Original; o.Width != 900 || o.Height != 1200 || o.Size != "900x1200" || o.Aspect != .75 {
		t.Errorf("original: %+v", o)
	}
	if sm := m.Meta.Small; sm.Width != 640 || sm.Height != 853 {
		t.Errorf("small: %+v", sm)
	}
	var p status
	s.call("POST", "/api/v1/statuses", tok.AccessToken, url.Values{"status": {"one < two\nhttps://example.org/a?b=1&c."}, "media_ids[]": {m.ID}}).is(200).into(&p)
	if want := `<p>one &lt; two<br /><a href="https://example.org/a?b=1&amp;c" target="_blank" rel="nofollow noopener noreferrer" translate="no">` +
		`<span class="invisible">https://</span><span class="">example.org/a?b=1&amp;c</span><span class="invisible"></span></a>.</p>`; p.Content != want {
		t.Errorf("content %s, want %s", p.Content, want)
	}
	if p.Application == nil || p.Application.Name != "camera" || p.Visibility != "public" || p.URL != s.URL+"/@ann/"+p.ID {
		t.Errorf("status: %+v", p)
	}

	var feed []status
	wait.Until(t, "the ladder is complete", func() bool {
		s.get("/api/v1/timelines/public", "").is(200).into(&feed)
		return len(feed[0].Media[0].Sizes) == 3
	})
	s.checkPicture(feed[0].Media[0])
}

// checkPicture fetches every file of a picture of 1200 x 900 that lies on its
// side.
func (s *site) checkPicture(m media) {
	s.t.Helper()
	original := s.get(m.URL, "").is(200)
	if strings.Contains(original.body, secretPlace) {
		s.t.Error("the original still has its metadata")
	}
	if cfg, _, err := image.DecodeConfig(strings.NewReader(original.body)); err != nil || cfg.Width != 1200 {
		s.t.Errorf("the original: %+v, %v", cfg, err)
	}
	if cc := original.Header.Get("Cache-Control"); cc != "public, max-age=31536000, immutable" {
		s.t.Errorf("Cache-Control of a public picture: %q", cc)
	}
	if original.Header.Get("X-Content-Type-Options") != "nosniff" || original.Header.Get("Content-Type") != "image/jpeg" {
		s.t.Errorf("headers: %v", original.Header)
	}
	s.send("GET", m.URL, nil, "If-None-Match", original.Header.Get("ETag")).is(304)
	if part := s.send("GET", m.URL, nil, "Range", "bytes=2-5").is(206); part.body != original.body[2:6] {
		s.t.Error("a range is wrong")
	}
	for i, want := range []image.Point{{320, 427}, {640, 853}, {900, 1200}} {
		size := m.Sizes[i]
		r := s.get(size.URL, "").is(200)
		img, _, err := image.Decode(strings.NewReader(r.body))
		if err != nil || img.Bounds().Size() != want || size.Width != want.X || size.Height != want.Y {
			s.t.Errorf("size %d: %+v, want %v, %v", i, size, want, err)
		}
	}
	if m.PreviewURL != m.Sizes[1].URL {
		s.t.Errorf("preview %s is not the 640 one", m.PreviewURL)
	}
}

// TestPost makes posts in the ways that clients do.
func TestPost(t *testing.T) {
	s := open(t, "text_posts = true")
	ann := s.signUp("ann")
	a, b := s.picture(ann, small), s.picture(ann, jpegOf(50, 20))
	var p status
	body := fmt.Sprintf(`{"status":"both","media_ids":[%s,"%s"],"sensitive":true,"spoiler_text":"eyes","visibility":"unlisted","poll":null,"in_reply_to_id":null}`, b.ID, a.ID)
	s.send("POST", "/api/v1/statuses/", strings.NewReader(body), "Authorization", "Bearer "+ann, "Content-Type", "application/json").is(200).into(&p)
	if len(p.Media) != 2 || p.Media[0].ID != b.ID || p.Media[1].ID != a.ID {
		t.Errorf("pictures are not in the order that was asked for: %+v", p.Media)
	}
	if !p.Sensitive || p.SpoilerText != "eyes" || p.Visibility != "unlisted" {
		t.Errorf("status: %+v", p)
	}
	typ, parts := multipartOf(t, "file", nil, "status", "words only")
	s.send("POST", "/api/v1/statuses", parts, "Authorization", "Bearer "+ann, "Content-Type", typ).is(200).into(&p)
	if p.Content != "<p>words only</p>" || len(p.Media) != 0 {
		t.Errorf("status: %+v", p)
	}
	ids := url.Values{"media_ids[]": strings.Fields(strings.Repeat("1 ", 11))}
	for name, form := range map[string]url.Values{
		"nothing": {}, "too many": ids, "used": {"media_ids[]": {a.ID}}, "unknown": {"media_ids[]": {"12"}}, "no id": {"media_ids[]": {"x"}},
		"visibility": {"status": {"x"}, "visibility": {"friends"}}, "long": {"status": {strings.Repeat("ä", 2201)}},
		"blank": {"status": {" \n"}}, "later": {"status": {"x"}, "scheduled_at": {"2030-01-01T00:00:00Z"}}, "language": {"status": {"x"}, "language": {"<b>"}},
		"poll": {"status": {"x"}, "poll[options][]": {"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.call("POST", "/api/v1/statuses", ann, form).is(422)
		})
	}
	bob := s.signUp("bob")
	c := s.picture(ann, small)
	s.call("POST", "/api/v1/statuses", bob, url.Values{"media_ids[]": {c.ID}}).is(422)
	s.call("PUT", "/api/v1/media/"+c.ID, bob, url.Values{"description": {"mine"}}).is(404)
	s.get("/api/v1/media/"+c.ID, bob).is(404)
	var m media
	s.call("PUT", "/api/v1/media/"+c.ID, ann, url.Values{"description": {"new"}}).is(200).into(&m)
	s.get("/api/v1/media/"+c.ID, ann).is(200).into(&m)
	if *m.Description != "new" {
		t.Errorf("description %q", *m.Description)
	}
}

func TestPicturesAreWanted(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	s.call("POST", "/api/v1/statuses", ann, url.Values{"status": {"words only"}}).is(422)
}

// TestOnce: requests with one key at a time make one post.
func TestOnce(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	m := s.picture(ann, small)
	ids := make(chan string)
	for range 8 {
		go func() {
			req, _ := http.NewRequest("POST", s.URL+"/api/v1/statuses", strings.NewReader(url.Values{"status": {"once"}, "media_ids[]": {m.ID}}.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Authorization", "Bearer "+ann)
			req.Header.Set("Idempotency-Key", "k1")
			res, err := s.Client.Do(req)
			if err != nil {
				ids <- err.Error()
				return
			}
			defer res.Body.Close()
			var p status
			if err := json.NewDecoder(res.Body).Decode(&p); err != nil || res.StatusCode != 200 {
				ids <- res.Status
				return
			}
			ids <- p.ID
		}()
	}
	first := <-ids
	for range 7 {
		if id := <-ids; id != first {
			t.Errorf("got %s and %s", first, id)
		}
	}
	var feed []status
	s.get("/api/v1/timelines/home", ann).is(200).into(&feed)
	if len(feed) != 1 {
		t.Errorf("%d posts", len(feed))
	}
}

// TestDelete: the bytes go with the post where the client says so, unless
// something else needs them; else its author can post the pictures again.
func TestDelete(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	gone, stays := s.post(ann, "public"), s.post(bob, "public") // the same bytes
	s.call("DELETE", "/api/v1/statuses/"+gone.ID, bob, nil).is(404)
	var p status
	s.call("DELETE", "/api/v1/statuses/"+gone.ID+"?delete_media=true", ann, nil).is(200).into(&p)
	if p.ID != gone.ID || p.Text == nil || *p.Text != "look" {
		t.Errorf("DELETE answers %+v", p)
	}
	s.get("/api/v1/statuses/"+gone.ID, ann).is(404)
	s.get(gone.Media[0].URL, "").is(404)
	s.get(stays.Media[0].URL, "").is(200)
	if n := s.blobs(); n == 0 {
		t.Error("bytes that are needed are gone")
	}
	s.call("DELETE", "/api/v1/statuses/"+stays.ID+"?delete_media=true", bob, nil).is(200)
	// A WebP that was made meanwhile goes as soon as its maker sees it.
	wait.Until(t, "no blob stays behind", func() bool { return s.blobs() == 0 })

	again := s.post(ann, "public")
	s.call("DELETE", "/api/v1/statuses/"+again.ID, ann, nil).is(200).into(&p)
	s.get(again.Media[0].URL, "").is(404)
	s.call("POST", "/api/v1/statuses", ann, url.Values{"media_ids[]": {p.Media[0].ID}}).is(200)
	s.get(again.Media[0].URL, "").is(200)
}

// blobs counts the files that are stored.
func (s *site) blobs() int {
	s.t.Helper()
	return len(s.blobFiles())
}

// pictures is blobs without WebP and AVIF, which come when there is time for them.
func (s *site) pictures() (n int) {
	s.t.Helper()
	for _, name := range s.blobFiles() {
		f, err := os.Open(name)
		if err != nil {
			continue // deleted meanwhile
		}
		head := make([]byte, 12)
		_, _ = io.ReadFull(f, head)
		f.Close()
		if string(head[:4]) != "RIFF" && string(head[4:]) != "ftypavif" {
			n++
		}
	}
	return n
}

// blobFiles are the files in the blob store.
func (s *site) blobFiles() (names []string) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.env.Dir, "blobs"), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && d.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

func TestBadUploads(t *testing.T) {
	s := open(t, `
		max_upload = "64KiB"
		quota      = "20KiB"`)
	ann := s.signUp("ann")
	photo := jpegOf(300, 200)
	bomb := append([]byte(nil), small...)
	copy(bomb[16:], []byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff}) // 65535 x 65535 pixels, by its header
	cases := map[string]struct {
		file   []byte
		status int
	}{
		"too large":     {append(jpegOf(300, 200), make([]byte, 64<<10)...), 413},
		"far too large": {make([]byte, 3<<20), 413},
		"cut off":       {photo[:len(photo)/2], 422},
		"damaged":       {append(append([]byte(nil), small[:60]...), make([]byte, 100)...), 422},
		"not a picture": {[]byte("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"), 422},
		"empty":         {nil, 422},
		"a bomb":        {bomb, 422},
		"over quota":    {jpegOf(900, 900), 422},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var e struct{ Error string }
			s.upload(ann, c.file).is(c.status).into(&e)
			if e.Error == "" {
				t.Error("no text")
			}
		})
	}
	if n := s.blobs(); n != 0 {
		t.Errorf("%d blobs stay behind", n)
	}
	typ, body := multipartOf(t, "picture", [][]byte{small})
	s.send("POST", "/api/v2/media", body, "Content-Type", typ, "Authorization", "Bearer "+ann).is(422)
	typ, body = multipartOf(t, "file", [][]byte{small})
	whole, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	s.send("POST", "/api/v1/media", bytes.NewReader(whole), "Content-Type", typ).is(401)
	s.send("POST", "/api/v1/media", bytes.NewReader(whole[:len(whole)/2]), "Content-Type", typ, "Authorization", "Bearer "+ann).is(400)
	s.upload(ann, small, "focus", "2,0").is(422)
	s.upload(ann, small, "description", strings.Repeat("x", 1501)).is(422)
	s.upload(ann, small).is(200)
}

// page gets a list and returns its ids and where the list goes on.
func (s *site) page(url string) (ids []string, next, prev string) {
	s.t.Helper()
	r := s.get(url, "").is(200)
	var list []status
	r.into(&list)
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	for l := range strings.SplitSeq(r.Header.Get("Link"), ", ") {
		u, rel, _ := strings.Cut(l, ">; rel=")
		switch rel {
		case `"next"`:
			next = u[1:]
		case `"prev"`:
			prev = u[1:]
		}
	}
	return ids, next, prev
}

func TestPaging(t *testing.T) {
	s := open(t, "text_posts = true")
	ann := s.signUp("ann")
	var ids []string // newest first
	for i := range 7 {
		var p status
		s.call("POST", "/api/v1/statuses", ann, url.Values{"status": {fmt.Sprint(i)}}).is(200).into(&p)
		ids = append([]string{p.ID}, ids...)
	}
	same := func(got, want []string) {
		t.Helper()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	got, _, _ := s.page("/api/v1/timelines/public?limit=3&local=true&min_id=1&max_id=" + ids[0])
	same(got, ids[4:7]) // min_id: the oldest ones above it
	got, next, _ := s.page("/api/v1/timelines/public?limit=3&local=true")
	same(got, ids[:3])
	if !strings.HasPrefix(next, s.URL+"/api/v1/timelines/public?") || !strings.Contains(next, "local=true") || !strings.Contains(next, "limit=3") {
		t.Errorf("next is %s", next)
	}
	got, next, _ = s.page(next)
	same(got, ids[3:6])
	got, after, none := s.page(next)
	same(got, ids[6:])
	if after != "" || none != "" {
		t.Error("a page that is not full has a Link")
	}
	_, next, _ = s.page("/api/v1/timelines/public?limit=3")
	_, _, prev := s.page(next)
	got, _, _ = s.page(prev)
	same(got, ids[:3])
	got, _, _ = s.page("/api/v1/timelines/public?since_id=" + ids[2])
	same(got, ids[:2])
	got, _, _ = s.page("/api/v1/timelines/public?limit=100000")
	same(got, ids)
	s.get("/api/v1/timelines/public?max_id=x", "").is(400)
	for i := 1; i < len(ids); i++ {
		if len(ids[i]) != len(ids[i-1]) || ids[i] >= ids[i-1] {
			t.Errorf("ids do not grow: %v", ids)
		}
	}
}
