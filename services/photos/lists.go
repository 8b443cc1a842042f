package photos

import (
	"slices"
	"strings"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

const maxTitle = 256 // characters of the title of a list or a filter

// listEntity renders a list.
func listEntity(l store.List) entity.List {
	return entity.List{ID: entity.ID(l.ID), Title: l.Title, RepliesPolicy: l.Replies, Exclusive: l.Exclusive}
}

func listEntities(lists []store.List, err error) (any, error) {
	out := make([]entity.List, len(lists))
	for i, l := range lists {
		out[i] = listEntity(l)
	}
	return out, err
}

// lists is GET /api/v1/lists.
func (p *Photos) lists(c *call) (any, error) {
	return listEntities(p.store.Lists(c.r.Context(), c.viewer.user.ID))
}

// listsWith is GET /api/v1/accounts/:id/lists: those of the viewer.
func (p *Photos) listsWith(c *call) (any, error) {
	u, err := p.person(c)
	if err != nil {
		return nil, err
	}
	return listEntities(p.store.ListsWith(c.r.Context(), c.viewer.user.ID, u.ID))
}

// ownList is the viewer's list with the id in the path.
func (p *Photos) ownList(c *call) (store.List, error) {
	id, err := c.id()
	if err != nil {
		return store.List{}, err
	}
	return p.store.List(c.r.Context(), c.viewer.user.ID, id)
}

// list is GET /api/v1/lists/:id.
func (p *Photos) list(c *call) (any, error) {
	l, err := p.ownList(c)
	if err != nil {
		return nil, err
	}
	return listEntity(l), nil
}

// listParams changes what is given.
func (c *call) listParams(l *store.List) error {
	if c.params.Has("title") {
		l.Title = strings.TrimSpace(c.params.String("title"))
	}
	if r := c.params.String("replies_policy"); r != "" {
		l.Replies = r
	}
	l.Exclusive = c.params.Bool(l.Exclusive, "exclusive")
	switch {
	case l.Title == "":
		return invalid("title can't be blank")
	case tooLong(l.Title, maxTitle):
		return invalid("title is longer than %d characters", maxTitle)
	case !slices.Contains([]string{"followed", "list", "none"}, l.Replies):
		return invalid("replies_policy is not followed, list or none")
	}
	return nil
}

// createList is POST /api/v1/lists.
func (p *Photos) createList(c *call) (any, error) {
	l := store.List{Owner: c.viewer.user.ID, Replies: "list"}
	if err := c.listParams(&l); err != nil {
		return nil, err
	}
	l, err := p.store.AddList(c.r.Context(), l)
	if err != nil {
		return nil, err
	}
	return listEntity(l), nil
}

// editList is PUT /api/v1/lists/:id.
func (p *Photos) editList(c *call) (any, error) {
	l, err := p.ownList(c)
	if err == nil {
		err = c.listParams(&l)
	}
	if err == nil {
		err = p.store.EditList(c.r.Context(), l)
	}
	if err != nil {
		return nil, err
	}
	return listEntity(l), nil
}

// deleteList is DELETE /api/v1/lists/:id.
func (p *Photos) deleteList(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.DeleteList(c.r.Context(), c.viewer.user.ID, id)
}

// listMembers is GET /api/v1/lists/:id/accounts; limit=0 asks for all.
func (p *Photos) listMembers(c *call) (any, error) {
	l, err := p.ownList(c)
	if err != nil {
		return nil, err
	}
	if n, ok := c.params.Int("limit"); !ok || n != 0 {
		return p.listPeople(c, store.Members, l.ID, unblocked)
	}
	all, err := p.store.People(c.r.Context(), store.Members, l.ID, store.Page{Limit: store.MaxMembers})
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(all))
	for i, e := range all {
		ids[i] = e.User
	}
	return c.renderer(p).people(ids, unblocked)
}

// addMembers is POST /api/v1/lists/:id/accounts. Somebody whom the viewer does
// not follow is a 404, as with Mastodon.
func (p *Photos) addMembers(c *call) (any, error) {
	l, err := p.ownList(c)
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.AddMembers(c.r.Context(), l.Owner, l.ID, c.ids("account_ids"))
}

// removeMembers is DELETE /api/v1/lists/:id/accounts.
func (p *Photos) removeMembers(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.RemoveMembers(c.r.Context(), c.viewer.user.ID, id, c.ids("account_ids"))
}
