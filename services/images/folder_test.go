package images_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// list is what a folder answers as JSON.
type list struct {
	Path     string
	Folders  []struct{ Name, URL string }
	Pictures []struct {
		Name, Type, URL string
		Size            int64
		Width, Height   int
		Blurhash        *string
		Modified        time.Time
		Sizes           map[string]string
	}
	Next *string
}

func (s *site) list(path string) (l list) {
	s.t.Helper()
	a := s.get(path, "Accept", "application/json")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Vary") != "Accept" {
		s.t.Fatalf("GET %s: %s %v", path, a.Status, a.Header)
	}
	if err := json.Unmarshal(a.body, &l); err != nil {
		s.t.Fatalf("%v: %s", err, a.body)
	}
	return l
}

func (l list) names() string {
	var out []string
	for _, p := range l.Pictures {
		out = append(out, p.Name)
	}
	return strings.Join(out, "|")
}

const allNames = "a, b & <c>?#%.jpg|broken.jpg|hills.jpg|inside.jpg|tall.jpg|without-extension"

func TestList(t *testing.T) {
	s := serve(t, gallery(t), "")
	l := s.list("/")
	if got := l.names(); got != allNames {
		t.Errorf("pictures: %s", got)
	}
	if len(l.Folders) != 2 || l.Folders[1].URL != "/more/" || l.Next != nil || l.Path != "/" {
		t.Errorf("list: %+v", l)
	}
	for _, p := range l.Pictures {
		a := s.get(p.URL)
		if a.StatusCode != 200 || int64(len(a.body)) != p.Size || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s, %d bytes of %d, %s", p.URL, a.Status, len(a.body), p.Size, a.Header.Get("Cache-Control"))
		}
		if p.Name == "broken.jpg" {
			continue // its header is good, its pixels are missing
		}
		if len(p.Sizes) == 0 {
			t.Errorf("%s has no sizes", p.Name)
		}
		for w, u := range p.Sizes {
			if got := s.get(u).size(t); !strings.HasPrefix(got, w+"x") {
				t.Errorf("%s: %s", u, got)
			}
		}
	}
	if l := s.list("/more/"); l.Path != "/more/" || l.names() != "glass.png" || !strings.HasPrefix(l.Pictures[0].URL, "/more/glass.png?v=") {
		t.Errorf("below: %+v", l)
	}
}

// Asking for a list has the blurhashes made.
func TestBlurhashesComeWithTime(t *testing.T) {
	s := serve(t, gallery(t), "")
	for deadline := time.Now().Add(wait.Patience); ; {
		missing := 0
		for _, p := range s.list("/").Pictures {
			if p.Blurhash == nil && p.Name != "broken.jpg" {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d blurhashes are still missing", missing)
		}
	}
}

// Page by page, each picture once.
func TestPages(t *testing.T) {
	s := serve(t, gallery(t), "")
	var names []string
	for next := "/?limit=2"; ; {
		l := s.list(next)
		if len(l.Pictures) > 2 {
			t.Fatalf("%d pictures on a page of 2", len(l.Pictures))
		}
		names = append(names, l.names())
		if l.Next == nil {
			break
		}
		next = *l.Next
	}
	if got := strings.Join(names, "|"); got != allNames {
		t.Errorf("in pages: %v", got)
	}
	for _, bad := range []string{"0", "-1", "x", "1001"} {
		if a := s.get("/?limit=" + bad); a.StatusCode != 400 {
			t.Errorf("limit=%s: %s", bad, a.Status)
		}
	}
}

func TestPage(t *testing.T) {
	s := serve(t, gallery(t), "")
	a := s.get("/")
	page := string(a.body)
	for _, want := range []string{`href="./more/"`, `href="./hills.jpg?v=`, `?w=320&amp;v=`, `alt="a, b &amp; &lt;c&gt;?#%.jpg"`, "srcset="} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Count(page, "<script") != 1 || strings.Contains(page, "ZgotmplZ") || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%v\n%s", a.Header, page)
	}
	if b := s.get("/", "If-None-Match", a.Header.Get("ETag")); b.StatusCode != 304 {
		t.Errorf("If-None-Match: %s", b.Status)
	}
	if more := s.get("/more/"); !strings.Contains(string(more.body), `<a href="./../">test</a> / more</h1>`) {
		t.Error("no way up")
	}
	if empty := s.get("/empty%20folder/"); !strings.Contains(string(empty.body), "no pictures") {
		t.Error("an empty folder does not say so")
	}
	s.update("index = false")
	if a := s.get("/"); a.StatusCode != 404 {
		t.Errorf("without an index: %s", a.Status)
	}
}

