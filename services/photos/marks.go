package photos

import (
	"net/http"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// Short names for the table of calls.
const (
	favourite = store.Favourite
	bookmark  = store.Bookmark
	pin       = store.Pin
)

// marking says which mark a call sets or takes away.
type marking struct {
	kind store.MarkKind
	on   bool
}

// marker answers POST /api/v1/statuses/:id/favourite and the like. What somebody
// may not see any more they may still take their marks from.
func (p *Photos) marker(m marking) handler {
	return func(c *call) (any, error) {
		s, err := p.readableID(c)
		if err != nil {
			return nil, err
		}
		if m.kind == pin {
			if err := mayPin(c, s); err != nil {
				return nil, err
			}
		}
		s, err = p.store.SetMark(c.r.Context(), m.kind, c.viewer.user.ID, s.ID, m.on)
		if err != nil {
			return nil, err
		}
		return c.renderer(p).status(s)
	}
}

func mayPin(c *call, s store.Status) error {
	switch {
	case s.Author != c.viewer.user.ID:
		return invalid("Someone else's post cannot be pinned")
	case s.Visibility == store.Direct:
		return invalid("Posts that are only visible to mentioned users cannot be pinned")
	}
	return nil
}

// threadMuter answers POST /api/v1/statuses/:id/mute and unmute.
func (p *Photos) threadMuter(on bool) handler {
	return func(c *call) (any, error) {
		s, err := p.readableID(c)
		if err != nil {
			return nil, err
		}
		if err := p.store.MuteThread(c.r.Context(), c.viewer.user.ID, s.Thread, on); err != nil {
			return nil, err
		}
		return c.renderer(p).status(s)
	}
}

// markedPosts answers GET /api/v1/favourites and bookmarks, paged by the ids of
// the marks.
func (p *Photos) markedPosts(kind store.MarkKind) handler {
	return func(c *call) (any, error) {
		pg, err := c.page()
		if err != nil {
			return nil, err
		}
		marks, err := p.store.Marked(c.r.Context(), kind, c.viewer.user.ID, pg)
		if err != nil {
			return nil, err
		}
		list := make([]store.Status, len(marks))
		for i, m := range marks {
			list[i] = m.Status
		}
		if len(marks) > 0 {
			c.link(pg, len(marks), marks[0].ID, marks[len(marks)-1].ID)
		}
		return c.renderer(p).statuses(list)
	}
}

// favouritedBy is GET /api/v1/statuses/:id/favourited_by.
func (p *Photos) favouritedBy(c *call) (any, error) {
	s, err := p.readableID(c)
	if err != nil {
		return nil, err
	}
	pg, err := c.peoplePage()
	if err != nil {
		return nil, err
	}
	marks, err := p.store.MarkedBy(c.r.Context(), favourite, s.ID, pg)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(marks))
	for i, m := range marks {
		ids[i] = m.User
	}
	if len(marks) > 0 {
		c.link(pg, len(marks), marks[0].ID, marks[len(marks)-1].ID)
	}
	return c.renderer(p).people(ids, unblocked)
}

// rebloggedBy is GET /api/v1/statuses/:id/reblogged_by: nobody can.
func (p *Photos) rebloggedBy(c *call) (any, error) {
	if _, err := p.readableID(c); err != nil {
		return nil, err
	}
	return []entity.Account{}, nil
}

// reblog is POST /api/v1/statuses/:id/reblog.
func (p *Photos) reblog(c *call) (any, error) {
	if _, err := p.readableID(c); err != nil {
		return nil, err
	}
	return nil, invalid("posts cannot be boosted here")
}

// unreblog is POST /api/v1/statuses/:id/unreblog: it is so already.
func (p *Photos) unreblog(c *call) (any, error) {
	s, err := p.readableID(c)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).status(s)
}

// translate is POST /api/v1/statuses/:id/translate, as Mastodon answers it where
// no translator is configured.
func (p *Photos) translate(c *call) (any, error) {
	s, err := p.readableID(c)
	if err != nil {
		return nil, err
	}
	if s.Visibility > store.Unlisted {
		return nil, fail(http.StatusForbidden, "This action is not allowed")
	}
	return nil, errNotFound
}

// statusCard is GET /api/v1/statuses/:id/card: nothing is fetched from other
// sites.
func (p *Photos) statusCard(c *call) (any, error) {
	if _, err := p.readableID(c); err != nil {
		return nil, err
	}
	return entity.Empty{}, nil
}
