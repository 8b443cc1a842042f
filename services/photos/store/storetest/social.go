package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

const eve, joe = 3, 4

func (s *suite) followAs(follower, target int64, state store.FollowState) store.Follow {
	s.Helper()
	f, created, err := s.SetFollow(s.Context(), store.Follow{Follower: follower, Target: target, State: state, Reblogs: true})
	if err != nil || !created {
		s.Fatalf("follow: created %v, %v", created, err)
	}
	s.clock.Move(time.Millisecond)
	return f
}

// counts checks followers, following and requests.
func (s *suite) counts(user int64, followers, following, requests int64) {
	s.Helper()
	p, err := s.Profile(s.Context(), user)
	s.want(err, nil)
	s.same([]int64{p.Followers, p.Following, p.Requests}, []int64{followers, following, requests})
}

func (s *suite) people(which store.People, owner int64, p store.Page) (users []int64) {
	s.Helper()
	if p.Limit == 0 {
		p.Limit = 40
	}
	list, err := s.People(s.Context(), which, owner, p)
	s.want(err, nil)
	if !slices.IsSortedFunc(list, func(a, b store.Entry) int { return int(b.ID - a.ID) }) {
		s.Errorf("not newest first: %v", list)
	}
	for _, e := range list {
		users = append(users, e.User)
	}
	return users
}

func follows(s *suite) {
	f := s.followAs(ann, bob, store.Following)
	s.counts(bob, 1, 0, 0)
	s.counts(ann, 0, 1, 0)
	again := store.Follow{Follower: ann, Target: bob, State: store.Asked, Notify: true, Languages: []string{"de", "en"}}
	got, created, err := s.SetFollow(s.Context(), again)
	s.want(err, nil)
	again.ID, again.State = f.ID, store.Following
	s.same(got, again)
	s.same(created, false)
	s.reopen()
	s.counts(bob, 1, 0, 0)
	rels, err := s.Relations(s.Context(), bob, []int64{eve, ann, bob})
	s.want(err, nil)
	s.same([]any{rels[0].Target, rels[1].FollowedBy, rels[1].Follow.State, rels[2].FollowedBy},
		[]any{int64(eve), store.Following, store.NoFollow, store.NoFollow})
	rels, err = s.Relations(s.Context(), ann, []int64{bob})
	s.want(err, nil)
	s.same(rels[0].Follow, again)
	state, err := s.FollowState(s.Context(), ann, bob)
	s.want(err, nil)
	s.same(state, store.Following)
	s.want(s.Unfollow(s.Context(), ann, bob), nil)
	s.want(s.Unfollow(s.Context(), ann, bob), nil)
	s.counts(bob, 0, 0, 0)
	s.counts(ann, 0, 0, 0)
	state, err = s.FollowState(s.Context(), ann, bob)
	s.want(err, nil)
	s.same(state, store.NoFollow)
}

// part: what a block does, both ways.
func part(s *suite) {
	s.followAs(ann, bob, store.Following)
	s.followAs(bob, ann, store.Asked)
	s.followAs(ann, eve, store.Following)
	s.want(s.Endorse(s.Context(), ann, bob), nil)
	l, err := s.AddList(s.Context(), store.List{Owner: ann, Title: "x", Replies: "list"})
	s.want(err, nil)
	s.want(s.AddMembers(s.Context(), ann, l.ID, []int64{bob, eve}), nil)
	s.want(s.Part(s.Context(), bob, ann), nil)
	s.counts(ann, 0, 1, 0)
	s.counts(bob, 0, 0, 0)
	s.same(s.people(store.Endorsements, ann, store.Page{}), []int64(nil))
	s.same(s.people(store.Members, l.ID, store.Page{}), []int64{eve})
}

func requests(s *suite) {
	for _, who := range []int64{bob, eve, joe} {
		s.followAs(who, ann, store.Asked)
	}
	s.counts(ann, 0, 0, 3)
	s.same(s.people(store.Requests, ann, store.Page{}), []int64{joe, eve, bob})
	s.want(s.Answer(s.Context(), ann, bob, true), nil)
	s.want(s.Answer(s.Context(), ann, bob, true), store.ErrNotFound)
	s.want(s.Answer(s.Context(), ann, eve, false), nil)
	s.want(s.Answer(s.Context(), bob, ann, true), store.ErrNotFound)
	s.counts(ann, 1, 0, 1)
	s.counts(bob, 0, 1, 0)
	// Whoever does not ask any more is followed by those who wait.
	_, err := s.EditProfile(s.Context(), ann, func(p *store.Profile) { p.Locked = true })
	s.want(err, nil)
	s.counts(ann, 1, 0, 1)
	_, err = s.EditProfile(s.Context(), ann, func(p *store.Profile) { p.Locked = false })
	s.want(err, nil)
	s.counts(ann, 2, 0, 0)
	s.counts(joe, 0, 1, 0)
	s.same(s.people(store.Followers, ann, store.Page{}), []int64{joe, bob})
	s.same(s.people(store.Requests, ann, store.Page{}), []int64(nil))
}

