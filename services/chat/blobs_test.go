package chat_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/chat/store"
)

// jpegWithPlace is a picture whose metadata says where it was taken.
func jpegWithPlace(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 30)), nil); err != nil {
		t.Fatal(err)
	}
	exif := append([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "GPSHERE"...)
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte((len(exif) + 2) >> 8), byte(len(exif) + 2)}, exif...)
	return append(head, b.Bytes()[2:]...)
}

func (p *person) upload(name string, data []byte) (att attachment) {
	p.w.t.Helper()
	p.call("POST", "/v1/blobs?name="+name, string(data), 201, &att)
	return att
}

func (p *person) get(url string) (*http.Response, string) {
	p.w.t.Helper()
	req, err := http.NewRequestWithContext(p.w.t.Context(), "GET", p.w.http.URL+url, nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.w.http.Client.Do(req)
	if err != nil {
		p.w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return res, string(body)
}

// files is how many files hold attachments.
func (w *world) files() (n int) {
	_ = filepath.WalkDir(filepath.Join(w.dir, "blobs"), func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return nil
	})
	return n
}

func TestAttachments(t *testing.T) {
	w := start(t, nil)
	a, b, eve, nobody := w.join("alice"), w.join("bob"), w.join("eve"), &person{w: w}
	id := a.with("bob")
	data := jpegWithPlace(t)
	pic := a.upload("dir/holi%20day.jpg", data)
	if pic.Type != "image/jpeg" || pic.Width != 40 || pic.Height != 30 || pic.Name != "holi day.jpg" || len(pic.SHA256) != 64 || pic.Size == 0 {
		t.Errorf("%+v", pic)
	}
	again := b.upload("same.jpg", data)
	if again.ID == pic.ID || again.SHA256 != pic.SHA256 || w.files() != 1 {
		t.Errorf("%+v, %d files", again, w.files())
	}
	res, body := a.get("/v1/blobs/" + pic.ID)
	if res.StatusCode != 200 || strings.Contains(body, "GPSHERE") || int64(len(body)) != pic.Size {
		t.Errorf("%s, %d bytes of %d", res.Status, len(body), pic.Size)
	}
	h := res.Header
	if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox") ||
		!strings.HasPrefix(h.Get("Content-Disposition"), `inline; filename="holi day.jpg"`) {
		t.Errorf("%v", h)
	}
	if res, _ := b.get("/v1/blobs/" + pic.ID); res.StatusCode != 404 {
		t.Errorf("bob gets it before it was sent: %s", res.Status)
	}
	b.call("POST", "/v1/conversations/"+b.with("bob")+"/messages", fmt.Sprintf(`{"cid":"x","attachments":[%q]}`, pic.ID), 404, nil)

	sa, sb := a.connect(), b.connect()
	a.call("POST", "/v1/conversations/"+id+"/messages", fmt.Sprintf(`{"cid":"1","attachments":[%q]}`, pic.ID), 201, nil)
	got := sb.next("message", isMessage).Ev.Attachments
	own := sa.next("message", isMessage).Ev.Attachments
	if len(got) != 1 || got[0].ID != pic.ID || got[0].Width != 40 || got[0].URL == own[0].URL {
		t.Fatalf("%+v and %+v", got, own)
	}
	if res, _ := nobody.get(got[0].URL); res.StatusCode != 200 {
		t.Errorf("the signed address: %s", res.Status)
	}
	for name, url := range map[string]string{
		"changed": strings.Replace(got[0].URL, "until=1", "until=2", 1), "other": strings.Replace(got[0].URL, pic.ID, again.ID, 1), "unsigned": "/v1/blobs/" + pic.ID,
	} {
		if res, _ := nobody.get(url); res.StatusCode != 401 {
			t.Errorf("%s address: %s", name, res.Status)
		}
	}
	if res, _ := eve.get("/v1/blobs/" + pic.ID); res.StatusCode != 404 {
		t.Errorf("eve: %s", res.Status)
	}
	// Forwarded, it outlives the message that it came with.
	notes := b.with("bob")
	b.call("POST", "/v1/conversations/"+notes+"/messages", fmt.Sprintf(`{"cid":"1","text":"see","attachments":[%q]}`, pic.ID), 201, nil)
	a.call("DELETE", "/v1/conversations/"+id+"/messages/1", "", 204, nil)
	if res, _ := nobody.get(got[0].URL); res.StatusCode != 200 {
		t.Errorf("bob's own copy: %s", res.Status)
	}
	b.call("DELETE", "/v1/conversations/"+notes+"/messages/1", "", 204, nil)
	if res, _ := nobody.get(got[0].URL); res.StatusCode != 404 {
		t.Errorf("an address of what is gone: %s", res.Status)
	}
	if w.files() != 1 {
		t.Error("the file went though bob's upload has it")
	}
	if err := w.chat.Collect(t.Context()); err != nil {
		t.Error(err)
	}
	wait.Until(t, "the file is gone", func() bool { return w.files() == 0 }) // the worker may have it in hand
}

func TestLastReferenceRemovesTheFile(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	id := a.with("alice")
	doc := a.upload("note.txt", []byte("just words"))
	a.call("POST", "/v1/conversations/"+id+"/messages", fmt.Sprintf(`{"cid":"1","attachments":[%q]}`, doc.ID), 201, nil)
	if err := w.chat.Collect(t.Context()); err != nil || w.files() != 1 {
		t.Errorf("collected what is in a message: %v", err)
	}
	w.reopen()
	if res, body := a.get("/v1/blobs/" + doc.ID); body != "just words" || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%s %q", res.Status, body)
	}
	a.call("DELETE", "/v1/conversations/"+id+"/messages/1", "", 204, nil)
	wait.Until(t, "the file is gone", func() bool { return w.files() == 0 })
}

