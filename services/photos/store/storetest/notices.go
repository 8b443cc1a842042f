package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

// told are the notices of user, newest first, without their ids.
func (s *suite) told(user int64) []store.Notice {
	s.Helper()
	list, err := s.Notices(s.Context(), store.NoticeFeed{User: user, Page: store.Page{Limit: 80}})
	s.want(err, nil)
	for i := range list {
		list[i].ID = 0
	}
	return list
}

func notices(s *suite) {
	w := s.witness()
	d := by(ann, "@bob")
	d.Mentions = []int64{ann, bob} // naming oneself is nothing to be told of
	p := s.wrote(d)
	for range 2 {
		_, err := s.SetMark(s.Context(), store.Favourite, bob, p.ID, true)
		s.want(err, nil)
	}
	s.follow(cat, ann)
	_, _, err := s.SetFollow(s.Context(), store.Follow{Follower: dan, Target: ann, State: store.Following, Notify: true})
	s.want(err, nil)
	q := s.wrote(by(ann, "second"))
	s.same(s.told(bob), []store.Notice{{User: bob, Kind: store.NoticeMention, Actor: ann, Status: p.ID}})
	s.same(s.told(dan), []store.Notice{{User: dan, Kind: store.NoticeStatus, Actor: ann, Status: q.ID}})
	heard := w.notices()
	s.same(heard[len(heard)-1].User, int64(dan))
	want := []store.Notice{
		{User: ann, Kind: store.NoticeFollow, Actor: dan}, {User: ann, Kind: store.NoticeFollow, Actor: cat},
		{User: ann, Kind: store.NoticeFavourite, Actor: bob, Status: p.ID},
	}
	s.same(s.told(ann), want)
	s.same(len(heard), 5)

	for name, c := range map[string]struct {
		f    store.NoticeFeed
		want int
	}{
		"kinds":    {store.NoticeFeed{Kinds: []store.NoticeKind{store.NoticeFollow}}, 2},
		"no kinds": {store.NoticeFeed{Kinds: []store.NoticeKind{}}, 0},
		"actor":    {store.NoticeFeed{Actor: cat}, 1},
		"without":  {store.NoticeFeed{Exclude: []int64{cat, dan}}, 1},
		"older":    {store.NoticeFeed{Page: store.Page{Max: heard[len(heard)-2].ID}}, 2},
		"one":      {store.NoticeFeed{Page: store.Page{Limit: 1}}, 1},
	} {
		if c.f.User = ann; c.f.Limit == 0 {
			c.f.Limit = 9
		}
		list, err := s.Notices(s.Context(), c.f)
		s.want(err, nil)
		n, err := s.CountNotices(s.Context(), c.f)
		s.want(err, nil)
		if len(list) != c.want || n != int64(c.want) {
			s.Errorf("%s: %d notices, %d counted, not %d", name, len(list), n, c.want)
		}
	}
	// What is undone is not told of any more.
	_, err = s.SetMark(s.Context(), store.Favourite, bob, p.ID, false)
	s.want(err, nil)
	s.same(s.told(ann), want[:2])
	_, err = s.DeleteStatus(s.Context(), p.ID, ann, false)
	s.want(err, nil)
	s.same(len(s.told(bob)), 0)
	list, err := s.Notices(s.Context(), store.NoticeFeed{User: ann, Page: store.Page{Limit: 9}})
	s.want(err, nil)
	one, err := s.Notice(s.Context(), ann, list[0].ID)
	s.want(err, nil)
	s.same(one, list[0])
	_, err = s.Notice(s.Context(), bob, list[0].ID)
	s.want(err, store.ErrNotFound)
	s.want(s.DropNotice(s.Context(), bob, list[0].ID), store.ErrNotFound)
	s.want(s.DropNotice(s.Context(), ann, list[0].ID), nil)
	s.same(len(s.told(ann)), 1)
	s.want(s.ClearNotices(s.Context(), ann), nil)
	s.same(len(s.told(ann)), 0)
	s.same(len(s.told(dan)), 1)
}

// silence: who muted somebody or a conversation is not told.
func silence(s *suite) {
	p := s.wrote(by(ann, "root"))
	mention := answer(bob, p)
	mention.Mentions = []int64{ann}
	s.want(s.MuteThread(s.Context(), ann, p.Thread, true), nil)
	s.wrote(mention)
	s.same(len(s.told(ann)), 0)
	s.want(s.MuteThread(s.Context(), ann, p.Thread, false), nil)
	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: bob, Notifications: true, Expires: s.clock.Now().Add(time.Hour)}), nil)
	s.wrote(mention)
	s.same(len(s.told(ann)), 0)
	s.clock.Move(2 * time.Hour)
	s.wrote(mention)
	s.same(len(s.told(ann)), 1)
	// What came before a mute is hidden as long as it lasts.
	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: bob, Notifications: true}), nil)
	s.same(len(s.told(ann)), 0)
	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: bob}), nil)
	s.same(len(s.told(ann)), 1)
}

// noticeLimit: of too many the oldest go, sooner or later.
func noticeLimit(s *suite) {
	p := s.wrote(by(ann, "popular"))
	const more, at = 100, 20
	var wg sync.WaitGroup
	for first := range int64(at) {
		wg.Go(func() {
			for who := first; who < store.MaxNotices+more; who += at {
				if _, err := s.SetMark(s.Context(), store.Favourite, 100+who, p.ID, true); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n, err := s.CountNotices(s.Context(), store.NoticeFeed{User: ann, Page: store.Page{Limit: 2 * store.MaxNotices}})
	s.want(err, nil)
	if n < store.MaxNotices || n >= store.MaxNotices+more {
		s.Errorf("%d notices are left", n)
	}
}

// erasePosts: nothing of somebody stays, and what counted them is right.
func erasePosts(s *suite) {
	p := s.wrote(by(bob, "stays"))
	for i := range 5 {
		d := answer(ann, p)
		d.Mentions, d.Tags = []int64{bob}, []string{fmt.Sprint("tag", i)}
		mine := s.wrote(d)
		_, err := s.SetMark(s.Context(), store.Bookmark, ann, mine.ID, true)
		s.want(err, nil)
	}
	to := by(bob, "to ann")
	to.Visibility, to.Mentions = store.Direct, []int64{ann}
	direct := s.wrote(to)
	_, err := s.SetMark(s.Context(), store.Favourite, ann, p.ID, true)
	s.want(err, nil)
	s.want(s.FollowTag(s.Context(), ann, "tag1", true), nil)
	s.want(s.MuteThread(s.Context(), ann, p.Thread, true), nil)
	for more := true; more; {
		_, more, err = s.Erase(s.Context(), ann, 2)
		if err != nil {
			s.Fatal(err)
		}
	}
	left := s.get(p.ID)
	s.same([]int64{left.Favourites, left.Replies}, []int64{0, 0})
	s.same(s.get(direct.ID).Mentions, []int64(nil))
	s.same(len(s.told(bob)), 0)
	s.same(len(s.told(ann)), 0)
	l, err := s.Conversations(s.Context(), ann, store.Page{Limit: 9})
	s.want(err, nil)
	s.same(len(l), 0)
	marked, err := s.Marked(s.Context(), store.Bookmark, ann, store.Page{Limit: 9})
	s.want(err, nil)
	s.same(len(marked), 0)
	followed, err := s.FollowedTags(s.Context(), ann, store.Page{Limit: 9})
	s.want(err, nil)
	s.same(len(followed), 0)
}
