package photos

import (
	"context"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

const (
	maxAlbumPosts = 100
	maxAlbumTitle = 100 // characters
)

// createAlbum is POST /api/portico/v1/albums.
func (p *Photos) createAlbum(c *call) (any, error) {
	e, err := c.albumEdit()
	if err != nil {
		return nil, err
	}
	a := store.Album{Owner: c.viewer.user.ID, Visibility: store.Public}
	if e.Title == nil {
		return nil, invalid("title can't be blank")
	}
	a.Title = *e.Title
	if e.Description != nil {
		a.Description = *e.Description
	}
	if e.Visibility != nil {
		a.Visibility = *e.Visibility
	}
	if e.Posts != nil {
		a.Posts = *e.Posts
	}
	if a, err = p.store.AddAlbum(c.r.Context(), a); err != nil {
		return nil, err
	}
	return c.renderer(p).album(a)
}

// albumEdit reads title, description, visibility and status_ids.
func (c *call) albumEdit() (e store.AlbumEdit, err error) {
	if c.params.Has("title") {
		e.Title = new(strings.TrimSpace(c.params.String("title")))
		if *e.Title == "" || tooLong(*e.Title, maxAlbumTitle) {
			return e, invalid("title has not 1 to %d characters", maxAlbumTitle)
		}
	}
	if c.params.Has("description") {
		e.Description = new(strings.TrimSpace(c.params.String("description")))
		if tooLong(*e.Description, c.cfg.Limits.Caption) {
			return e, invalid("description is longer than %d characters", c.cfg.Limits.Caption)
		}
	}
	if name := c.params.String("visibility"); name != "" {
		v, err := visibilityOf(name)
		if err != nil || v == store.Direct {
			return e, invalid("visibility is not public, unlisted or private")
		}
		e.Visibility = &v
	}
	if c.params.Has("status_ids") {
		texts := c.params.Strings("status_ids")
		if len(texts) > maxAlbumPosts {
			return e, invalid("an album has at most %d posts", maxAlbumPosts)
		}
		ids := make([]int64, 0, len(texts))
		for _, t := range texts {
			id, err := strconv.ParseInt(t, 10, 64)
			if err != nil {
				return e, store.ErrItem
			}
			ids = append(ids, id)
		}
		e.Posts = &ids
	}
	return e, nil
}

// album renders one that the viewer may see, with the posts that they may see.
func (r *renderer) album(a store.Album) (entity.Album, error) {
	who, err := r.person(a.Owner)
	if err != nil {
		return entity.Album{}, err
	}
	author := who.account
	e := entity.Album{
		ID: entity.ID(a.ID), Account: author, CreatedAt: entity.Time(sqlstore.TimeOf(a.ID)), Title: a.Title, Description: a.Description,
		Visibility: a.Visibility.String(), URL: author.URL + "/albums/" + strconv.FormatInt(a.ID, 10), StatusIDs: []entity.ID{},
	}
	posts, err := r.albumPosts(a)
	if err != nil {
		return e, err
	}
	for _, s := range posts {
		e.StatusIDs = append(e.StatusIDs, s.ID)
		if e.Cover == nil && len(s.Media) > 0 && !s.Sensitive {
			e.Cover = &s.Media[0]
		}
	}
	return e, nil
}

// albumPosts are what the viewer may see of an album.
func (r *renderer) albumPosts(a store.Album) ([]entity.Status, error) {
	list, err := r.p.store.Statuses(r.ctx, a.Posts)
	if err != nil {
		return nil, err
	}
	return r.statuses(list)
}

// mayReadAlbum tells whether v may see an album, by the one rule of posts.
func (p *Photos) mayReadAlbum(ctx context.Context, v viewer, a store.Album) (bool, error) {
	u, err := p.people.User(ctx, a.Owner)
	if err != nil {
		return false, err
	}
	rel, err := p.relation(ctx, v, u)
	return err == nil && maySee(a.Visibility, rel), err
}

// albumOf is the album with the id in the path, if the viewer may see it.
func (p *Photos) albumOf(c *call) (store.Album, error) {
	id, err := c.id()
	if err != nil {
		return store.Album{}, err
	}
	a, err := p.store.Album(c.r.Context(), id)
	if err != nil {
		return a, err
	}
	may, err := p.mayReadAlbum(c.r.Context(), c.viewer, a)
	if err == nil && !may {
		err = store.ErrNotFound
	}
	return a, err
}

// getAlbum is GET /api/portico/v1/albums/:id.
func (p *Photos) getAlbum(c *call) (any, error) {
	a, err := p.albumOf(c)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).album(a)
}

// albumStatuses is GET /api/portico/v1/albums/:id/statuses, all in order.
func (p *Photos) albumStatuses(c *call) (any, error) {
	a, err := p.albumOf(c)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).albumPosts(a)
}

// albums is GET /api/portico/v1/albums, of account_id or oneself.
func (p *Photos) albums(c *call) (any, error) {
	owner := c.viewer.user.ID
	if id, ok := c.params.Int("account_id"); ok {
		owner = id
	}
	if owner == 0 {
		return nil, errUser
	}
	u, err := p.people.User(c.r.Context(), owner)
	if err != nil {
		return nil, err
	}
	pg, err := c.page()
	if err != nil {
		return nil, err
	}
	list, err := p.store.Albums(c.r.Context(), owner, pg)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		c.link(pg, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return c.renderer(p).albums(u, list)
}

// albums renders those of u that the viewer may see.
func (r *renderer) albums(u account.User, list []store.Album) ([]entity.Album, error) {
	rel, err := r.p.relation(r.ctx, r.viewer, u)
	if err != nil {
		return nil, err
	}
	out := []entity.Album{}
	for _, a := range list {
		if !maySee(a.Visibility, rel) || a.Visibility == store.Unlisted && !rel.self {
			continue
		}
		e, err := r.album(a)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// editAlbum is PUT /api/portico/v1/albums/:id. status_ids are all its posts, in
// their new order.
func (p *Photos) editAlbum(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	e, err := c.albumEdit()
	if err != nil {
		return nil, err
	}
	a, err := p.store.EditAlbum(c.r.Context(), id, c.viewer.user.ID, e)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).album(a)
}

// deleteAlbum is DELETE /api/portico/v1/albums/:id; the posts stay.
func (p *Photos) deleteAlbum(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.RemoveAlbum(c.r.Context(), id, c.viewer.user.ID)
}
