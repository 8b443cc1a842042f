package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/porticod/portico/services/photos/store"
)

const cat, dan = 3, 4

// wrote makes a post without pictures as draft says.
func (s *suite) wrote(d store.Draft) store.Status {
	s.Helper()
	if d.Visibility == 0 {
		d.Visibility = store.Public
	}
	p, created, err := s.AddStatus(s.Context(), d)
	if err != nil || !created {
		s.Fatalf("post: created %v, %v", created, err)
	}
	s.clock.Move(time.Millisecond)
	return p
}

func by(author int64, text string) store.Draft {
	return store.Draft{Status: store.Status{Author: author, Text: text}}
}

func answer(author int64, to store.Status) store.Draft {
	d := by(author, "answer")
	d.Parent, d.Visibility = to.ID, to.Visibility
	return d
}

// get reads a post again.
func (s *suite) get(id int64) store.Status {
	s.Helper()
	p, err := s.Status(s.Context(), id)
	s.want(err, nil)
	return p
}

func idsOf(list []store.Status) []int64 {
	var out []int64
	for _, p := range list {
		out = append(out, p.ID)
	}
	return out
}

// follow makes a follow that is granted.
func (s *suite) follow(follower, target int64) {
	s.Helper()
	_, _, err := s.SetFollow(s.Context(), store.Follow{Follower: follower, Target: target, State: store.Following, Reblogs: true})
	s.want(err, nil)
}

// threads: answers are counted, found from both sides and outlive what they
// answer.
func threads(s *suite) {
	root := s.wrote(by(ann, "root"))
	s.same(root.Thread, root.ID)
	a := s.wrote(answer(bob, root))
	s.same([]any{a.Reply, a.Parent, a.ParentAuthor, a.Thread}, []any{true, root.ID, int64(ann), root.ID})
	b := s.wrote(answer(cat, root))
	aa := s.wrote(answer(ann, a))
	private := answer(dan, root)
	private.Visibility = store.Private
	c := s.wrote(private)
	s.same(s.get(root.ID).Replies, int64(2))
	for _, c := range []struct {
		store.Feed
		want int64
	}{
		{store.Feed{Authors: []int64{ann}, Visibilities: []store.Visibility{store.Public}}, 2},
		{store.Feed{Authors: []int64{ann}, Visibilities: []store.Visibility{store.Public}, NoReplies: true}, 1},
		{store.Feed{Authors: []int64{ann}, Visibilities: []store.Visibility{store.Public}, NoReplies: true, OnlyMedia: true}, 0},
		{store.Feed{Authors: []int64{ann, dan}, Visibilities: []store.Visibility{store.Public, store.Private}}, 3},
		{store.Feed{Authors: []int64{dan}, Visibilities: []store.Visibility{store.Public}}, 0},
	} {
		n, err := s.CountPosts(s.Context(), c.Feed)
		s.want(err, nil)
		s.same(n, c.want)
	}

	wide := store.Bounds{Ancestors: 10, Descendants: 10, Depth: 10}
	up, down, err := s.Thread(s.Context(), root.ID, wide)
	s.want(err, nil)
	s.same([][]int64{idsOf(up), idsOf(down)}, [][]int64{nil, {a.ID, aa.ID, b.ID, c.ID}})
	up, down, err = s.Thread(s.Context(), aa.ID, wide)
	s.want(err, nil)
	s.same([][]int64{idsOf(up), idsOf(down)}, [][]int64{{root.ID, a.ID}, nil})
	up, _, err = s.Thread(s.Context(), aa.ID, store.Bounds{Ancestors: 1, Descendants: 1, Depth: 1})
	s.want(err, nil)
	s.same(idsOf(up), []int64{a.ID})
	_, down, err = s.Thread(s.Context(), root.ID, store.Bounds{Ancestors: 1, Descendants: 10, Depth: 1})
	s.want(err, nil)
	s.same(idsOf(down), []int64{a.ID, b.ID, c.ID})
	_, down, err = s.Thread(s.Context(), root.ID, store.Bounds{Ancestors: 1, Descendants: 2, Depth: 10})
	s.want(err, nil)
	s.same(len(down), 2)

	_, err = s.DeleteStatus(s.Context(), b.ID, cat, false)
	s.want(err, nil)
	s.same(s.get(root.ID).Replies, int64(1))
	_, err = s.DeleteStatus(s.Context(), root.ID, ann, false)
	s.want(err, nil)
	left := s.get(a.ID)
	s.same([]any{left.Reply, left.Parent, left.ParentAuthor, left.Thread}, []any{true, int64(0), int64(0), root.ID})
	gone := answer(bob, root)
	_, _, err = s.AddStatus(s.Context(), gone)
	s.want(err, store.ErrParent)
}

