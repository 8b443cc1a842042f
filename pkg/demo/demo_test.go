package demo

import (
	"bytes"
	"image/jpeg"
	"net"
	"os"
	"strings"
	"testing"
)

// What the samples name is there: people, pictures, posts and lines before.
func TestSamplesAgree(t *testing.T) {
	drawn, who, shared := map[string]bool{"": true}, map[string]bool{}, map[string]bool{}
	for _, p := range pictures {
		drawn[p.name] = true
		if p.alt == "" {
			t.Errorf("%s has no description", p.name)
		}
	}
	for _, p := range people {
		who[p.username] = true
	}
	known := func(what map[string]bool, names ...string) {
		t.Helper()
		for _, n := range names {
			if !what[n] {
				t.Errorf("there is no %q", n)
			}
		}
	}
	for _, p := range people {
		known(who, p.follows...)
	}
	for _, p := range posts {
		shared[p.name] = true
		known(who, append(p.likes, p.author)...)
		known(drawn, p.pictures...)
		for _, c := range p.comments {
			known(who, append(c.likes, c.from)...)
		}
	}
	for _, a := range albums {
		known(shared, a.posts...)
	}
	for _, c := range conversations {
		known(who, append(c.unread, c.members...)...)
		known(drawn, c.picture)
		for i, l := range c.lines {
			known(who, l.from)
			known(drawn, l.picture)
			if l.replyTo > i {
				t.Errorf("%q answers what comes later", l.text)
			}
			for _, r := range l.reactions {
				name, emoji, _ := strings.Cut(r, " ")
				if known(who, name); emoji == "" {
					t.Errorf("%q is no reaction", r)
				}
			}
		}
	}
}

// Each picture has something to be seen, in the size that was asked for.
func TestPictures(t *testing.T) {
	for _, p := range pictures {
		data, err := p.painting.JPEG(60, 40)
		if err != nil {
			t.Fatal(err)
		}
		m, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil || m.Bounds().Dx() != 60 || m.Bounds().Dy() != 40 {
			t.Fatalf("%s: %v", p.name, err)
		}
		colors := map[uint32]bool{}
		for i := range 60 * 40 {
			r, g, b, _ := m.At(i%60, i/60).RGBA()
			colors[r>>12<<8|g>>12<<4|b>>12] = true
		}
		if len(colors) < 12 {
			t.Errorf("%s has %d colors", p.name, len(colors))
		}
	}
}

// A port that is taken is told of, and no two places are the same.
func TestFindPlaces(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:8000"); err == nil { // else somebody else has it
		defer l.Close()
	}
	p, err := FindPlaces(false)
	if err != nil {
		t.Fatal(err)
	}
	if p.Site == "127.0.0.1:8000" || !strings.Contains(strings.Join(p.Moved, "\n"), "port 8000 is taken, so the start page is at "+p.Site) {
		t.Errorf("%+v", p)
	}
	file, err := WriteConfig(t.TempDir(), p)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{p.Chat, p.Photos, p.Gallery, p.Site} {
		if strings.Count(string(config), `"`+a+`"`) != 1 {
			t.Errorf("%s is not once in\n%s", a, config)
		}
	}
}
