package images_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
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
	for deadline := time.Now().Add(20 * time.Second); ; {
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
