// Package storetest is the contract of store.Store; every implementation runs
// it. It does not test speed or power loss.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porticod/portico/services/photos/store"
)

// Clock is the clock of the stores that are tested.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the time that it shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves it by d, which may be negative.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// suite is one test with one store.
type suite struct {
	*testing.T
	store.Store
	clock  *Clock
	reopen func()
}

// Run runs the contract. open opens the store in dir with now as its clock.
func Run(t *testing.T, open func(t *testing.T, dir string, now func() time.Time) store.Store) {
	tests := map[string]func(s *suite){
		"Media": media, "Quota": quota, "Sizes": sizes, "Attach": attach, "Once": once,
		"KeyExpires": keyExpires, "Feed": feed, "Delete": remove, "Redraft": redraft,
		"References": references, "Sweep": sweep, "Ids": ids, "Secret": secret, "Profile": profile, "Erase": erase, "Cursor": cursor,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := &suite{T: t, clock: &Clock{now: time.UnixMilli(1_700_000_000_000)}}
			s.Store = open(t, dir, s.clock.Now)
			s.reopen = func() {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s.Store = open(t, dir, s.clock.Now)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			test(s)
		})
	}
}

const ann, bob = 1, 2

// picture makes a media row; its hashes begin with name.
func picture(owner int64, name string) store.Media {
	return store.Media{
		Owner: owner, Description: "of " + name, Blurhash: "LEHV6nWB2yk8",
		Original: store.File{Hash: name + "-original", Type: "image/png", Bytes: 1000, Width: 800, Height: 600},
		Sizes:    []store.File{{Hash: name + "-320", Type: "image/jpeg", Bytes: 10, Width: 320, Height: 240}},
	}
}

func (s *suite) add(owner int64, name string) store.Media {
	s.Helper()
	m, err := s.AddMedia(s.Context(), picture(owner, name), 0)
	if err != nil {
		s.Fatal(err)
	}
	return m
}

func (s *suite) post(author int64, v store.Visibility, media ...int64) store.Status {
	s.Helper()
	p, created, err := s.AddStatus(s.Context(), store.Draft{Status: store.Status{Author: author, Visibility: v, Text: "hi"}, MediaIDs: media})
	if err != nil || !created {
		s.Fatalf("post: created %v, %v", created, err)
	}
	return p
}

func (s *suite) want(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("got error %v, want %v", err, want)
	}
}

func (s *suite) same(got, want any) {
	s.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.Errorf("-want +got:\n%s", d)
	}
}

func media(s *suite) {
	m := s.add(ann, "cat")
	want := picture(ann, "cat")
	want.ID = m.ID
	s.reopen()
	got, err := s.Media(s.Context(), m.ID)
	s.want(err, nil)
	s.same(got, want)

	text, x := "a cat", 0.5
	got, err = s.EditMedia(s.Context(), m.ID, ann, store.Edit{Description: &text, FocusX: &x})
	s.want(err, nil)
	want.Description, want.FocusX = text, x
	s.same(got, want)
	_, err = s.EditMedia(s.Context(), m.ID, bob, store.Edit{Description: new(string)})
	s.want(err, store.ErrNotFound)
	got, err = s.Media(s.Context(), m.ID)
	s.want(err, nil)
	s.same(got, want)
	_, err = s.Media(s.Context(), m.ID+1)
	s.want(err, store.ErrNotFound)
}

func quota(s *suite) {
	s.add(ann, "one")
	_, err := s.AddMedia(s.Context(), picture(ann, "two"), 2019)
	s.want(err, store.ErrQuota)
	_, err = s.AddMedia(s.Context(), picture(bob, "two"), 2019)
	s.want(err, nil)
	_, err = s.AddMedia(s.Context(), picture(ann, "two"), 2020)
	s.want(err, nil)
}