// peoplePages pages as posts are paged.
func peoplePages(s *suite) {
	var ids []int64
	for i := range 6 {
		ids = append(ids, s.followAs(int64(100+i), ann, store.Following).ID)
	}
	for name, c := range map[string]struct {
		page store.Page
		want []int64
	}{
		"all":   {store.Page{}, []int64{105, 104, 103, 102, 101, 100}},
		"limit": {store.Page{Limit: 2}, []int64{105, 104}},
		"max":   {store.Page{Max: ids[2], Limit: 1}, []int64{101}},
		"since": {store.Page{Since: ids[2], Limit: 2}, []int64{105, 104}},
		"min":   {store.Page{Min: ids[2], Limit: 2}, []int64{104, 103}},
	} {
		if got := s.people(store.Followers, ann, c.page); !slices.Equal(got, c.want) {
			s.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	s.same(s.people(store.Followed, 102, store.Page{}), []int64{ann})
}

// around: who may be interesting.
func around(s *suite) {
	s.followAs(ann, bob, store.Following)
	s.followAs(ann, eve, store.Asked)
	s.followAs(bob, joe, store.Following)
	s.followAs(eve, joe, store.Following)
	got, err := s.Familiar(s.Context(), ann, joe, 10)
	s.want(err, nil)
	s.same(got, []int64{bob})
	got, err = s.Suggest(s.Context(), ann, 10)
	s.want(err, nil)
	s.same(got, []int64{joe})
	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: joe}), nil)
	got, err = s.Suggest(s.Context(), ann, 10)
	s.want(err, nil)
	s.same(got, []int64(nil))
	got, err = s.Suggest(s.Context(), joe, 10)
	s.want(err, nil)
	s.same(got, []int64{bob, eve, ann})
	s.want(s.Dismiss(s.Context(), joe, eve), nil)
	s.want(s.Dismiss(s.Context(), joe, eve), nil)
	_, err = s.EditProfile(s.Context(), bob, func(p *store.Profile) { p.Hidden = true })
	s.want(err, nil)
	got, err = s.Suggest(s.Context(), joe, 10)
	s.want(err, nil)
	s.same(got, []int64{ann})
}

func directory(s *suite) {
	for _, who := range []int64{bob, eve, ann} {
		s.post(who, store.Public)
		s.clock.Move(time.Hour)
	}
	_, err := s.EditProfile(s.Context(), joe, func(*store.Profile) {})
	s.want(err, nil)
	for _, c := range []struct {
		order         store.DirectoryOrder
		offset, limit int
		want          []int64
	}{
		{store.ByActivity, 0, 10, []int64{ann, eve, bob}}, {store.ByActivity, 1, 1, []int64{eve}},
		{store.ByAge, 0, 10, []int64{joe, eve, bob, ann}}, {store.ByAge, 3, 10, []int64{ann}},
	} {
		got, err := s.Directory(s.Context(), c.order, c.offset, c.limit)
		s.want(err, nil)
		s.same(got, c.want)
	}
	n, err := s.Active(s.Context(), s.clock.Now().Add(-150*time.Minute))
	s.want(err, nil)
	s.same(n, int64(2))
	n, err = s.Posted(s.Context(), s.clock.Now().Add(-3*time.Hour), s.clock.Now().Add(-time.Hour))
	s.want(err, nil)
	s.same(n, int64(2))
}

