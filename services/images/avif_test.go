//go:build nodynamic

package images_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// AVIF comes before WebP, and both with time: each client gets the best of what
// is there and what it takes.
func TestAVIFComesWithTime(t *testing.T) {
	root, dir := gallery(t), filepath.Join(t.TempDir(), "images", "test")
	s, end := openAt(t, root, dir, "")
	get := func(path, accept string) (string, answer) {
		t.Helper()
		a := s.get(path, "Accept", accept)
		if a.StatusCode != 200 {
			t.Fatalf("GET %s: %s %s", path, a.Status, a.body)
		}
		return strings.TrimPrefix(a.Header.Get("Content-Type"), "image/"), a
	}
	until := func(want, path, accept string) answer {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			format, a := get(path, accept)
			if format == want {
				return a
			}
			if time.Now().After(deadline) {
				t.Fatalf("GET %s for %q: still %s", path, accept, format)
			}
		}
	}
	const modern, older, old = "image/avif,image/webp,*/*;q=0.8", "image/avif;q=0, image/webp", "image/webp; q=0.0,image/avif;q=0,*/*"
	address := s.list("/").Pictures[2].Sizes["320"] + "&fmt=auto"
	format, first := get(address, modern)
	if format != "jpeg" || first.Header.Get("Vary") != "Accept" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("at first: %s, %v", format, first.Header)
	}
	webp := until("webp", address, older)
	avif := until("avif", address, modern)
	if len(avif.body) >= len(first.body) || string(avif.body[4:12]) != "ftypavif" || avif.Header.Get("Vary") != "Accept" || !strings.Contains(avif.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%d bytes in place of %d, %v", len(avif.body), len(first.body), avif.Header)
	}
	if avif.Header.Get("ETag") == webp.Header.Get("ETag") {
		t.Error("both have one ETag")
	}
	for _, c := range []struct{ path, accept, want string }{
		{address, older, "webp"},
		{address, old, "jpeg"},
		{address, "*/*", "jpeg"},
		{"/hills.jpg?w=320&fmt=avif", old, "avif"}, // it asks for it
		{"/hills.jpg?w=320&fmt=webp", modern, "webp"},
		{"/hills.jpg?w=320", modern, "jpeg"},    // it does not
		{"/hills.jpg?fmt=auto", modern, "jpeg"}, // as it is
	} {
		if got, _ := get(c.path, c.accept); got != c.want {
			t.Errorf("GET %s for %q: %s, want %s", c.path, c.accept, got, c.want)
		}
	}
	end()
	s, end = openAt(t, root, dir, "")
	if got, _ := get(address, modern); got != "avif" {
		t.Errorf("after a restart: %s", got)
	}
	s.update("avif = false")
	if got, a := get(address, modern); got != "webp" || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("without AVIF: %s, %v", got, a.Header)
	}
	if got, _ := get("/hills.jpg?w=320&fmt=avif", modern); got != "jpeg" {
		t.Errorf("without AVIF: %s", got)
	}
	end()
}
