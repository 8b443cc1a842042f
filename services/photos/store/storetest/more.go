package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

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
	// Those that were removed count too.
	const far = 12 * 365 * 24 * time.Hour
	s.clock.Move(far)
	for name, remove := range map[string]func() int64{
		"post": func() int64 {
			p := s.post(ann, store.Public)
			_, err := s.DeleteStatus(s.Context(), p.ID, ann, false)
			s.want(err, nil)
			return p.ID
		},
		"picture": func() int64 {
			m := s.add(ann, "gone")
			_, err := s.RemoveMedia(s.Context(), m.ID, ann)
			s.want(err, nil)
			return m.ID
		},
		"story": func() int64 {
			story, err := s.AddStory(s.Context(), store.Story{Owner: ann, Media: s.add(ann, "story"), Visibility: store.Public, Expires: s.clock.Now()})
			s.want(err, nil)
			_, err = s.RemoveStory(s.Context(), story.ID, ann)
			s.want(err, nil)
			return story.ID
		},
		"upload": func() int64 {
			u, err := s.AddUpload(s.Context(), store.Upload{Owner: ann, Length: 1, Expires: s.clock.Now()}, 2, 0)
			s.want(err, nil)
			s.clock.Move(time.Second)
			_, _, err = s.ExpireUploads(s.Context(), s.clock.Now(), 10)
			s.want(err, nil)
			return u.ID
		},
	} {
		gone := remove()
		s.clock.Move(-far)
		s.reopen()
		if id := s.post(ann, store.Public).ID; id <= gone {
			s.Errorf("id %d after the %s %d, which was removed", id, name, gone)
		}
		s.clock.Move(far + time.Minute)
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
	s.same(none, store.Profile{User: ann, Privacy: store.Public})
	first := s.post(ann, store.Public)
	s.clock.Move(time.Hour)
	second := s.post(ann, store.Private)
	p, err := s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p, store.Profile{User: ann, Privacy: store.Public, Statuses: 2, LastStatus: time.UnixMilli(second.ID >> 16)})
	_, err = s.DeleteStatus(s.Context(), second.ID, ann, false)
	s.want(err, nil)
	p, err = s.Profile(s.Context(), ann)
	s.want(err, nil)
	s.same(p, store.Profile{User: ann, Privacy: store.Public, Statuses: 1, LastStatus: time.UnixMilli(first.ID >> 16)})
	s.post(bob, store.Public)
	s.add(ann, "incomplete")
	totals, err := s.Totals(s.Context())
	s.want(err, nil)
	s.same(totals, store.Totals{Statuses: 2, Authors: 2, Incomplete: 1})
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
	s.same(p, store.Profile{User: ann, Privacy: store.Public})
	used, err := s.Referenced(s.Context(), "loose1-original")
	s.want(err, nil)
	s.same(used, false)
}
