package nodes

import (
	"slices"
	"testing"

	"github.com/porticod/portico/internal/testkit/wait"
)

// A load is everybody who uses the nodes.
type load struct {
	c       *cluster
	crowd   *crowd
	posters []*poster
	ears    []*ear
	visitor *visitor
}

// newLoad lets everybody begin, and waits until all of it works.
func (c *cluster) newLoad(s size) *load {
	c.t.Helper()
	l := &load{c: c}
	listens := photosToken(c, "listener")
	for i := range nodeCount {
		l.ears = append(l.ears, newEar(c, listens, i))
	}
	l.crowd = newCrowd(c, s)
	l.posters = []*poster{newPoster(c, "poster")}
	l.visitor = newVisitor(c, "visitor")
	l.flows(c.t)
	return l
}

// flows waits until everybody has got on since now.
func (l *load) flows(t *testing.T) {
	t.Helper()
	acked, posts, signs := l.crowd.acks(), l.posts(), l.visitor.signs.Load()
	wait.Until(t, "messages are acknowledged", func() bool { return l.crowd.acks() >= acked+len(l.crowd.devices) })
	wait.Until(t, "pictures are posted", func() bool { return l.posts() > posts })
	wait.Until(t, "people sign in and out", func() bool { return l.visitor.signs.Load() > signs })
}

// posts is how many were acknowledged.
func (l *load) posts() (n int) {
	for _, p := range l.posters {
		n += p.count()
	}
	return n
}

// A count is what became of requests over HTTP that got no good answer.
type count struct{ refused, late, cut int64 }

func (a count) minus(b count) count {
	return count{a.refused - b.refused, a.late - b.late, a.cut - b.cut}
}

func (a count) plus(b count) count {
	return count{a.refused + b.refused, a.late + b.late, a.cut + b.cut}
}

func (l *load) count() (c count) {
	for _, w := range l.walkers() {
		c = c.plus(count{w.refused.Load(), w.late.Load(), w.cut.Load()})
	}
	return c
}

// cuts says why requests were cut.
func (l *load) cuts() (list []string) {
	for _, w := range l.walkers() {
		list = append(list, w.cuts()...)
	}
	return list
}

func (l *load) walkers() []*walker {
	list := []*walker{&l.visitor.walker}
	for _, p := range l.posters {
		list = append(list, &p.walker)
	}
	return list
}

// A sum is what became of everything.
type sum struct {
	Messages, MessagesLost int // lost: acknowledged, and not there as it was
	Posts, PostsLost       int // or there twice
	SignIns                int64
}

// end has everybody bring to an end what they have begun.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.visitor.leave()
	for _, p := range l.posters {
		p.leave()
	}
	l.crowd.leave(t)
	for _, p := range l.posters {
		ids := p.ids()
		for i, e := range l.ears {
			wait.Right(t, func() string {
				if missing := e.missing(ids); len(missing) > 0 {
					return l.c.nodes[i].Name + ": a stream did not end, and has not told of all posts: " + e.String()
				}
				return ""
			})
		}
	}
	for _, e := range l.ears {
		t.Log(e)
		e.leave()
	}
}

// ids are those of the posts that were acknowledged.
func (p *poster) ids() (list []string) {
	p.posts.Range(func(id, _ any) bool {
		list = append(list, id.(string))
		return true
	})
	return list
}

// check looks at everything that was acknowledged, at all nodes.
func (l *load) check(t *testing.T) (s sum) {
	t.Helper()
	s.Messages, s.MessagesLost = l.crowd.check(t)
	for _, p := range l.posters {
		for _, n := range l.c.nodes {
			captions, err := p.all(n)
			must(t, err)
			for _, k := range p.kept {
				if captions[k.name] != 1 {
					s.PostsLost++
					t.Errorf("%s is %d times at %s", k.name, captions[k.name], n.Name)
				}
			}
		}
		s.Posts += len(p.kept)
		for i, k := range p.kept {
			if err := k.look(l.c.nodes[i%nodeCount]); err != nil {
				s.PostsLost++
				t.Error(err)
			}
		}
	}
	s.SignIns = l.visitor.signs.Load()
	for _, f := range slices.Concat(l.visitor.faults, l.posters[0].faults) {
		t.Error(f)
	}
	return s
}
