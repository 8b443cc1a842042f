package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/porticod/portico/services/chat/store"
)

func heirs(s *suite) {
	g := s.group(Alice, Bob, Carol)
	s.ok(s.store.AddMember(s.ctx(), Alice, g, Carol, store.Admin, 10, nil))
	s.ok(s.store.RemoveMember(s.ctx(), Alice, g, Alice))
	s.is(s.store.RemoveMember(s.ctx(), Bob, g, Carol), store.ErrForbidden)
	ms, _, err := s.store.Members(s.ctx(), Bob.ID, g, "", 10)
	s.ok(err)
	if fmt.Sprint(ms) != "[{{2 bob} member 0 0} {{3 carol} owner 0 0}]" {
		s.Errorf("%v", ms)
	}
	s.ok(s.store.RemoveMember(s.ctx(), Carol, g, Carol))
	s.is(s.store.RemoveMember(s.ctx(), Bob, g, Carol), store.ErrMember)
	s.ok(s.store.RemoveMember(s.ctx(), Bob, g, Bob))
	for _, p := range []store.Person{Alice, Bob, Carol} {
		_, err := s.store.Conversation(s.ctx(), p.ID, g)
		s.is(err, store.ErrNotFound)
	}
}

func marks(s *suite) {
	conv := s.direct(Alice, Bob)
	for i := range 5 {
		s.say(Alice, conv, fmt.Sprint(i), "x")
	}
	show := func(p store.Person) string {
		ms, _, err := s.store.Members(s.ctx(), p.ID, conv, "b", 1)
		s.ok(err)
		return fmt.Sprint(ms[0].Recv, ms[0].Read)
	}
	everybody := blocker(func(int64) bool { return true })
	for _, m := range []struct {
		recv, read int64
		quiet      bool
		blocked    store.Blocker
		own, seen  string
	}{
		{2, 0, false, nil, "2 0", "2 0"}, {0, 1, false, nil, "2 1", "2 1"}, {0, 3, true, nil, "3 3", "3 1"},
		{1, 1, false, nil, "3 3", "3 1"}, {4, 4, false, everybody, "4 4", "3 1"}, {99, 99, false, nil, "5 5", "5 5"},
	} {
		s.ok(s.store.Mark(s.ctx(), Bob, conv, m.recv, m.read, m.quiet, m.blocked))
		if own, seen := show(Bob), show(Alice); own != m.own || seen != m.seen {
			s.Errorf("%+v: %s, and the other sees %s", m, own, seen)
		}
	}
	s.is(s.store.Mark(s.ctx(), Eve, conv, 1, 1, false, nil), store.ErrNotFound)
}

func blobs(s *suite) {
	conv := s.direct(Alice, Bob)
	add := func(id string, size int64) error {
		return s.store.AddBlob(s.ctx(), Alice, store.Blob{ID: id, Hash: "hash-" + id[:1], Size: size}, 100)
	}
	s.ok(add("a1", 40))
	s.ok(add("a2", 40))
	s.is(add("b1", 40), store.ErrQuota)
	_, err := s.store.Blob(s.ctx(), Bob.ID, "a1")
	s.is(err, store.ErrBlob)
	s.say(Alice, conv, "1", "", "a1")
	s.say(Bob, conv, "1", "forwarded", "a1")
	_, err = s.store.Blob(s.ctx(), Bob.ID, "a1")
	s.ok(err)
	collect := func() (loose string) {
		_, err := s.store.Collect(s.ctx(), time.Now().Add(time.Hour))
		s.ok(err)
		hashes, err := s.store.Loose(s.ctx(), 10)
		s.ok(err)
		for _, h := range hashes {
			s.ok(s.store.Dropped(s.ctx(), h))
			held, err := s.store.Holds(s.ctx(), h)
			s.ok(err)
			loose += fmt.Sprint(h, held)
		}
		return loose
	}
	if got := collect(); got != "hash-atrue" { // a2 went, a1 has the same bytes
		s.Error(got)
	}
	for seq, p := range map[int64]store.Person{1: Alice, 2: Bob} {
		if got := collect(); got != "" {
			s.Errorf("before %d: %s", seq, got)
		}
		_, err := s.store.Delete(s.ctx(), p, conv, seq)
		s.ok(err)
	}
	if got := collect(); got != "hash-afalse" {
		s.Error(got)
	}
}