func editProfile(s *suite) {
	want := store.Profile{
		User: ann, Locked: true, Bot: true, Hidden: true, NoIndex: true, PrivateLists: true, Privacy: store.Private,
		Sensitive: true, Language: "de", Fields: []store.Field{{Name: "a", Value: "<b>"}},
	}
	got, err := s.EditProfile(s.Context(), ann, func(p *store.Profile) { *p = want; p.Followers, p.Bytes = 7, 7 })
	s.want(err, nil)
	s.same(got, want)
	want.Avatar = store.File{Hash: "h1", Type: "image/png", Bytes: 5, Width: 4, Height: 3}
	old, err := s.SetPortrait(s.Context(), ann, store.Avatar, want.Avatar)
	s.want(err, nil)
	s.same(old, store.File{})
	s.reopen()
	all, err := s.Profiles(s.Context(), []int64{ann, bob})
	s.want(err, nil)
	s.same(all, map[int64]store.Profile{ann: want, bob: {User: bob, Privacy: store.Public}})
	used, err := s.Referenced(s.Context(), "h1")
	s.want(err, nil)
	s.same(used, true)
	old, err = s.SetPortrait(s.Context(), ann, store.Header, store.File{Hash: "h2", Type: "image/png"})
	s.want(err, nil)
	s.same(old, store.File{})
	old, err = s.SetPortrait(s.Context(), ann, store.Avatar, store.File{})
	s.want(err, nil)
	s.same(old, want.Avatar)
	used, err = s.Referenced(s.Context(), "h1")
	s.want(err, nil)
	s.same(used, false)
}

func mutes(s *suite) {
	until := s.clock.Now().Add(time.Hour)
	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: bob, Notifications: true, Expires: until}), nil)
	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: eve}), nil)
	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: eve, Notifications: true}), nil)
	rels, err := s.Relations(s.Context(), ann, []int64{bob, eve, joe})
	s.want(err, nil)
	s.same(rels[0].Mute, store.Mute{User: ann, Target: bob, Notifications: true, Expires: until})
	s.same([]bool{rels[0].Muted, rels[1].Muted, rels[2].Muted, rels[1].Mute.Notifications}, []bool{true, true, false, true})
	s.same(s.people(store.Muted, ann, store.Page{}), []int64{eve, bob})
	s.clock.Move(2 * time.Hour)
	rels, err = s.Relations(s.Context(), ann, []int64{bob})
	s.want(err, nil)
	s.same(rels[0].Muted, false)
	s.same(s.people(store.Muted, ann, store.Page{}), []int64{eve})
	s.want(s.Unmute(s.Context(), ann, eve), nil)
	s.want(s.Unmute(s.Context(), ann, eve), nil)
	s.same(s.people(store.Muted, ann, store.Page{}), []int64(nil))
}

func notes(s *suite) {
	note := func(want string) {
		s.Helper()
		rels, err := s.Relations(s.Context(), ann, []int64{bob})
		s.want(err, nil)
		s.same(rels[0].Note, want)
	}
	s.want(s.SetNote(s.Context(), ann, bob, "kind"), nil)
	s.want(s.SetNote(s.Context(), ann, bob, "very kind"), nil)
	note("very kind")
	s.want(s.SetNote(s.Context(), ann, bob, ""), nil)
	note("")
	s.want(s.Endorse(s.Context(), ann, bob), store.ErrNotFound)
	s.followAs(ann, bob, store.Following)
	s.want(s.Endorse(s.Context(), ann, bob), nil)
	s.want(s.Endorse(s.Context(), ann, bob), nil)
	s.same(s.people(store.Endorsements, ann, store.Page{}), []int64{bob})
	s.want(s.Unendorse(s.Context(), ann, bob), nil)
	s.same(s.people(store.Endorsements, ann, store.Page{}), []int64(nil))
}

