package photos_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/account"
)

const own = "/api/portico/v1"

type story struct {
	ID         string
	Caption    string
	Visibility string
	Seen       bool
	Views      *int
	Media      media
	Account    struct{ Username string }
}

func (s *site) story(token string, form url.Values) (st story) {
	s.t.Helper()
	form.Set("media_id", s.picture(token, small).ID)
	s.call("POST", own+"/stories", token, form).is(200).into(&st)
	return st
}

// TestStories: who follows sees them, in the tray and their bytes; others see what
// is public where they look for it; when they end all is gone.
func TestStories(t *testing.T) {
	s := open(t, "")
	ann, bob, eve := s.signUp("ann"), s.signUp("bob"), s.signUp("eve")
	s.call("POST", "/api/v1/accounts/"+s.id("ann")+"/follow", bob, nil).is(200)
	hidden := s.story(ann, url.Values{"visibility": {"private"}, "caption": {"for friends"}})
	public := s.story(ann, url.Values{})
	if hidden.Visibility != "private" || public.Visibility != "public" || hidden.Views == nil {
		t.Errorf("made: %+v, %+v", hidden, public)
	}
	var tray []struct {
		Account struct{ Username string }
		Seen    bool
		Stories []story
	}
	s.get(own+"/stories", bob).is(200).into(&tray)
	if len(tray) != 1 || len(tray[0].Stories) != 2 || tray[0].Seen || tray[0].Stories[0].Caption != "for friends" || tray[0].Stories[0].Views != nil {
		t.Fatalf("bob's tray: %+v", tray)
	}
	s.get(tray[0].Stories[0].Media.URL, "").is(200) // signed for bob
	for _, st := range tray[0].Stories {
		s.call("POST", own+"/stories/"+st.ID+"/seen", bob, nil).is(200)
	}
	if s.get(own+"/stories", bob).is(200).into(&tray); !tray[0].Seen {
		t.Error("all was seen, and the tray does not know")
	}
	var views []struct{ Account struct{ Username string } }
	if s.get(own+"/stories/"+hidden.ID+"/viewers", ann).is(200).into(&views); len(views) != 1 || views[0].Account.Username != "bob" {
		t.Errorf("seen by %+v", views)
	}
	s.get(own+"/stories/"+hidden.ID+"/viewers", bob).is(404)

	s.get(own+"/stories", eve).is(200).into(&tray)
	if len(tray) != 0 {
		t.Errorf("eve's tray: %+v", tray)
	}
	var list []story
	if s.get(own+"/accounts/"+s.id("ann")+"/stories", eve).is(200).into(&list); len(list) != 1 || list[0].ID != public.ID {
		t.Errorf("eve sees %+v", list)
	}
	s.get(own+"/stories/"+hidden.ID, eve).is(404)
	s.get(own+"/stories/"+public.ID, "").is(401)
	plain, _, _ := strings.Cut(public.Media.URL, "?")
	s.get(plain, "").is(404) // not for the world
	s.call("POST", "/api/v1/accounts/"+s.id("eve")+"/block", ann, nil).is(200)
	s.get(own+"/stories/"+public.ID, eve).is(404)
	s.get(list[0].Media.URL, "").is(404)

	s.call("DELETE", own+"/stories/"+hidden.ID, bob, nil).is(404)
	s.call("DELETE", own+"/stories/"+hidden.ID, ann, nil).is(200)
	s.get(tray0(t, s, bob), "").is(200)
	s.call("DELETE", own+"/stories/"+public.ID, ann, nil).is(200)
	wait.Until(t, "their bytes are gone", func() bool { return s.blobs() == 0 })
	s.call("POST", own+"/stories", ann, url.Values{"visibility": {"direct"}}).is(422)
	s.call("POST", own+"/stories", ann, url.Values{"media_id": {"1"}}).is(422)
}

// tray0 is the URL of the first picture in somebody's tray.
func tray0(t *testing.T, s *site, token string) string {
	t.Helper()
	var tray []struct{ Stories []story }
	s.get(own+"/stories", token).is(200).into(&tray)
	if len(tray) == 0 {
		t.Fatal("the tray is empty")
	}
	return tray[0].Stories[0].Media.URL
}