func sizes(s *suite) {
	m := s.add(ann, "cat")
	other := s.add(ann, "dog")
	list, err := s.IncompleteMedia(s.Context(), 0, 1)
	s.want(err, nil)
	s.same(list, []store.Media{m})
	more := []store.File{
		{Hash: "again", Type: "image/jpeg", Bytes: 99, Width: 320, Height: 240},
		{Hash: "cat-640", Type: "image/jpeg", Bytes: 20, Width: 640, Height: 480},
	}
	s.want(s.AddSizes(s.Context(), m.ID, more, true), nil)
	s.want(s.AddSizes(s.Context(), m.ID, more, true), nil)
	got, err := s.Media(s.Context(), m.ID)
	s.want(err, nil)
	m.Sizes, m.Complete = append(m.Sizes, more[1]), true
	s.same(got, m)
	list, err = s.IncompleteMedia(s.Context(), 0, 10)
	s.want(err, nil)
	s.same(list, []store.Media{other})
	list, err = s.IncompleteMedia(s.Context(), other.ID, 10)
	s.want(err, nil)
	s.same(len(list), 0)
	p, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p.Bytes, int64(2*1010+20))
	s.want(s.AddSizes(s.Context(), 99, more, true), store.ErrNotFound)
}

func attach(s *suite) {
	a, b, c := s.add(ann, "a"), s.add(ann, "b"), s.add(bob, "c")
	for _, bad := range [][]int64{{c.ID}, {a.ID, a.ID}, {a.ID, 99}} {
		_, _, err := s.AddStatus(s.Context(), store.Draft{Status: store.Status{Author: ann, Visibility: store.Public}, MediaIDs: bad})
		s.want(err, store.ErrMedia)
	}
	p := s.post(ann, store.Unlisted, b.ID, a.ID)
	_, _, err := s.AddStatus(s.Context(), store.Draft{Status: store.Status{Author: ann, Visibility: store.Public}, MediaIDs: []int64{a.ID}})
	s.want(err, store.ErrMedia)

	s.reopen()
	got, err := s.Status(s.Context(), p.ID)
	s.want(err, nil)
	s.same(got, p)
	for i, want := range []store.Media{b, a} {
		want.Status, want.Visibility = p.ID, store.Unlisted
		s.same(got.Media[i], want)
	}
	_, err = s.Status(s.Context(), p.ID+1)
	s.want(err, store.ErrNotFound)
}

// once: requests with one key at the same time make one post.
func once(s *suite) {
	m := s.add(ann, "cat")
	draft := store.Draft{Status: store.Status{Author: ann, Visibility: store.Public}, MediaIDs: []int64{m.ID}, Key: "k", KeyLife: time.Hour}
	got := make([]store.Status, 8)
	made := make([]bool, len(got))
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			var err error
			got[i], made[i], err = s.AddStatus(context.WithoutCancel(s.Context()), draft)
			s.want(err, nil)
		})
	}
	wg.Wait()
	n := 0
	for i := range got {
		s.same(got[i], got[0])
		if made[i] {
			n++
		}
	}
	s.same(n, 1)
	draft.Author, draft.MediaIDs = bob, nil
	other, made0, err := s.AddStatus(s.Context(), draft)
	s.want(err, nil)
	if !made0 || other.ID == got[0].ID {
		s.Error("two people share a key")
	}
}

func keyExpires(s *suite) {
	draft := store.Draft{Status: store.Status{Author: ann, Visibility: store.Public}, Key: "k", KeyLife: time.Hour}
	first, _, err := s.AddStatus(s.Context(), draft)
	s.want(err, nil)
	s.clock.Move(59 * time.Minute)
	again, created, err := s.AddStatus(s.Context(), draft)
	s.want(err, nil)
	s.same([]any{again.ID, created}, []any{first.ID, false})
	s.clock.Move(2 * time.Minute)
	later, created, err := s.AddStatus(s.Context(), draft)
	s.want(err, nil)
	if !created || later.ID == first.ID {
		s.Error("the key outlived its time")
	}
}

