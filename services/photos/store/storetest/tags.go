package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

func tags(s *suite) {
	tagged := func(author int64, v store.Visibility, names ...string) store.Status {
		d := by(author, "tags")
		d.Tags, d.Visibility = names, v
		return s.wrote(d)
	}
	a := tagged(ann, store.Public, "sea")
	b := tagged(bob, store.Public, "sea", "sun")
	tagged(bob, store.Unlisted, "sea")
	c := tagged(cat, store.Public, "sun", "rain")
	s.same(b.Tags, []string{"sea", "sun"})
	for name, want := range map[string]struct {
		q    store.TagQuery
		want []int64
	}{
		"one":     {store.TagQuery{Any: []string{"sea"}}, []int64{b.ID, a.ID}},
		"any":     {store.TagQuery{Any: []string{"sea", "sun"}}, []int64{c.ID, b.ID, a.ID}},
		"all":     {store.TagQuery{Any: []string{"sea"}, All: []string{"sun"}}, []int64{b.ID}},
		"none":    {store.TagQuery{Any: []string{"sea"}, None: []string{"sun"}}, []int64{a.ID}},
		"unknown": {store.TagQuery{Any: []string{"fog"}}, nil},
	} {
		list, err := s.Feed(s.Context(), store.Feed{Tags: &want.q, Page: store.Page{Limit: 9}})
		s.want(err, nil)
		if got := idsOf(list); !slices.Equal(got, want.want) {
			s.Errorf("%s: %v instead of %v", name, got, want.want)
		}
	}
	list, err := s.Feed(s.Context(), store.Feed{Authors: []int64{bob}, Visibilities: store.Visibilities[:1], Tagged: "sun", Page: store.Page{Limit: 9}})
	s.want(err, nil)
	s.same(idsOf(list), []int64{b.ID})

	s.clock.Move(24 * time.Hour)
	tagged(ann, store.Public, "sea")
	got, err := s.Tags(s.Context(), ann, []string{"sea", "fog"})
	s.want(err, nil)
	s.same([]any{got[0].Name, got[1].Name, len(got[0].History), got[1].ID}, []any{"sea", "fog", store.TagDays, int64(0)})
	s.same([]int64{got[0].History[0].Uses, got[0].History[1].Uses, got[0].History[1].Accounts, got[0].History[2].Uses}, []int64{1, 2, 2, 0})

	for range 2 {
		s.want(s.FollowTag(s.Context(), ann, "fog", true), nil)
	}
	s.want(s.FollowTag(s.Context(), ann, "sea", true), nil)
	followed, err := s.FollowedTags(s.Context(), ann, store.Page{Limit: 1})
	s.want(err, nil)
	s.same([]any{len(followed), followed[0].Name, followed[0].Following}, []any{1, "sea", true})
	followed, err = s.FollowedTags(s.Context(), ann, store.Page{Limit: 1, Max: followed[0].ID})
	s.want(err, nil)
	s.same(followed[0].Name, "fog")
	s.want(s.FollowTag(s.Context(), ann, "fog", false), nil)

	found, err := s.SearchTags(s.Context(), ann, "s", 5, 0)
	s.want(err, nil)
	s.same([]any{len(found), found[0].Name, found[1].Name, found[0].Following}, []any{2, "sea", "sun", true})
	found, err = s.SearchTags(s.Context(), ann, "", 5, 0)
	s.want(err, nil)
	s.same(len(found), 0)
	trends, err := s.TrendingTags(s.Context(), ann, 2, 1)
	s.want(err, nil)
	s.same([]any{len(trends), trends[0].Name}, []any{2, "sun"})
}

func tagLimit(s *suite) {
	for i := range store.MaxTagFollows {
		s.want(s.FollowTag(s.Context(), ann, fmt.Sprint("t", i), true), nil)
	}
	s.want(s.FollowTag(s.Context(), ann, "more", true), store.ErrTooManyTags)
}

func trending(s *suite) {
	old := s.wrote(by(ann, "old"))
	s.clock.Move(8 * 24 * time.Hour)
	a, b := s.wrote(by(ann, "a")), s.wrote(by(bob, "b"))
	s.wrote(by(cat, "nobody cares"))
	for _, p := range []store.Status{old, a, b} {
		_, err := s.SetMark(s.Context(), store.Favourite, dan, p.ID, true)
		s.want(err, nil)
	}
	s.wrote(answer(cat, a))
	list, err := s.TrendingStatuses(s.Context(), nil, 9, 0)
	s.want(err, nil)
	s.same(idsOf(list), []int64{a.ID, b.ID})
	list, err = s.TrendingStatuses(s.Context(), []int64{ann}, 9, 0)
	s.want(err, nil)
	s.same(idsOf(list), []int64{b.ID})
}

func searchPosts(s *suite) {
	m := s.add(ann, "lighthouse")
	d := by(ann, "Sunset at the café")
	d.MediaIDs = []int64{m.ID}
	p := s.wrote(d)
	private := by(ann, "private sunset")
	private.Visibility, private.Mentions = store.Private, []int64{cat}
	q := s.wrote(private)
	s.follow(dan, ann)
	find := func(viewer int64, words string) []int64 {
		s.Helper()
		list, err := s.SearchStatuses(s.Context(), store.StatusSearch{Viewer: viewer, Words: words, Limit: 9})
		s.want(err, nil)
		return idsOf(list)
	}
	for _, words := range []string{"sunset", "SUN", "cafe", "lighthouse", "sunset cafe", `sun"set`} {
		if got := find(bob, words); !slices.Equal(got, []int64{p.ID}) && words != `sun"set` {
			s.Errorf("%q finds %v", words, got)
		}
	}
	for _, viewer := range []int64{ann, cat, dan} {
		s.same(find(viewer, "sunset"), []int64{q.ID, p.ID})
	}
	for _, words := range []string{"", "OR", `" OR *`, "moon", "NEAR(", "text:x"} {
		if got := find(ann, words); len(got) > 0 {
			s.Errorf("%q finds %v", words, got)
		}
	}
	for name, f := range map[string]store.StatusSearch{
		"of another": {Author: bob}, "excluded": {Exclude: []int64{ann}}, "older": {Max: p.ID}, "newer": {Min: p.ID}, "further": {Offset: 1},
	} {
		f.Viewer, f.Words, f.Limit = bob, "sunset", 9
		list, err := s.SearchStatuses(s.Context(), f)
		s.want(err, nil)
		if len(list) > 0 {
			s.Errorf("%s: %v", name, idsOf(list))
		}
	}
	_, err := s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, nil)
	s.same(find(bob, "sunset"), []int64(nil))
}