func TestAlbums(t *testing.T) {
	s := open(t, "")
	ann, bob := s.signUp("ann"), s.signUp("bob")
	a, hidden, theirs := s.post(ann, "public"), s.post(ann, "private"), s.post(bob, "public")
	type album struct {
		ID, Title, Visibility string
		StatusIDs             []string `json:"status_ids"`
		Cover                 *media
	}
	var al album
	s.call("POST", own+"/albums", ann, url.Values{"title": {"Sea"}, "status_ids[]": {hidden.ID, a.ID}}).is(200).into(&al)
	if al.Title != "Sea" || strings.Join(al.StatusIDs, " ") != hidden.ID+" "+a.ID || al.Cover == nil {
		t.Errorf("made: %+v", al)
	}
	var seen album
	s.get(own+"/albums/"+al.ID, bob).is(200).into(&seen)
	if strings.Join(seen.StatusIDs, " ") != a.ID || seen.Cover.ID != a.Media[0].ID {
		t.Errorf("bob sees %+v", seen)
	}
	var posts []status
	if s.get(own+"/albums/"+al.ID+"/statuses", "").is(200).into(&posts); len(posts) != 1 {
		t.Errorf("everybody sees %d posts", len(posts))
	}
	s.call("PUT", own+"/albums/"+al.ID, ann, url.Values{"status_ids[]": {a.ID, hidden.ID}, "visibility": {"private"}}).is(200).into(&al)
	if strings.Join(al.StatusIDs, " ") != a.ID+" "+hidden.ID || al.Visibility != "private" || al.Title != "Sea" {
		t.Errorf("changed: %+v", al)
	}
	s.get(own+"/albums/"+al.ID, bob).is(404)
	s.call("PUT", own+"/albums/"+al.ID, bob, url.Values{"title": {"x"}}).is(404)
	s.call("PUT", own+"/albums/"+al.ID, ann, url.Values{"status_ids[]": {theirs.ID}}).is(422)
	s.call("POST", own+"/albums", ann, url.Values{"title": {" "}}).is(422)
	var list []album
	if s.get(own+"/albums", ann).is(200).into(&list); len(list) != 1 {
		t.Errorf("ann has %d albums", len(list))
	}
	if s.get(own+"/albums?account_id="+s.id("ann"), bob).is(200).into(&list); len(list) != 0 {
		t.Errorf("bob sees %d albums", len(list))
	}
	s.call("DELETE", own+"/albums/"+al.ID, bob, nil).is(404)
	s.call("DELETE", own+"/albums/"+al.ID, ann, nil).is(200)
	s.get(own+"/albums/"+al.ID, ann).is(404)
	s.get("/api/v1/statuses/"+a.ID, "").is(200)
}

