package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

// changes: what is done to messages is stored once, and found by who was away.
func changes(s *suite) {
	conv := s.direct(Alice, Bob)
	s.ok(s.store.AddBlob(s.ctx(), Alice, store.Blob{ID: "b", Hash: "h", Name: "n", Type: "image/png", Size: 3}, 100))
	s.say(Alice, conv, "1", "with a picture", "b")
	s.say(Alice, conv, "2", "without")
	sent, err := s.store.Send(s.ctx(), []store.Draft{{From: Bob, Conv: conv, CID: "1", Text: "an answer", ReplyTo: 1}})
	s.ok(err)
	if len(sent) != 1 || sent[0].Seq != 3 || sent[0].Err != nil {
		s.Errorf("an answer: %+v", sent)
	}
	was := s.store.Cursor()
	did := func(d store.Did, err error) int64 {
		s.Helper()
		s.ok(err)
		return d.Seq
	}
	for _, twice := range []func() int64{
		func() int64 { return did(s.store.Edit(s.ctx(), Alice, conv, 1, "", nil)) }, // the picture stays
		func() int64 { return did(s.store.React(s.ctx(), Bob, conv, 1, "👍", true, nil)) },
		func() int64 { return did(s.store.React(s.ctx(), Bob, conv, 1, "🎉", true, nil)) },
		func() int64 { return did(s.store.React(s.ctx(), Bob, conv, 1, "🎉", false, nil)) },
		func() int64 { return did(s.store.Delete(s.ctx(), Bob, conv, 3)) },
		func() int64 { s.ok(s.store.Hide(s.ctx(), Alice, conv, 3)); return 0 },
	} {
		if first, again := twice(), twice(); first != again {
			s.Errorf("done at %d, and again at %d", first, again)
		}
	}
	_, err = s.store.Edit(s.ctx(), Alice, conv, 2, "", nil)
	s.is(err, store.ErrEmpty)
	if at := did(s.store.Edit(s.ctx(), Alice, conv, 2, "without", nil)); at != 2 {
		s.Errorf("what was so from the start was said at %d", at)
	}
	s.ok(s.store.Mark(s.ctx(), Bob, conv, 100, 100, false, nil)) // all there is
	plan, err := s.store.Plan(s.ctx(), Alice.ID, was, s.store.Cursor(), 100)
	s.ok(err)
	missed, err := plan.Load(s.ctx(), 100)
	s.ok(err)
	var types []store.EventType
	for _, e := range missed {
		types = append(types, e.Type)
	}
	for _, want := range []store.EventType{store.Edit, store.Reaction, store.Delete, store.Hidden, store.Mark} {
		if !slices.Contains(types, want) {
			s.Errorf("%v is not in %v", want, types)
		}
	}
	readers, more, err := s.store.Receipts(s.ctx(), Alice.ID, conv, 1, "", 10)
	s.ok(err)
	if len(readers) != 1 || readers[0].Person != Bob || readers[0].Read <= 3 || more {
		s.Errorf("read by %+v", readers)
	}
}

