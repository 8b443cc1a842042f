package photos

import (
	"slices"
	"strconv"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// How much of a thread somebody gets. Who is nobody in particular gets less, as
// in Mastodon.
var (
	boundsUser   = store.Bounds{Ancestors: 200, Descendants: 1000, Depth: 200}
	boundsAnyone = store.Bounds{Ancestors: 40, Descendants: 60, Depth: 20}
)

// statusContext is GET /api/v1/statuses/:id/context.
func (p *Photos) statusContext(c *call) (any, error) {
	s, err := p.readableID(c)
	if err != nil {
		return nil, err
	}
	b := boundsAnyone
	if c.viewer.signedIn() {
		b = boundsUser
	}
	up, down, err := p.store.Thread(c.r.Context(), s.ID, b)
	if err != nil {
		return nil, err
	}
	if up, down, err = p.withoutMuted(c, up, down); err != nil {
		return nil, err
	}
	r := c.renderer(p)
	var e entity.Context
	if e.Ancestors, err = r.statuses(up); err != nil {
		return nil, err
	}
	e.Descendants, err = r.statuses(down)
	return e, err
}

// withoutMuted leaves out of a thread those whom the caller muted.
func (p *Photos) withoutMuted(c *call, up, down []store.Status) (_, _ []store.Status, err error) {
	if !c.viewer.signedIn() {
		return up, down, nil
	}
	var authors []int64
	for _, s := range slices.Concat(up, down) {
		if !slices.Contains(authors, s.Author) {
			authors = append(authors, s.Author)
		}
	}
	rels, err := p.store.Relations(c.r.Context(), c.viewer.user.ID, authors)
	if err != nil {
		return nil, nil, err
	}
	muted := map[int64]bool{}
	for _, r := range rels {
		muted[r.Target] = r.Muted
	}
	hidden := func(s store.Status) bool { return muted[s.Author] }
	return slices.DeleteFunc(up, hidden), slices.DeleteFunc(down, hidden), nil
}

// statusSource is GET /api/v1/statuses/:id/source.
func (p *Photos) statusSource(c *call) (any, error) {
	s, err := p.readableID(c)
	if err != nil {
		return nil, err
	}
	return entity.StatusSource{ID: entity.ID(s.ID), Text: s.Text, SpoilerText: s.Spoiler}, nil
}

// statusHistory is GET /api/v1/statuses/:id/history, oldest first.
func (p *Photos) statusHistory(c *call) (any, error) {
	s, err := p.readableID(c)
	if err != nil {
		return nil, err
	}
	versions, err := p.store.Versions(c.r.Context(), s.ID)
	if err != nil {
		return nil, err
	}
	r := c.renderer(p)
	if err := r.learn(append([]int64{s.Author}, s.Mentions...)); err != nil {
		return nil, err
	}
	out := make([]entity.StatusEdit, 0, len(versions))
	for _, v := range versions {
		e := entity.StatusEdit{
			Content: r.content(v.Text, s.Mentions), SpoilerText: v.Spoiler, Sensitive: v.Sensitive,
			CreatedAt: entity.Time(v.At), Account: r.known[s.Author].account, Media: []entity.Media{},
		}
		for _, m := range v.Media {
			e.Media = append(e.Media, r.media(m))
		}
		out = append(out, e)
	}
	return out, nil
}

// editStatus is PUT /api/v1/statuses/:id. What is not given stays, as clients
// that know less send less.
func (p *Photos) editStatus(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	s, err := p.store.Status(c.r.Context(), id)
	if err == nil && s.Author != c.viewer.user.ID {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if c.params.Has("poll", "options") {
		return nil, invalid("polls are not offered here")
	}
	w, err := p.rewrite(c, s)
	if err != nil {
		return nil, err
	}
	if s, err = p.store.Rewrite(c.r.Context(), w); err != nil {
		return nil, err
	}
	return c.renderer(p).status(s)
}

// rewrite reads what a post is to become.
func (p *Photos) rewrite(c *call, s store.Status) (w store.Rewrite, err error) {
	w = store.Rewrite{ID: s.ID, Author: s.Author}
	for _, m := range s.Media {
		w.MediaIDs = append(w.MediaIDs, m.ID)
	}
	if c.params.Has("media_ids") {
		if w.MediaIDs, err = c.mediaIDs(); err != nil {
			return w, err
		}
	}
	if w.Edits, err = p.mediaEdits(c); err != nil {
		return w, err
	}
	if c.params.Has("status") {
		s.Text = c.params.String("status")
	}
	if c.params.Has("spoiler_text") {
		s.Spoiler = c.params.String("spoiler_text")
	}
	if c.params.String("language") != "" {
		s.Language = c.params.String("language")
	}
	s.Sensitive = c.params.Bool(s.Sensitive, "sensitive")
	if err := c.checkText(&s, len(w.MediaIDs)); err != nil {
		return w, err
	}
	// Who was answered stays named, whatever the text says now.
	if err := p.address(c, &s, store.Status{Author: s.ParentAuthor}); err != nil {
		return w, err
	}
	w.Text, w.Spoiler, w.Sensitive, w.Language = s.Text, s.Spoiler, s.Sensitive, s.Language
	w.Mentions, w.Tags = s.Mentions, s.Tags
	return w, nil
}

// mediaEdits reads media_attributes: descriptions and focal points of pictures,
// by id.
func (p *Photos) mediaEdits(c *call) (map[int64]store.Edit, error) {
	entries := c.params.Entries("media_attributes")
	if len(entries) > maxPictures {
		return nil, invalid("a post has at most %d pictures", maxPictures)
	}
	edits := make(map[int64]store.Edit, len(entries))
	for _, v := range entries {
		id, err := strconv.ParseInt(v.String("id"), 10, 64)
		if err != nil {
			return nil, store.ErrMedia
		}
		var description *string
		if v.Has("description") {
			description = new(v.String("description"))
		}
		e, err := editOf(c.cfg, description, v.String("focus"))
		if err != nil {
			return nil, err
		}
		edits[id] = e
	}
	return edits, nil
}
