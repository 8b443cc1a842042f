package images_test

import (
	"image"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// WebP is made while nobody waits, and then delivered to who takes it.
func TestWebPComesWithTime(t *testing.T) {
	root, dir := gallery(t), filepath.Join(t.TempDir(), "images", "test")
	s, end := openAt(t, root, dir, "")
	get := func(path, accept string) (string, answer) {
		a := s.get(path, "Accept", accept)
		if a.StatusCode != 200 {
			t.Fatalf("GET %s: %s %s", path, a.Status, a.body)
		}
		return strings.TrimPrefix(a.Header.Get("Content-Type"), "image/"), a
	}
	const modern, old = "text/html,image/webp,*/*;q=0.8", "image/jpeg,*/*"
	address := s.list("/").Pictures[2].Sizes["320"] + "&fmt=auto"
	format, first := get(address, modern)
	if format != "jpeg" || first.Header.Get("Vary") != "Accept" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("at first: %s, %v", format, first.Header)
	}
	webp := first
	for deadline := time.Now().Add(time.Minute); format != "webp"; {
		if time.Now().After(deadline) {
			t.Fatal("there is no WebP")
		}
		format, webp = get(address, modern)
	}
	if len(webp.body) >= len(first.body) || string(webp.body[8:12]) != "WEBP" || webp.Header.Get("Vary") != "Accept" || !strings.Contains(webp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%d bytes in place of %d, %v", len(webp.body), len(first.body), webp.Header)
	}
	if a := s.get(address, "Accept", modern, "If-None-Match", first.Header.Get("ETag")); a.StatusCode != 200 {
		t.Errorf("both have one ETag: %s", a.Status)
	}
	for _, c := range []struct{ path, accept, want string }{
		{address, old, "jpeg"},
		{address, "", "jpeg"},
		{"/hills.jpg?w=320&fmt=webp", old, "webp"}, // it asks for it
		{"/hills.jpg?w=320", modern, "jpeg"},       // it does not
		{"/hills.jpg?fmt=auto", modern, "jpeg"},    // as it is
	} {
		if got, _ := get(c.path, c.accept); got != c.want {
			t.Errorf("GET %s for %q: %s, want %s", c.path, c.accept, got, c.want)
		}
	}
	end()
	s, end = openAt(t, root, dir, "")
	if got, _ := get(address, modern); got != "webp" {
		t.Errorf("after a restart: %s", got)
	}
	s.update("webp = false")
	if got, a := get(address, modern); got != "jpeg" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("without WebP: %s, %v", got, a.Header)
	}
	end()
}

// Where WebP is no smaller, what there is stays, for good.
func TestWebPThatIsNoSmaller(t *testing.T) {
	s := serve(t, gallery(t), "")
	write(t, s.root+"/plain.png", pngOf(t, image.NewGray(image.Rect(0, 0, 8, 8))))
	for deadline := time.Now().Add(time.Minute); ; {
		a := s.get("/plain.png?fmt=webp&v=" + strings.Trim(s.get("/plain.png").Header.Get("ETag"), `"`))
		if got := a.size(t); got != "8x8 png" && got != "8x8 webp" {
			t.Fatal(got)
		}
		if strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is made again and again")
		}
	}
}