// rewrite: what a post was stays readable, and what it loses goes.
func rewrite(s *suite) {
	one, two := s.add(ann, "one"), s.add(ann, "two")
	d := by(ann, "first #sea")
	d.Mentions, d.Tags, d.MediaIDs = []int64{bob}, []string{"sea"}, []int64{one.ID, two.ID}
	p := s.wrote(d)
	s.clock.Move(time.Hour)
	text := "a dog"
	w := store.Rewrite{
		ID: p.ID, Author: ann, Text: "second #land", Spoiler: "careful", Sensitive: true, Language: "en",
		MediaIDs: []int64{two.ID}, Edits: map[int64]store.Edit{two.ID: {Description: &text}}, Mentions: []int64{cat}, Tags: []string{"land"},
	}
	bad := w
	bad.Author = bob
	_, err := s.Rewrite(s.Context(), bad)
	s.want(err, store.ErrNotFound)
	bad = w
	for _, ids := range [][]int64{{s.add(bob, "bob").ID}, {two.ID, two.ID}} {
		bad.MediaIDs = ids
		_, err = s.Rewrite(s.Context(), bad)
		s.want(err, store.ErrMedia)
	}
	s.same(s.get(p.ID), p)

	got, err := s.Rewrite(s.Context(), w)
	s.want(err, nil)
	s.same([]any{got.Text, got.Spoiler, got.Sensitive, got.Language, got.Mentions, got.Tags, len(got.Media), got.Media[0].Description},
		[]any{w.Text, w.Spoiler, true, "en", []int64{cat}, []string{"land"}, 1, text})
	s.same(got.EditedAt, s.clock.Now())
	s.reopen()
	s.same(s.get(p.ID), got)
	w.Edits = nil
	same, err := s.Rewrite(s.Context(), w)
	s.want(err, nil)
	s.same(same, got)
	versions, err := s.Versions(s.Context(), p.ID)
	s.want(err, nil)
	var texts []string
	for _, v := range versions {
		texts = append(texts, v.Text)
	}
	s.same(texts, []string{p.Text, w.Text})
	s.same(versions[0].At, time.UnixMilli(p.ID>>16))
	s.same(versions[1].At, got.EditedAt)
	loose, err := s.Media(s.Context(), one.ID)
	s.want(err, nil)
	s.same([]any{loose.Status, loose.Visibility}, []any{int64(0), store.Unattached})
	found, err := s.SearchStatuses(s.Context(), store.StatusSearch{Words: "first", Limit: 5})
	s.want(err, nil)
	s.same(len(found), 0)
	for user, n := range map[int64]int{bob: 0, cat: 1} {
		list, err := s.Notices(s.Context(), store.NoticeFeed{User: user, Page: store.Page{Limit: 5}})
		s.want(err, nil)
		s.same(len(list), n)
	}
	_, err = s.Versions(s.Context(), p.ID+1)
	s.want(err, store.ErrNotFound)
}

