package photos

import (
	"slices"
	"strconv"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

// The lengths of pages of notifications.
const (
	defaultNotices = 40
	maxNotices     = 80
	maxUnread      = 1000 // that are counted
)

// noticeFeed reads which notifications somebody wants. What is not known here
// (reblogs, polls) there is none of.
func (c *call) noticeFeed() (f store.NoticeFeed, err error) {
	f = store.NoticeFeed{User: c.viewer.user.ID, Exclude: c.viewer.blocks.All()}
	if f.Page, err = c.page(); err != nil {
		return f, err
	}
	f.Limit = c.limit(defaultNotices, maxNotices)
	if text := c.params.String("account_id"); text != "" {
		if f.Actor, err = strconv.ParseInt(text, 10, 64); err != nil {
			return f, errNotFound
		}
	}
	types, without := c.params.Strings("types"), c.params.Strings("exclude_types")
	if len(types) == 0 && len(without) == 0 {
		return f, nil
	}
	f.Kinds = []store.NoticeKind{}
	for _, k := range store.NoticeKinds {
		if (len(types) == 0 || slices.Contains(types, string(k))) && !slices.Contains(without, string(k)) {
			f.Kinds = append(f.Kinds, k)
		}
	}
	return f, nil
}

// listNotifications is GET /api/v1/notifications.
func (p *Photos) listNotifications(c *call) (any, error) {
	f, err := c.noticeFeed()
	if err != nil {
		return nil, err
	}
	list, err := p.store.Notices(c.r.Context(), f)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		c.link(f.Page, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return c.renderer(p).notifications(list)
}

// notifications renders those whose actors and posts the viewer may see.
func (r *renderer) notifications(list []store.Notice) ([]entity.Notification, error) {
	out := make([]entity.Notification, 0, len(list))
	var actors, ids []int64
	for _, n := range list {
		actors = append(actors, n.Actor)
		if n.Status != 0 && !slices.Contains(ids, n.Status) {
			ids = append(ids, n.Status)
		}
	}
	if err := r.learn(actors); err != nil {
		return nil, err
	}
	posts := map[entity.ID]*entity.Status{}
	if len(ids) > 0 {
		found, err := r.p.store.Statuses(r.ctx, ids)
		if err != nil {
			return nil, err
		}
		seen, err := r.statuses(found)
		if err != nil {
			return nil, err
		}
		for i := range seen {
			posts[seen[i].ID] = &seen[i]
		}
	}
	for _, n := range list {
		actor := r.known[n.Actor]
		if actor.rel.gone || actor.rel.blocked || n.Status != 0 && posts[entity.ID(n.Status)] == nil {
			continue
		}
		id := entity.ID(n.ID)
		out = append(out, entity.Notification{
			ID: id, Type: string(n.Kind), GroupKey: "ungrouped-" + id.String(), CreatedAt: entity.Time(sqlstore.TimeOf(n.ID)),
			Account: actor.account, Status: posts[entity.ID(n.Status)],
		})
	}
	return out, nil
}

// getNotification is GET /api/v1/notifications/:id.
func (p *Photos) getNotification(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	n, err := p.store.Notice(c.r.Context(), c.viewer.user.ID, id)
	if err != nil {
		return nil, err
	}
	list, err := c.renderer(p).notifications([]store.Notice{n})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNotFound
	}
	return list[0], nil
}

// unreadNotifications is GET /api/v1/notifications/unread_count: those after the
// marker that the apps of somebody share.
func (p *Photos) unreadNotifications(c *call) (any, error) {
	f, err := c.noticeFeed()
	if err != nil {
		return nil, err
	}
	markers, err := p.store.Markers(c.r.Context(), c.viewer.user.ID)
	if err != nil {
		return nil, err
	}
	f.Page = store.Page{Limit: c.limit(100, maxUnread)}
	for _, m := range markers {
		if m.Timeline == "notifications" {
			f.Since = m.LastRead
		}
	}
	n, err := p.store.CountNotices(c.r.Context(), f)
	return entity.Count{Count: n}, err
}

// clearNotifications is POST /api/v1/notifications/clear.
func (p *Photos) clearNotifications(c *call) (any, error) {
	return entity.Empty{}, p.store.ClearNotices(c.r.Context(), c.viewer.user.ID)
}

// dismissNotification is POST /api/v1/notifications/:id/dismiss, and with the id
// as a parameter as clients did it before.
func (p *Photos) dismissNotification(c *call) (any, error) {
	text := c.r.PathValue("id")
	if text == "" {
		text = c.params.String("id")
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, errNotFound
	}
	return entity.Empty{}, p.store.DropNotice(c.r.Context(), c.viewer.user.ID, id)
}