// Who removes the last reference just after the worker found another one leaves
// no bytes behind.
func TestReferenceThatGoesBesideTheLook(t *testing.T) {
	w := &world{t: t, accounts: directory(t), dir: filepath.Join(t.TempDir(), "chat"), cfg: chat.Type{}.Default()}
	looks := atomic.Int64{}
	w.node = func(kind chat.Type) chat.Type {
		return kind.AfterHolds(func(s store.Store) {
			if looks.Add(1) == 1 {
				if _, err := s.Collect(t.Context(), time.Now().Add(time.Minute)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	w.open()
	t.Cleanup(w.close)
	a := w.join("alice")
	id, one := a.with("alice"), a.upload("one.txt", []byte("the same"))
	a.call("POST", "/v1/conversations/"+id+"/messages", fmt.Sprintf(`{"cid":"1","attachments":[%q]}`, one.ID), 201, nil)
	a.upload("two.txt", []byte("the same"))
	a.call("DELETE", "/v1/conversations/"+id+"/messages/1", "", 204, nil)
	wait.Until(t, "the file is gone", func() bool { return w.files() == 0 })
	if looks.Load() != 2 {
		t.Errorf("%d looks", looks.Load())
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	w := start(t, func(c *chat.Config) { c.MaxAttachment, c.Quota = 1000, 1500 })
	a := w.join("alice")
	a.call("POST", "/v1/blobs", "", 400, nil)
	a.call("POST", "/v1/blobs", strings.Repeat("x", 1001), 413, nil)
	a.call("POST", "/v1/blobs", strings.Repeat("x", 200<<10), 413, nil)
	a.call("POST", "/v1/blobs", "\xff\xd8\xff\xe0broken picture", 400, nil)
	a.call("POST", "/v1/blobs", strings.Repeat("x", 1000), 201, nil)
	if status, body := a.do("POST", "/v1/blobs", strings.Repeat("y", 1000)); status != 507 || !strings.Contains(body, "no_space") {
		t.Errorf("beyond the quota: %d %s", status, body)
	}
	html := a.upload("page.html", []byte("<!doctype html><script>alert(1)</script>"))
	svg := a.upload("x.svg", []byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`))
	for _, att := range []attachment{html, svg} {
		if res, _ := a.get("/v1/blobs/" + att.ID); !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") || att.Type != "application/octet-stream" {
			t.Errorf("%+v", att)
		}
	}
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	part, _ := m.CreateFormFile("file", "../../etc/passwd")
	_, _ = part.Write([]byte("in a form"))
	_ = m.Close()
	req, _ := http.NewRequest("POST", w.http.URL+"/v1/blobs", &form)
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", m.FormDataContentType())
	res, err := w.http.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.Body.Close(); res.StatusCode != 201 || !strings.Contains(string(body), `"name":"passwd"`) {
		t.Errorf("%s %s", res.Status, body)
	}
	ids := strings.Repeat(fmt.Sprintf("%q,", html.ID), 11)
	a.call("POST", "/v1/conversations/"+a.with("alice")+"/messages", `{"cid":"1","attachments":[`+ids[:len(ids)-1]+`]}`, 400, nil)
}

func TestPicturesOfPeopleAndGroups(t *testing.T) {
	w := start(t, nil)
	a, b, eve := w.join("alice"), w.join("bob"), w.join("eve")
	face, scene, text := a.upload("face.jpg", jpegWithPlace(t)), a.upload("scene.jpg", jpegWithPlace(t)), a.upload("t", []byte("text"))
	a.call("PATCH", "/v1/me", fmt.Sprintf(`{"avatar":%q}`, text.ID), 400, nil)
	b.call("PATCH", "/v1/me", fmt.Sprintf(`{"avatar":%q}`, face.ID), 404, nil)
	a.call("PATCH", "/v1/me", fmt.Sprintf(`{"avatar":%q,"name":"Alice"}`, face.ID), 200, nil)
	var u struct {
		Name, Avatar string
		URL          string `json:"avatar_url"`
	}
	eve.call("GET", "/v1/users/alice", "", 200, &u)
	if res, _ := eve.get(u.URL); u.Avatar != face.ID || res.StatusCode != 200 {
		t.Errorf("%+v: %s", u, res.Status)
	}
	id := a.group("g", "Group", "bob")
	var c conversation
	a.call("PATCH", "/v1/conversations/"+id, fmt.Sprintf(`{"avatar":%q}`, scene.ID), 200, &c)
	if c.Avatar != scene.ID {
		t.Errorf("%+v", c)
	}
	for p, want := range map[*person]int{b: 200, eve: 404} {
		if res, _ := p.get("/v1/blobs/" + scene.ID); res.StatusCode != want {
			t.Errorf("%s: %s", p.name, res.Status)
		}
	}
	a.call("PATCH", "/v1/me", `{"avatar":""}`, 200, nil)
	a.call("PATCH", "/v1/conversations/"+id, `{"avatar":""}`, 200, nil)
	if res, _ := eve.get("/v1/blobs/" + face.ID); res.StatusCode != 404 {
		t.Errorf("a picture that was taken back: %s", res.Status)
	}
}