// marks: set twice they count once, and they page by their own ids.
func marks(s *suite) {
	var posts []store.Status
	for i := range 4 {
		posts = append(posts, s.wrote(by(ann, fmt.Sprint(i))))
	}
	order := []int{2, 0, 3, 1}
	for _, kind := range []store.MarkKind{store.Favourite, store.Bookmark} {
		for _, i := range order {
			for range 2 {
				_, err := s.SetMark(s.Context(), kind, bob, posts[i].ID, true)
				s.want(err, nil)
			}
		}
	}
	s.same(s.get(posts[0].ID).Favourites, int64(1))
	_, err := s.SetMark(s.Context(), store.Favourite, bob, 99, true)
	s.want(err, store.ErrNotFound)
	list, err := s.Marked(s.Context(), store.Favourite, bob, store.Page{Limit: 3})
	s.want(err, nil)
	var got []int64
	for _, m := range list {
		got = append(got, m.Status.ID)
	}
	s.same(got, []int64{posts[1].ID, posts[3].ID, posts[0].ID})
	rest, err := s.Marked(s.Context(), store.Favourite, bob, store.Page{Limit: 3, Max: list[2].ID})
	s.want(err, nil)
	s.same([]any{len(rest), rest[0].Status.ID}, []any{1, posts[2].ID})

	_, err = s.SetMark(s.Context(), store.Favourite, cat, posts[0].ID, true)
	s.want(err, nil)
	who, err := s.MarkedBy(s.Context(), store.Favourite, posts[0].ID, store.Page{Limit: 5})
	s.want(err, nil)
	s.same([]int64{who[0].User, who[1].User}, []int64{cat, bob})
	for range 2 {
		p, err := s.SetMark(s.Context(), store.Favourite, bob, posts[0].ID, false)
		s.want(err, nil)
		s.same(p.Favourites, int64(1))
	}
	s.want(s.MuteThread(s.Context(), bob, posts[0].Thread, true), nil)
	of, err := s.MarksOf(s.Context(), bob, posts[:2])
	s.want(err, nil)
	s.same(of, map[int64]store.Marks{posts[0].ID: {Bookmarked: true, Muted: true}, posts[1].ID: {Favourited: true, Bookmarked: true}})
	s.want(s.MuteThread(s.Context(), bob, posts[0].Thread, false), nil)
	of, err = s.MarksOf(s.Context(), bob, posts[:1])
	s.want(err, nil)
	s.same(of, map[int64]store.Marks{posts[0].ID: {Bookmarked: true}})
	_, err = s.DeleteStatus(s.Context(), posts[0].ID, ann, false)
	s.want(err, nil)
	list, err = s.Marked(s.Context(), store.Bookmark, bob, store.Page{Limit: 9})
	s.want(err, nil)
	s.same(len(list), 3)
}

func pins(s *suite) {
	var posts []store.Status
	for i := range store.MaxPins + 1 {
		posts = append(posts, s.wrote(by(ann, fmt.Sprint(i))))
	}
	for i, p := range posts {
		want := error(nil)
		if i == store.MaxPins {
			want = store.ErrPins
		}
		_, err := s.SetMark(s.Context(), store.Pin, ann, p.ID, true)
		s.want(err, want)
	}
	_, err := s.SetMark(s.Context(), store.Pin, ann, posts[0].ID, true)
	s.want(err, nil) // is so already
	_, err = s.SetMark(s.Context(), store.Pin, bob, posts[0].ID, true)
	s.want(err, store.ErrNotFound)
	_, err = s.SetMark(s.Context(), store.Pin, ann, posts[1].ID, false)
	s.want(err, nil)
	list, err := s.Feed(s.Context(), store.Feed{Authors: []int64{ann}, Visibilities: store.Visibilities[:], Pinned: true, Page: store.Page{Limit: 9}})
	s.want(err, nil)
	s.same(idsOf(list), []int64{posts[4].ID, posts[3].ID, posts[2].ID, posts[0].ID})
}

// together: marks that many set at a time are all counted.
func together(s *suite) {
	p := s.wrote(by(ann, "popular"))
	var wg sync.WaitGroup
	for i := range int64(20) {
		wg.Go(func() {
			_, err := s.SetMark(s.Context(), store.Favourite, 100+i, p.ID, true)
			s.want(err, nil)
			if i%2 == 0 {
				_, err = s.SetMark(s.Context(), store.Favourite, 100+i, p.ID, false)
				s.want(err, nil)
			}
		})
	}
	wg.Wait()
	s.same(s.get(p.ID).Favourites, int64(10))
}