// TestExport: the archive has every post, also those nobody else sees, and the
// originals.
func TestExport(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	for range 3 {
		s.post(ann, "public")
	}
	hidden := s.post(ann, "private")
	s.post(s.signUp("bob"), "public")
	r := s.get(own+"/export", ann).is(200)
	z, err := zip.NewReader(strings.NewReader(r.body), int64(len(r.body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name], err = io.ReadAll(in)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	var posts []struct {
		ID, Text string
		Files    []string
	}
	if err := json.Unmarshal(files["posts.json"], &posts); err != nil {
		t.Fatal(err)
	}
	if len(posts) != 4 || posts[0].ID != hidden.ID || posts[0].Text != "look" || len(files) != 4+3 {
		t.Errorf("%d posts, %d files, the first %+v", len(posts), len(files), posts[0])
	}
	original := s.get(hidden.Media[0].URL, "").is(200)
	if !bytes.Equal(files[posts[0].Files[0]], []byte(original.body)) {
		t.Error("the original is not in the archive")
	}
	empty := s.get(own+"/export", s.signUp("eve")).is(200)
	if z, err = zip.NewReader(strings.NewReader(empty.body), int64(len(empty.body))); err != nil || len(z.File) != 3 {
		t.Errorf("of somebody without posts: %v", err)
	}
}

// TestReports: somebody complains, an operator looks, suspends, removes and
// resolves. Nobody else may.
func TestReports(t *testing.T) {
	s := open(t, "")
	ann, eve := s.signUp("ann"), s.signUp("eve")
	s.signUp("op")
	p := s.post(eve, "public")
	id := s.id("eve")
	var rep struct {
		ID            string
		Category      string
		ActionTaken   bool     `json:"action_taken"`
		StatusIDs     []string `json:"status_ids"`
		TargetAccount struct{ Username string }
	}
	s.call("POST", "/api/v1/reports", ann, url.Values{"account_id": {id}, "status_ids[]": {p.ID}, "comment": {"buy!"}, "category": {"spam"}}).is(200).into(&rep)
	if rep.Category != "spam" || len(rep.StatusIDs) != 1 || rep.ActionTaken {
		t.Errorf("reported: %+v", rep)
	}
	s.call("POST", "/api/v1/reports", ann, nil).is(422)
	s.call("POST", "/api/v1/reports", eve, url.Values{"account_id": {id}}).is(422)
	s.call("POST", "/api/v1/reports", ann, url.Values{"account_id": {s.id("op")}, "status_ids[]": {p.ID}}).is(404)
	s.get(own+"/admin/reports", ann).is(403)
	s.get(own+"/admin/storage", ann).is(403)
	s.call("POST", own+"/admin/accounts/"+id+"/suspend", ann, nil).is(403)

	u, err := s.people.UserByName(t.Context(), "op")
	if err == nil {
		err = s.people.SetRole(t.Context(), u.ID, account.RoleAdmin)
	}
	if err != nil {
		t.Fatal(err)
	}
	op := s.again("op")
	var list []struct {
		ID       string
		Comment  string
		Statuses []status
		Account  struct{ Username string }
	}
	s.get(own+"/admin/reports", op).is(200).into(&list)
	if len(list) != 1 || list[0].Comment != "buy!" || list[0].Account.Username != "ann" || len(list[0].Statuses) != 1 {
		t.Fatalf("queue: %+v", list)
	}
	s.call("POST", own+"/admin/accounts/"+id+"/suspend", op, nil).is(200)
	s.get("/api/v1/statuses/"+p.ID, "").is(404)
	s.get("/api/v1/timelines/home", eve).is(403)
	s.get(own+"/admin/reports/"+rep.ID, op).is(200) // the evidence stays
	s.call("POST", own+"/admin/accounts/"+id+"/unsuspend", op, nil).is(200)
	s.get("/api/v1/statuses/"+p.ID, "").is(200)
	s.call("POST", own+"/admin/statuses/"+p.ID+"/remove", op, nil).is(200)
	s.get("/api/v1/statuses/"+p.ID, eve).is(404)
	s.call("POST", own+"/admin/reports/"+rep.ID+"/resolve", op, url.Values{"action": {"removed"}}).is(200)
	if s.get(own+"/admin/reports", op).is(200).into(&list); len(list) != 0 {
		t.Errorf("open: %+v", list)
	}
	if s.get(own+"/admin/reports?resolved=true", op).is(200).into(&list); len(list) != 1 {
		t.Errorf("resolved: %+v", list)
	}
	var st struct {
		Pictures int64
		Free     *int64 `json:"disk_free_bytes"`
		Jobs     []struct{ Kind string }
	}
	if s.get(own+"/admin/storage", op).is(200).into(&st); st.Free == nil || len(st.Jobs) != 3 {
		t.Errorf("storage: %+v", st)
	}
}

// again is a new token of somebody who signed up.
func (s *site) again(name string) string {
	s.t.Helper()
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	app := s.app("read write follow admin:read admin:write")
	s.call("POST", "/oauth/token", "", with(app, "grant_type", "password", "username", name, "password", password, "scope", "read write follow admin:read admin:write")).is(200).into(&tok)
	return tok.AccessToken
}

// smooth is a JPEG picture as photos are: without the single pixels of scene, which
// WebP does not make smaller.
func smooth(w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x*x + y*y) >> 10), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestWebP: a browser that says it reads WebP gets it where it is smaller, once
// it is made; others get what there is from the beginning.
func TestWebP(t *testing.T) {
	s := open(t, "")
	p := s.picture(s.signUp("ann"), smooth(900, 700))
	u := p.Sizes[1].URL
	if r := s.get(u, ""); r.Header.Get("Content-Type") != "image/jpeg" || !strings.Contains(r.Header.Get("Vary"), "Accept") {
		t.Errorf("at first: %v", r.Header)
	}
	var webp reply
	wait.Until(t, "there is WebP", func() bool {
		webp = s.send("GET", u, nil, "Accept", "image/webp,*/*;q=0.8").is(200)
		return webp.Header.Get("Content-Type") == "image/webp"
	})
	plain := s.send("GET", u, nil, "Accept", "image/webp;q=0, */*").is(200)
	if plain.Header.Get("Content-Type") != "image/jpeg" || len(webp.body) >= len(plain.body) || plain.Header.Get("ETag") == webp.Header.Get("ETag") {
		t.Errorf("%d bytes of WebP, %d of %s", len(webp.body), len(plain.body), plain.Header.Get("Content-Type"))
	}
	if r := s.send("GET", p.URL, nil, "Accept", "image/webp").is(200); r.Header.Get("Content-Type") != "image/jpeg" {
		t.Error("the original is another")
	}
}

// TestDeleteMedia: a picture that is in no post goes at once.
func TestDeleteMedia(t *testing.T) {
	s := open(t, "")
	ann := s.signUp("ann")
	m, p := s.picture(ann, small), s.post(ann, "public")
	s.call("DELETE", "/api/v1/media/"+m.ID, s.signUp("eve"), nil).is(404)
	s.call("DELETE", "/api/v1/media/"+p.Media[0].ID, ann, nil).is(422)
	s.call("DELETE", "/api/v1/media/"+m.ID, ann, nil).is(200)
	s.get("/api/v1/media/"+m.ID, ann).is(404)
	s.get(p.Media[0].URL, "").is(200)
}