func lists(s *suite) {
	a, err := s.AddList(s.Context(), store.List{Owner: ann, Title: "a", Replies: "list"})
	s.want(err, nil)
	b, err := s.AddList(s.Context(), store.List{Owner: ann, Title: "b", Replies: "none", Exclusive: true})
	s.want(err, nil)
	all, err := s.Lists(s.Context(), ann)
	s.want(err, nil)
	s.same(all, []store.List{a, b})
	s.want(s.AddMembers(s.Context(), ann, a.ID, []int64{bob}), store.ErrNotFound)
	s.followAs(ann, bob, store.Following)
	s.followAs(ann, eve, store.Following)
	s.want(s.AddMembers(s.Context(), ann, a.ID, []int64{bob, joe}), store.ErrNotFound)
	s.same(s.people(store.Members, a.ID, store.Page{}), []int64(nil))
	s.want(s.AddMembers(s.Context(), ann, a.ID, []int64{bob, eve, ann}), nil)
	s.want(s.AddMembers(s.Context(), ann, a.ID, []int64{bob}), nil)
	s.want(s.AddMembers(s.Context(), bob, a.ID, []int64{bob}), store.ErrNotFound)
	s.same(s.people(store.Members, a.ID, store.Page{}), []int64{ann, eve, bob})
	with, err := s.ListsWith(s.Context(), ann, bob)
	s.want(err, nil)
	s.same(with, []store.List{a})
	s.want(s.RemoveMembers(s.Context(), ann, a.ID, []int64{bob, joe}), nil)
	s.want(s.RemoveMembers(s.Context(), bob, a.ID, []int64{eve}), store.ErrNotFound)
	s.same(s.people(store.Members, a.ID, store.Page{}), []int64{ann, eve})
	a.Title, a.Exclusive = "aa", true
	s.want(s.EditList(s.Context(), a), nil)
	got, err := s.List(s.Context(), ann, a.ID)
	s.want(err, nil)
	s.same(got, a)
	a.Owner = bob
	s.want(s.EditList(s.Context(), a), store.ErrNotFound)
	s.want(s.DeleteList(s.Context(), bob, a.ID), store.ErrNotFound)
	s.want(s.DeleteList(s.Context(), ann, a.ID), nil)
	_, err = s.List(s.Context(), ann, a.ID)
	s.want(err, store.ErrNotFound)
	s.same(s.people(store.Members, a.ID, store.Page{}), []int64(nil))
	for i := 1; i < store.MaxLists; i++ {
		_, err := s.AddList(s.Context(), store.List{Owner: ann, Title: fmt.Sprint(i), Replies: "list"})
		s.want(err, nil)
	}
	_, err = s.AddList(s.Context(), store.List{Owner: ann, Title: "one more", Replies: "list"})
	s.want(err, store.ErrTooMany)
}

func filters(s *suite) {
	p := s.post(bob, store.Public)
	until := s.clock.Now().Add(time.Hour)
	f, err := s.AddFilter(s.Context(), store.Filter{
		User: ann, Title: "cats", Contexts: []string{"home", "public"}, Action: "warn", Expires: until,
		Keywords: []store.Keyword{{Text: "cat", WholeWord: true}, {Text: "meow"}},
	})
	s.want(err, nil)
	s.reopen()
	all, err := s.Filters(s.Context(), ann)
	s.want(err, nil)
	s.same(all, []store.Filter{f})
	if f.Keywords[0].ID == 0 || f.Keywords[0].ID == f.Keywords[1].ID {
		s.Errorf("keywords without ids of their own: %v", f.Keywords)
	}
	kept := f.Keywords[1]
	f, err = s.EditFilter(s.Context(), ann, f.ID, func(f *store.Filter) error {
		f.Keywords = append(f.Keywords[1:], store.Keyword{Text: "purr"})
		f.Statuses = []store.FilteredStatus{{Status: p.ID}}
		f.Expires, f.Action = time.Time{}, "hide"
		return nil
	})
	s.want(err, nil)
	s.same([]any{f.Keywords[0], len(f.Keywords), f.Statuses[0].Status, f.Action}, []any{kept, 2, p.ID, "hide"})
	all, err = s.Filters(s.Context(), ann)
	s.want(err, nil)
	s.same(all, []store.Filter{f})
	no := errors.New("no")
	_, err = s.EditFilter(s.Context(), ann, f.ID, func(f *store.Filter) error { f.Title = "x"; return no })
	s.want(err, no)
	_, err = s.EditFilter(s.Context(), bob, f.ID, func(*store.Filter) error { return nil })
	s.want(err, store.ErrNotFound)
	_, err = s.DeleteStatus(s.Context(), p.ID, bob, false)
	s.want(err, nil)
	f.Statuses = nil
	all, err = s.Filters(s.Context(), ann)
	s.want(err, nil)
	s.same(all, []store.Filter{f})
	s.want(s.DeleteFilter(s.Context(), bob, f.ID), store.ErrNotFound)
	s.want(s.DeleteFilter(s.Context(), ann, f.ID), nil)
	all, err = s.Filters(s.Context(), ann)
	s.want(err, nil)
	s.same(len(all), 0)
}

func markers(s *suite) {
	m, err := s.SetMarker(s.Context(), ann, "home", 5)
	s.want(err, nil)
	s.same(m, store.Marker{Timeline: "home", LastRead: 5, Version: 1, Updated: s.clock.Now()})
	s.clock.Move(time.Minute)
	m, err = s.SetMarker(s.Context(), ann, "home", 7)
	s.want(err, nil)
	s.same(m, store.Marker{Timeline: "home", LastRead: 7, Version: 2, Updated: s.clock.Now()})
	all, err := s.Markers(s.Context(), ann)
	s.want(err, nil)
	s.same(all, []store.Marker{m})
	all, err = s.Markers(s.Context(), bob)
	s.want(err, nil)
	s.same(len(all), 0)
}

