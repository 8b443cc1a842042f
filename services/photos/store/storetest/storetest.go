// Package storetest is the contract of store.Store; every implementation runs
// it. It does not test speed or power loss.
package storetest

import (
	"context"
	"errors"
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

// Run runs the contract, several parts of it at a time, and returns when all
// have ended. open opens the store in dir with now as its clock.
func Run(t *testing.T, open func(t *testing.T, dir string, now func() time.Time) store.Store) {
	tests := map[string]func(s *suite){
		"Media": media, "Quota": quota, "Sizes": sizes, "Attach": attach, "Once": once,
		"KeyExpires": keyExpires, "Feed": feed, "Delete": remove, "Redraft": redraft,
		"References": references, "Sweep": sweep, "Ids": ids, "Secret": secret, "Profile": profile, "Erase": erase,
		"Jobs": jobs, "JobClocks": jobClocks, "Taken": taken, "Turns": turns, "Uploads": uploads, "Stories": stories, "Albums": albums, "Reports": reports, "EraseOwn": eraseOwn,
		"Threads": threads, "Rewrite": rewrite, "Marks": marks, "Pins": pins, "Together": together, "Home": home, "List": listFeed,
		"Tags": tags, "TagLimit": tagLimit, "Trending": trending, "SearchPosts": searchPosts, "Conversations": conversations,
		"Notices": notices, "Silence": silence, "NoticeLimit": noticeLimit, "ErasePosts": erasePosts,
		"Follows": follows, "Part": part, "Requests": requests, "PeoplePages": peoplePages, "Around": around, "Directory": directory,
		"EditProfile": editProfile, "Mutes": mutes, "Notes": notes, "Lists": lists, "Filters": filters, "Markers": markers,
		"Events": events, "Gaps": gaps, "Names": names, "EraseSocial": eraseSocial,
	}
	t.Run("contract", func(t *testing.T) { run(t, tests, open) })
}

func run(t *testing.T, tests map[string]func(s *suite), open func(t *testing.T, dir string, now func() time.Time) store.Store) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
	s.add(ann, "dog")
	more := []store.File{
		{Hash: "again", Type: "image/jpeg", Bytes: 99, Width: 320, Height: 240},
		{Hash: "cat-640", Type: "image/jpeg", Bytes: 20, Width: 640, Height: 480},
	}
	s.want(s.AddSizes(s.Context(), m.ID, more, "another", true), nil)
	s.want(s.AddSizes(s.Context(), m.ID, more, "", true), nil)
	got, err := s.Media(s.Context(), m.ID)
	s.want(err, nil)
	m.Sizes, m.Complete = append(m.Sizes, more[1]), true
	s.same(got, m)
	p, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p.Bytes, int64(2*1010+20))
	s.want(s.AddSizes(s.Context(), 99, more, "", true), store.ErrNotFound)
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
	_, err = s.Sweep(s.Context(), s.clock.Now().Add(-time.Hour), 10)
	s.want(err, nil)
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
	gone, err := s.Sweep(s.Context(), s.clock.Now(), 10)
	s.want(err, nil)
	s.same(gone, []store.Media{b})
	_, err = s.Media(s.Context(), b.ID)
	s.want(err, store.ErrNotFound)
	needed(false)
}

func sweep(s *suite) {
	posted := s.add(ann, "posted")
	s.post(ann, store.Public, posted.ID)
	old := []store.Media{s.add(ann, "old1"), s.add(bob, "old2"), s.add(ann, "old3")}
	s.clock.Move(24 * time.Hour)
	young := s.add(ann, "young")
	var gone []store.Media
	for _, want := range []int{2, 1, 0} {
		got, err := s.Sweep(s.Context(), s.clock.Now().Add(-time.Hour), 2)
		s.want(err, nil)
		s.same(len(got), want)
		gone = append(gone, got...)
	}
	s.same(gone, old)
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