func feed(s *suite) {
	var all []int64 // newest first
	for i := range 6 {
		v := store.Public
		if i == 2 {
			v = store.Private
		}
		var media []int64
		if i == 4 {
			media = []int64{s.add(ann, fmt.Sprint(i)).ID}
		}
		all = append([]int64{s.post(int64(ann+i%2), v, media...).ID}, all...)
		s.clock.Move(time.Millisecond)
	}
	public := slices.Delete(slices.Clone(all), 3, 4)
	everything := store.Visibilities[:]
	cases := map[string]struct {
		feed store.Feed
		want []int64
	}{
		"public":     {store.Feed{Visibilities: everything[:1]}, public},
		"all":        {store.Feed{Visibilities: everything}, all},
		"none":       {store.Feed{}, nil},
		"ann":        {store.Feed{Visibilities: everything, Authors: []int64{ann}}, []int64{all[1], all[3], all[5]}},
		"nobody":     {store.Feed{Visibilities: everything, Authors: []int64{}}, nil},
		"with media": {store.Feed{Visibilities: everything, OnlyMedia: true}, []int64{all[1]}},
		"limit":      {store.Feed{Visibilities: everything, Page: store.Page{Limit: 2}}, all[:2]},
		"max":        {store.Feed{Visibilities: everything, Page: store.Page{Max: all[3], Limit: 2}}, all[4:]},
		"since":      {store.Feed{Visibilities: everything, Page: store.Page{Since: all[4], Limit: 2}}, all[:2]},
		"min":        {store.Feed{Visibilities: everything, Page: store.Page{Min: all[4], Limit: 2}}, all[2:4]},
		"between":    {store.Feed{Visibilities: everything, Page: store.Page{Max: all[1], Min: all[5], Limit: 2}}, all[3:5]},
	}
	for name, c := range cases {
		if c.feed.Limit == 0 {
			c.feed.Limit = 40
		}
		list, err := s.Feed(s.Context(), c.feed)
		s.want(err, nil)
		var got []int64
		for _, p := range list {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, c.want) {
			s.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func remove(s *suite) {
	m := s.add(ann, "cat")
	p := s.post(ann, store.Public, m.ID)
	_, err := s.DeleteStatus(s.Context(), p.ID, bob, false)
	s.want(err, store.ErrNotFound)
	got, err := s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, nil)
	s.same(got, p)
	s.reopen()
	_, err = s.Status(s.Context(), p.ID)
	s.want(err, store.ErrNotFound)
	_, err = s.Media(s.Context(), m.ID)
	s.want(err, store.ErrNotFound)
	_, err = s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, store.ErrNotFound)
}

// redraft: the pictures of a deleted post can go into a new one, for a day.
func redraft(s *suite) {
	m := s.add(ann, "cat")
	s.clock.Move(48 * time.Hour)
	p := s.post(ann, store.Public, m.ID)
	s.clock.Move(48 * time.Hour)
	_, err := s.DeleteStatus(s.Context(), p.ID, ann, true)
	s.want(err, nil)
	s.want(s.Sweep(s.Context(), s.clock.Now().Add(-time.Hour)), nil)
	got, err := s.Media(s.Context(), m.ID)
	s.want(err, nil)
	s.same(got, m)
	s.post(ann, store.Private, m.ID)
}

// references: bytes that two people uploaded are needed until both are gone.
func references(s *suite) {
	hashes := []string{"same-320", "same-original"}
	needed := func(want bool) {
		s.Helper()
		for _, h := range hashes {
			got, err := s.Referenced(s.Context(), h)
			s.want(err, nil)
			s.same(got, want)
		}
	}
	needed(false)
	a, b := s.add(ann, "same"), s.add(bob, "same")
	p := s.post(ann, store.Public, a.ID)
	_, err := s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, nil)
	needed(true)
	s.clock.Move(time.Hour)
	s.want(s.Sweep(s.Context(), s.clock.Now()), nil)
	_, err = s.Media(s.Context(), b.ID)
	s.want(err, store.ErrNotFound)
	needed(false)
}