func names(s *suite) {
	for _, d := range []string{"a.example", "b.example", "a.example"} {
		s.want(s.BlockDomain(s.Context(), ann, d), nil)
	}
	list, err := s.DomainBlocks(s.Context(), ann, store.Page{Limit: 10})
	s.want(err, nil)
	s.same([]any{len(list), list[0].Name, list[1].Name}, []any{2, "b.example", "a.example"})
	s.want(s.UnblockDomain(s.Context(), ann, "b.example"), nil)
	list, err = s.DomainBlocks(s.Context(), ann, store.Page{Limit: 10})
	s.want(err, nil)
	s.same(len(list), 1)

	t, err := s.AddFeaturedTag(s.Context(), ann, "cats")
	s.want(err, nil)
	again, err := s.AddFeaturedTag(s.Context(), ann, "cats")
	s.want(err, nil)
	s.same(again, t)
	post := func(author int64, v store.Visibility) store.Status {
		s.clock.Move(time.Hour)
		p, _, err := s.AddStatus(s.Context(), store.Draft{Status: store.Status{Author: author, Visibility: v, Text: "#cats", Tags: []string{"cats"}}})
		s.want(err, nil)
		return p
	}
	last := post(ann, store.Public)
	post(ann, store.Private)
	post(bob, store.Public)
	all, err := s.FeaturedTags(s.Context(), ann)
	s.want(err, nil)
	t.Statuses, t.Last = 1, time.UnixMilli(last.ID>>16)
	s.same(all, []store.FeaturedTag{t})
	for i := 1; i < store.MaxFeatured; i++ {
		_, err := s.AddFeaturedTag(s.Context(), ann, fmt.Sprint("tag", i))
		s.want(err, nil)
	}
	_, err = s.AddFeaturedTag(s.Context(), ann, "more")
	s.want(err, store.ErrTooMany)
	s.want(s.DeleteFeaturedTag(s.Context(), bob, t.ID), store.ErrNotFound)
	s.want(s.DeleteFeaturedTag(s.Context(), ann, t.ID), nil)
}

// eraseSocial: nothing of somebody stays, and the counts of others are right.
func eraseSocial(s *suite) {
	for i := range 5 {
		s.followAs(int64(100+i), ann, store.Following)
		s.followAs(ann, int64(100+i), store.Following)
	}
	s.followAs(ann, bob, store.Asked)
	s.want(s.SetMute(s.Context(), store.Mute{User: bob, Target: ann}), nil)
	s.want(s.SetNote(s.Context(), bob, ann, "x"), nil)
	l, err := s.AddList(s.Context(), store.List{Owner: ann, Title: "x", Replies: "list"})
	s.want(err, nil)
	_, err = s.AddFilter(s.Context(), store.Filter{User: ann, Title: "x", Contexts: []string{"home"}, Action: "warn"})
	s.want(err, nil)
	_, err = s.SetMarker(s.Context(), ann, "home", 1)
	s.want(err, nil)
	portrait := store.File{Hash: "portrait", Type: "image/png", Bytes: 9}
	_, err = s.SetPortrait(s.Context(), ann, store.Avatar, portrait)
	s.want(err, nil)
	var hashes []string
	for more, i := true, 0; more; i++ {
		var gone []store.Media
		gone, more, err = s.Erase(s.Context(), ann, 2)
		s.want(err, nil)
		for _, m := range gone {
			hashes = append(hashes, m.Original.Hash)
		}
		if err != nil || i > 20 {
			s.Fatalf("it does not end: %v", err)
		}
	}
	s.same(hashes, []string{"portrait"})
	for i := range 5 {
		s.counts(int64(100+i), 0, 0, 0)
	}
	s.counts(bob, 0, 0, 0)
	p, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p, store.Profile{User: ann, Privacy: store.Public})
	rels, err := s.Relations(s.Context(), bob, []int64{ann})
	s.want(err, nil)
	s.same([]any{rels[0].Muted, rels[0].Note}, []any{false, ""})
	_, err = s.List(s.Context(), ann, l.ID)
	s.want(err, store.ErrNotFound)
	fs, err := s.Filters(s.Context(), ann)
	s.want(err, nil)
	s.same(len(fs), 0)
}