// A folder of ten thousand is listed page by page, forwards and backwards, and
// what is not on the page costs nothing.
func TestManyFiles(t *testing.T) {
	const count = 10_000
	root := filepath.Join(t.TempDir(), "root")
	data := jpegOf(t, photo(32, 32, 0))
	write(t, root+"/p00000.jpg", data)
	for i := 1; i < count; i++ {
		if err := os.Link(root+"/p00000.jpg", fmt.Sprintf("%s/p%05d.jpg", root, i)); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, root, "")
	begin := time.Now()
	l := s.list("/?after=p04999.jpg&limit=3")
	if got := l.names(); got != "p05000.jpg|p05001.jpg|p05002.jpg" || l.Next == nil {
		t.Errorf("in the middle: %s", got)
	}
	page := string(s.get("/?after=p04999.jpg&limit=3").body)
	if !strings.Contains(page, `href="./?after=p04996.jpg&amp;limit=3" rel="prev"`) {
		t.Errorf("no way back on\n%s", page)
	}
	if page := string(s.get("/?after=p00002.jpg&limit=3").body); !strings.Contains(page, `href="./?limit=3" rel="prev"`) {
		t.Errorf("no way back to the first page on\n%s", page)
	}
	if page := s.get("/"); len(page.body) > 200_000 {
		t.Errorf("the first page has %d bytes", len(page.body))
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("four pages took %v", took)
	}
	// What comes and goes shows at once.
	if err := os.Remove(root + "/p05001.jpg"); err != nil {
		t.Fatal(err)
	}
	write(t, root+"/p05000a.jpg", data)
	if got := s.list("/?after=p04999.jpg&limit=3").names(); got != "p05000.jpg|p05000a.jpg|p05002.jpg" {
		t.Errorf("after a change: %s", got)
	}
}

// Every option takes effect with the next request, the folder too.
func TestUpdates(t *testing.T) {
	s := serve(t, gallery(t), "")
	first := s.get("/hills.jpg?w=320")
	if s.update("quality = 30"); len(s.get("/hills.jpg?w=320").body) >= len(first.body) {
		t.Error("the quality stays")
	}
	if s.update("ladder = [100, 200]"); s.get("/hills.jpg?w=150").size(t) != "200x143 jpeg" {
		t.Error("the ladder stays")
	}
	other := filepath.Join(t.TempDir(), "other")
	data := jpegOf(t, photo(64, 48, 9))
	write(t, other+"/hills.jpg", data)
	s.list("/")
	s.root = other
	s.update("")
	if a := s.get("/hills.jpg"); !bytes.Equal(a.body, data) {
		t.Errorf("the old folder's picture is delivered: %s, %d bytes", a.Status, len(a.body))
	}
	if got := s.list("/").names(); got != "hills.jpg" {
		t.Errorf("the old folder is listed: %s", got)
	}
	// A link to the folder that is moved counts at once, as does one inside of it
	// that leads out from then on.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	s.root = link
	s.update("")
	s.get("/hills.jpg")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(other), link); err != nil {
		t.Fatal(err)
	}
	if a := s.get("/hills.jpg"); a.StatusCode != 404 {
		t.Errorf("after the link was moved: %s", a.Status)
	}
	if a := s.get("/other/hills.jpg"); a.StatusCode != 200 {
		t.Errorf("below the new folder: %s", a.Status)
	}
}

// A picture that was delivered from memory is not there any more once it is
// reached by a link out of the folder only.
func TestLinkThatTakesAPlace(t *testing.T) {
	s := serve(t, gallery(t), "")
	time.Sleep(150 * time.Millisecond) // so that it is remembered
	if a := s.get("/more/glass.png"); a.StatusCode != 200 {
		t.Fatal(a.Status)
	}
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(s.root+"/more", away); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(away, s.root+"/more"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(wait.Patience); s.get("/more/glass.png").StatusCode != 404; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a link leads out of the folder")
		}
	}
}