// home: who is followed and which tags, without answers and muted people; of
// direct posts one's own, and those of people who are followed that name one.
func home(s *suite) {
	s.follow(ann, bob)
	s.want(s.FollowTag(s.Context(), ann, "sea", true), nil)
	own := s.wrote(by(ann, "own"))
	of := s.wrote(by(bob, "followed"))
	s.wrote(by(cat, "not followed"))
	private := by(bob, "private")
	private.Visibility = store.Private
	p := s.wrote(private)
	tagged := by(dan, "#sea")
	tagged.Tags = []string{"sea"}
	t := s.wrote(tagged)
	tagged.Visibility = store.Unlisted
	s.wrote(tagged)
	s.wrote(answer(bob, own))
	direct := func(author int64, named ...int64) store.Status {
		d := by(author, "direct")
		d.Visibility, d.Mentions = store.Direct, named
		return s.wrote(d)
	}
	others := []store.Status{direct(bob), direct(bob, cat), direct(cat, ann)}
	mine, toMe := direct(ann, cat), direct(bob, cat, ann)
	read := func(page store.Page, exclude ...int64) []int64 {
		s.Helper()
		if page.Limit == 0 {
			page.Limit = 40
		}
		list, err := s.Feed(s.Context(), store.Feed{Home: ann, Exclude: exclude, Page: page})
		s.want(err, nil)
		return idsOf(list)
	}
	all := []int64{toMe.ID, mine.ID, t.ID, p.ID, of.ID, own.ID}
	s.same(read(store.Page{}), all)
	s.same(read(store.Page{Limit: 2}), all[:2])
	s.same(read(store.Page{Limit: 2, Max: all[1]}), all[2:4])
	s.same(read(store.Page{Limit: 2, Min: own.ID}), []int64{p.ID, of.ID})
	s.same(read(store.Page{Limit: 2, Since: own.ID}), all[:2])
	s.same(read(store.Page{Limit: 1, Min: t.ID}), []int64{mine.ID})
	s.same(read(store.Page{}, dan), append(slices.Clone(all[:2]), all[3:]...))
	s.same(read(store.Page{}, bob), []int64{mine.ID, t.ID, own.ID})
	for _, id := range all {
		yes, err := s.InHome(s.Context(), ann, id)
		s.want(err, nil)
		s.same(yes, true)
	}
	for _, d := range others {
		yes, err := s.InHome(s.Context(), ann, d.ID)
		s.want(err, nil)
		s.same(yes, false)
	}
	yes, err := s.InHome(s.Context(), cat, of.ID)
	s.want(err, nil)
	s.same(yes, false)

	l, err := s.AddList(s.Context(), store.List{Owner: ann, Title: "bob's alone", Replies: "none", Exclusive: true})
	s.want(err, nil)
	s.want(s.AddMembers(s.Context(), ann, l.ID, []int64{bob}), nil)
	s.same(read(store.Page{}), []int64{mine.ID, t.ID, own.ID})
	yes, err = s.InHome(s.Context(), ann, toMe.ID)
	s.want(err, nil)
	s.same(yes, false)
	s.want(s.DeleteList(s.Context(), ann, l.ID), nil)

	s.want(s.SetMute(s.Context(), store.Mute{User: ann, Target: bob, Expires: s.clock.Now().Add(time.Hour)}), nil)
	muted, err := s.Muted(s.Context(), ann, bob)
	s.want(err, nil)
	s.same(muted, true)
	s.same(read(store.Page{}), []int64{mine.ID, t.ID, own.ID})
	yes, err = s.InHome(s.Context(), ann, of.ID)
	s.want(err, nil)
	s.same(yes, false)
	s.clock.Move(2 * time.Hour)
	s.same(read(store.Page{}), all)
	s.want(s.FollowTag(s.Context(), ann, "sea", false), nil)
	s.want(s.Unfollow(s.Context(), ann, bob), nil)
	s.same(read(store.Page{}), []int64{mine.ID, own.ID})

	// Pages reach over any time, both ways.
	s.clock.Move(10 * 24 * time.Hour)
	later := s.wrote(by(ann, "later"))
	s.clock.Move(100 * 24 * time.Hour)
	last := s.wrote(by(ann, "last"))
	s.same(read(store.Page{Limit: 4}), []int64{last.ID, later.ID, mine.ID, own.ID})
	s.same(read(store.Page{Limit: 1, Max: last.ID}), []int64{later.ID})
	s.same(read(store.Page{Limit: 1, Min: mine.ID}), []int64{later.ID})
	s.same(read(store.Page{Limit: 2, Min: mine.ID}), []int64{last.ID, later.ID})
	s.same(read(store.Page{Limit: 9, Min: mine.ID, Max: last.ID}), []int64{later.ID})
}