// settings: what one has set is one's own, and what one clears is gone for oneself.
func settings(s *suite) {
	conv, g := s.direct(Alice, Bob), s.group(Alice, Bob)
	s.say(Alice, conv, "1", "x")
	s.say(Bob, conv, "2", "y")
	until, yes, no := int64(99), true, false
	set := store.Settings{MutedUntil: &until, Archived: &yes, Pinned: &yes, Unread: &yes}
	for range 2 {
		s.ok(s.store.Configure(s.ctx(), Alice, conv, set))
	}
	sum, err := s.store.Conversation(s.ctx(), Alice.ID, conv)
	s.ok(err)
	if sum.MutedUntil != 99 || !sum.Archived || !sum.Pinned || !sum.MarkedUnread {
		s.Errorf("%+v", sum)
	}
	s.ok(s.store.Mark(s.ctx(), Alice, conv, 2, 2, false, nil))
	s.ok(s.store.Configure(s.ctx(), Alice, conv, store.Settings{Archived: &no}))
	if sum, err = s.store.Conversation(s.ctx(), Alice.ID, conv); err != nil || sum.MarkedUnread || sum.Archived || !sum.Pinned {
		s.Errorf("%+v, %v", sum, err)
	}
	theirs, err := s.store.Conversation(s.ctx(), Bob.ID, conv)
	s.ok(err)
	if theirs.Pinned || theirs.MutedUntil != 0 {
		s.Errorf("of another: %+v", theirs)
	}
	var listed []store.ConvID
	for after := ""; ; {
		sums, next, err := s.store.Conversations(s.ctx(), Alice.ID, after, 1)
		s.ok(err)
		for _, one := range sums {
			listed = append(listed, one.ID)
		}
		if after = next; next == "" {
			break
		}
	}
	if !slices.Equal(listed, []store.ConvID{conv, g}) {
		s.Errorf("listed %v", listed)
	}
	peers, err := s.store.Peers(s.ctx(), Alice.ID, 10)
	s.ok(err)
	shared, err := s.store.Shared(s.ctx(), Alice.ID, []int64{Bob.ID, Carol.ID})
	s.ok(err)
	kind, others, err := s.store.Companions(s.ctx(), Alice.ID, g, 10)
	s.ok(err)
	bob := []int64{Bob.ID}
	if !slices.Equal(peers, bob) || !slices.Equal(shared, bob) || !slices.Equal(others, bob) || kind != store.Group {
		s.Errorf("peers %v, shared with %v, companions %v in a %s", peers, shared, others, kind)
	}
	for _, p := range []store.Person{Alice, Bob} { // nobody sees the messages then
		for range 2 {
			s.ok(s.store.Clear(s.ctx(), p, conv))
		}
	}
	for more := true; more; {
		more, err = s.store.Erasing(s.ctx())
		s.ok(err)
	}
	s.say(Bob, conv, "3", "anew")
	if got := strings.TrimSpace(s.texts(Alice, conv)); got != "anew" {
		s.Errorf("after both cleared it alice sees %q", got)
	}
}

// invites: whoever has the code of a group comes in, until it is another.
func invites(s *suite) {
	g := s.group(Alice, Bob)
	s.ok(s.store.AddBlob(s.ctx(), Alice, store.Blob{ID: "p", Hash: "p", Type: "image/png", Size: 3}, 100))
	title, picture, none := "Another", "p", ""
	_, err := s.store.UpdateGroup(s.ctx(), Alice, g, &title, &picture)
	s.ok(err)
	s.ok(s.store.SetAvatar(s.ctx(), Alice, "p"))
	code, err := s.store.Invite(s.ctx(), Alice, g, false)
	s.ok(err)
	again, err := s.store.Invite(s.ctx(), Alice, g, false)
	s.ok(err)
	sum, err := s.store.Invited(s.ctx(), code)
	s.ok(err)
	if code != again || sum.Title != title || sum.Avatar != picture || sum.MembersCount != 2 {
		s.Errorf("%s and %s invite to %+v", code, again, sum)
	}
	for i, want := range []bool{true, false} {
		if _, joined, err := s.store.Join(s.ctx(), Carol, code, 10); err != nil || joined != want {
			s.Errorf("try %d: joined %v, %v", i, joined, err)
		}
	}
	_, _, err = s.store.Join(s.ctx(), Eve, code, 3)
	s.is(err, store.ErrCrowded)
	s.ok(s.store.AddMember(s.ctx(), Alice, g, Carol, "admin", 10, nil))
	members, more, err := s.store.Members(s.ctx(), Bob.ID, g, "", 2)
	s.ok(err)
	rest, _, err := s.store.Members(s.ctx(), Bob.ID, g, "bob", 2)
	s.ok(err)
	if len(members) != 2 || !more || len(rest) != 1 || rest[0].Role != "admin" {
		s.Errorf("%+v and %+v", members, rest)
	}
	s.ok(s.store.Uninvite(s.ctx(), Carol, g))
	_, err = s.store.Invited(s.ctx(), code)
	s.is(err, store.ErrInvite)
	_, err = s.store.UpdateGroup(s.ctx(), Carol, g, nil, &none)
	s.ok(err)
	for _, p := range []store.Person{Alice, Bob, Carol} { // the last one takes the group with him
		s.ok(s.store.RemoveMember(s.ctx(), p, g, p))
		if p != Carol {
			s.ok(s.store.Clear(s.ctx(), p, g))
		}
	}
	for more := true; more; {
		more, err = s.store.Erasing(s.ctx())
		s.ok(err)
	}
	_, err = s.store.Conversation(s.ctx(), Carol.ID, g)
	s.is(err, store.ErrNotFound)
	_, err = s.store.Collect(s.ctx(), time.Now().Add(time.Hour))
	s.ok(err)
}