func sweep(s *suite) {
	posted := s.add(ann, "posted")
	s.post(ann, store.Public, posted.ID)
	var old []store.Media
	for i := range 205 {
		old = append(old, s.add(ann, fmt.Sprint("old", i)))
	}
	s.clock.Move(24 * time.Hour)
	young := s.add(ann, "young")
	s.want(s.Sweep(s.Context(), s.clock.Now().Add(-time.Hour)), nil)
	for _, m := range old {
		_, err := s.Media(s.Context(), m.ID)
		s.want(err, store.ErrNotFound)
	}
	for _, m := range []store.Media{posted, young} {
		_, err := s.Media(s.Context(), m.ID)
		s.want(err, nil)
	}
	p, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p.Bytes, int64(2*1010))
}

// ids grow strictly, whatever the clock does, and over a restart.
func ids(s *suite) {
	var last int64
	for i, move := range []time.Duration{0, 0, -time.Hour, time.Hour, time.Millisecond} {
		s.clock.Move(move)
		if i == 3 {
			s.reopen()
		}
		id := s.post(ann, store.Public).ID
		m := s.add(ann, "x").ID
		if id <= last || m <= id {
			s.Errorf("id %d, then %d and %d", last, id, m)
		}
		last = m
	}
	if last>>16 != s.clock.Now().UnixMilli() {
		s.Errorf("id %d is not of %v", last, s.clock.Now())
	}
}

func secret(s *suite) {
	one, err := s.Secret(s.Context(), "one")
	s.want(err, nil)
	two, err := s.Secret(s.Context(), "two")
	s.want(err, nil)
	if len(one) != 32 || slices.Equal(one, two) {
		s.Error("the secrets are not 32 bytes, or equal")
	}
	s.reopen()
	again, err := s.Secret(s.Context(), "one")
	s.want(err, nil)
	s.same(again, one)
}

func profile(s *suite) {
	none, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(none, store.Profile{User: ann})
	first := s.post(ann, store.Public)
	s.clock.Move(time.Hour)
	second := s.post(ann, store.Private)
	p, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p, store.Profile{User: ann, Statuses: 2, LastStatus: time.UnixMilli(second.ID >> 16)})
	_, err = s.DeleteStatus(s.Context(), second.ID, ann, false)
	s.want(err, nil)
	p, err = s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p, store.Profile{User: ann, Statuses: 1, LastStatus: time.UnixMilli(first.ID >> 16)})
	s.post(bob, store.Public)
	statuses, authors, err := s.Totals(s.Context())
	s.want(err, nil)
	s.same([]int64{statuses, authors}, []int64{2, 2})
}

func erase(s *suite) {
	for i := range 5 {
		m := s.add(ann, fmt.Sprint("post", i))
		s.post(ann, store.Public, m.ID, s.add(ann, fmt.Sprint("second", i)).ID)
		s.post(ann, store.Private)
		s.add(ann, fmt.Sprint("loose", i))
	}
	stays := s.post(bob, store.Public, s.add(bob, "bob").ID)
	hashes := 0
	for more := true; more; {
		var gone []store.Media
		var err error
		gone, more, err = s.Erase(s.Context(), ann, 2)
		s.want(err, nil)
		hashes += len(gone)
		if err != nil || hashes > 15 {
			s.Fatalf("%d pictures are gone, %v", hashes, err)
		}
	}
	s.same(hashes, 15)
	list, err := s.Feed(s.Context(), store.Feed{Visibilities: store.Visibilities[:], Page: store.Page{Limit: 40}})
	s.want(err, nil)
	s.same(list, []store.Status{stays})
	p, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p, store.Profile{User: ann})
	used, err := s.Referenced(s.Context(), "loose1-original")
	s.want(err, nil)
	s.same(used, false)
}

func cursor(s *suite) {
	for _, want := range []int64{0, 7, 9} {
		if want > 0 {
			s.want(s.SetCursor(s.Context(), want), nil)
			s.reopen()
		}
		got, err := s.Cursor(s.Context())
		s.want(err, nil)
		s.same(got, want)
	}
}