func listFeed(s *suite) {
	s.follow(ann, bob)
	s.follow(ann, cat)
	l, err := s.AddList(s.Context(), store.List{Owner: ann, Title: "friends", Replies: "list"})
	s.want(err, nil)
	s.want(s.AddMembers(s.Context(), ann, l.ID, []int64{bob}), nil)
	root := s.wrote(by(bob, "root"))
	other := s.wrote(by(cat, "not a member"))
	stranger := s.wrote(by(dan, "stranger"))
	self := s.wrote(answer(bob, root))
	toCat := s.wrote(answer(bob, other))
	s.wrote(answer(bob, stranger))
	for policy, want := range map[string][]int64{"none": {self.ID, root.ID}, "list": {self.ID, root.ID}, "followed": {toCat.ID, self.ID, root.ID}} {
		l.Replies = policy
		s.want(s.EditList(s.Context(), l), nil)
		list, err := s.Feed(s.Context(), store.Feed{List: l.ID, Page: store.Page{Limit: 9}})
		s.want(err, nil)
		s.same(idsOf(list), want)
		for _, p := range []store.Status{root, self, toCat, other} {
			yes, err := s.InList(s.Context(), l.ID, p.ID)
			s.want(err, nil)
			s.same(yes, slices.Contains(want, p.ID))
		}
	}
}

func conversations(s *suite) {
	d := by(ann, "hello")
	d.Visibility, d.Mentions = store.Direct, []int64{bob}
	first := s.wrote(d)
	reply := answer(bob, first)
	reply.Mentions = []int64{ann}
	second := s.wrote(reply)
	d.Mentions = []int64{cat}
	s.wrote(d)
	list := func(user int64) []store.Conversation {
		s.Helper()
		l, err := s.Conversations(s.Context(), user, store.Page{Limit: 9})
		s.want(err, nil)
		return l
	}
	l := list(ann)
	s.same([]any{len(l), l[1].Last.ID, l[1].Unread, l[1].With, l[0].Unread}, []any{2, second.ID, true, []int64{bob}, false})
	one, err := s.ReadConversation(s.Context(), ann, l[1].ID)
	s.want(err, nil)
	s.same(one.Unread, false)
	of, err := s.ConversationOf(s.Context(), ann, first.Thread)
	s.want(err, nil)
	s.same(of, one)
	_, err = s.ReadConversation(s.Context(), bob, l[1].ID)
	s.want(err, store.ErrNotFound)
	s.want(s.DropConversation(s.Context(), bob, l[1].ID), store.ErrNotFound)
	_, err = s.DeleteStatus(s.Context(), second.ID, bob, false)
	s.want(err, nil)
	s.same(list(ann)[1].Last.ID, first.ID)
	s.want(s.DropConversation(s.Context(), ann, l[1].ID), nil)
	s.same(len(list(ann)), 1)
	_, err = s.DeleteStatus(s.Context(), first.ID, ann, false)
	s.want(err, nil)
	s.same(len(list(bob)), 0)
	_, err = s.ConversationOf(s.Context(), bob, first.Thread)
	s.want(err, store.ErrNotFound)
}
