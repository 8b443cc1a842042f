package photos

import (
	"context"
	"testing"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/store"
)

// TestMaySee is the whole table of the access rule: relation x visibility.
func TestMaySee(t *testing.T) {
	const (
		unattached, public, unlisted, private, direct = store.Unattached, store.Public, store.Unlisted, store.Private, store.Direct
	)
	for _, c := range []struct {
		name string
		rel  relation
		sees []store.Visibility
	}{
		{"anybody", relation{}, []store.Visibility{public, unlisted}},
		{"follower", relation{follows: true}, []store.Visibility{public, unlisted, private}},
		{"author", relation{self: true}, []store.Visibility{unattached, public, unlisted, private, direct}},
		{"blocked", relation{blocked: true}, nil},
		{"blocked follower", relation{blocked: true, follows: true}, nil},
		{"anybody, author gone", relation{gone: true}, nil},
		{"follower, author gone", relation{gone: true, follows: true}, nil},
		{"author, gone", relation{gone: true, self: true}, nil},
	} {
		for _, v := range []store.Visibility{unattached, public, unlisted, private, direct, 9} {
			want := false
			for _, s := range c.sees {
				want = want || s == v
			}
			if v == 9 {
				want = c.rel.self && !c.rel.gone
			}
			if got := maySee(v, c.rel); got != want {
				t.Errorf("%s sees %v: %v", c.name, v, got)
			}
		}
	}
}

func TestGate(t *testing.T) {
	g := newGate()
	for range maxUploadsUser {
		if err := g.enter(1); err != nil {
			t.Fatal(err)
		}
	}
	if g.enter(1) == nil {
		t.Error("one account has more uploads than it may")
	}
	user := int64(2)
	for g.enter(user) == nil {
		user++
	}
	if g.total != maxUploads {
		t.Errorf("%d uploads at a time", g.total)
	}
	for range maxUploadsUser {
		g.leave(1)
	}
	for u := int64(2); u < user; u++ {
		g.leave(u)
	}
	if g.total != 0 {
		t.Errorf("%d are left behind", g.total)
	}
	if err := g.enter(1); err != nil {
		t.Error(err)
	}
}

// What was made of a picture is kept once its bytes are stored, also where the service
// closes just then: bytes without a row would stay for a day.
func TestKeptWhileClosing(t *testing.T) {
	blobs, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &Photos{blobs: blobs, bus: new(bus.Local).Node()}
	ctx, closing := context.WithCancel(t.Context())
	kept := 0
	keep := func() error {
		return p.keepFiles(ctx, []picture.Variant{{Data: []byte("made of it")}}, func(ctx context.Context, files []store.File) error {
			closing()
			if ctx.Err() == nil {
				kept += len(files)
			}
			return ctx.Err()
		})
	}
	if err := keep(); err != nil || kept != 1 {
		t.Errorf("%d files are kept: %v", kept, err)
	}
	if err := keep(); err == nil || kept != 1 {
		t.Error("it begins after the service closed")
	}
}