func words(s *suite) {
	conv := s.direct(Alice, Bob)
	for i := range 700 { // more than one step
		s.say(Alice, conv, fmt.Sprint(i), fmt.Sprintf("number%d of many", i))
	}
	find := func(q string) (n int) {
		found, err := s.store.Search(s.ctx(), Bob.ID, q, 0, 1000)
		s.ok(err)
		return len(found)
	}
	if find("many") != 700 || find("number69") != 11 || find("number699 many") != 1 || find("few") != 0 {
		s.Errorf("%d, %d, %d", find("many"), find("number69"), find("number699 many"))
	}
	_, err := s.store.Edit(s.ctx(), Alice, conv, 700, "few", nil)
	s.ok(err)
	_, err = s.store.Delete(s.ctx(), Alice, conv, 1)
	s.ok(err)
	if find("number699") != 0 || find("few") != 1 || find("many") != 698 {
		s.Errorf("%d, %d, %d", find("number699"), find("few"), find("many"))
	}
}

func erasures(s *suite) {
	conv, g := s.direct(Alice, Bob), s.group(Alice, Bob)
	for i := range 450 {
		s.say(Alice, conv, fmt.Sprint(i), "x")
	}
	s.say(Alice, g, "1", "mine")
	s.say(Bob, g, "1", "yours")
	s.ok(s.store.Erase(s.ctx(), Alice.ID))
	s.ok(s.store.Erase(s.ctx(), Alice.ID))
	_, err := s.store.Erasing(s.ctx())
	s.ok(err)
	s.ok(s.store.Close())
	s.open()
	for more := true; more; {
		more, err = s.store.Erasing(s.ctx())
		s.ok(err)
	}
	if got := s.texts(Bob, g); got != " yours" {
		s.Errorf("%q", got)
	}
	if got := strings.TrimSpace(s.texts(Bob, conv)); got != "" {
		s.Errorf("%q", got)
	}
	sum, err := s.store.Conversation(s.ctx(), Bob.ID, g)
	s.ok(err)
	if sum.Role != store.Owner || sum.LastSeq != 4 {
		s.Errorf("%+v", sum)
	}
}

func closed(s *suite) {
	conv := s.direct(Alice, Bob)
	s.ok(s.store.Close())
	_, err := s.store.Send(s.ctx(), []store.Draft{{From: Alice, Conv: conv, CID: "1", Text: "x"}})
	s.is(err, store.ErrUnavailable)
	_, err = s.store.History(s.ctx(), Alice.ID, conv, store.Range{Limit: 1})
	s.is(err, store.ErrUnavailable)
}

func large(s *suite) {
	members := make([]store.Person, 999)
	for i := range members {
		members[i] = store.Person{ID: int64(i + 10), Username: fmt.Sprintf("p%03d", i)}
	}
	draft := store.GroupDraft{By: Alice, CID: "big", Title: "Big", Members: members}
	_, _, err := s.store.CreateGroup(s.ctx(), draft, 999)
	s.is(err, store.ErrCrowded)
	sum, _, err := s.store.CreateGroup(s.ctx(), draft, 1000)
	s.ok(err)
	s.is(s.store.AddMember(s.ctx(), Alice, sum.ID, Bob, "", 1000, nil), store.ErrCrowded)
	s.say(members[998], sum.ID, "1", "from the last")
	s.ok(s.store.RemoveMember(s.ctx(), Alice, sum.ID, members[0]))
	s.say(Alice, sum.ID, "2", "one less")
	heard := map[int64]int{}
	for _, e := range s.events {
		if e.Seq > 0 {
			heard[e.Seq] = len(e.Audience)
		}
	}
	if sum.MembersCount != 1000 || fmt.Sprint(heard) != "map[1:1000 2:1000 3:999]" {
		s.Errorf("%d members, heard by %v", sum.MembersCount, heard)
	}
}
