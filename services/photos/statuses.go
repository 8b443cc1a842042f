package photos

import (
	"regexp"
	"strconv"
	"time"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

const (
	maxPictures = 10 // in a post
	maxKey      = 256
	keyLife     = 24 * time.Hour
)

// createStatus is POST /api/v1/statuses.
func (p *Photos) createStatus(c *call) (any, error) {
	ids, err := c.mediaIDs()
	if err != nil {
		return nil, err
	}
	d, err := c.draft(len(ids), c.r.Header.Get("Idempotency-Key"))
	if err != nil {
		return nil, err
	}
	d.MediaIDs = ids
	s, created, err := p.store.AddStatus(c.r.Context(), d)
	if err != nil {
		return nil, err
	}
	if created {
		p.metrics.posts.Inc()
	}
	return c.renderer(p).status(s)
}

// later are parameters whose calls are not there yet. What somebody says with
// them would get lost, so they are refused rather than ignored.
var later = []string{"in_reply_to_id", "scheduled_at", "quoted_status_id"}

var language = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})?$`)

// draft reads what a post with so many pictures is to be; requests with the same
// key make one.
func (c *call) draft(pictures int, key string) (store.Draft, error) {
	d := store.Draft{Key: key, KeyLife: keyLife}
	for _, name := range later {
		if c.params.String(name) != "" {
			return d, invalid("%s is not offered here yet", name)
		}
	}
	if c.params.Has("poll", "options") {
		return d, invalid("polls are not offered here")
	}
	var err error
	d.Author, d.App = c.viewer.user.ID, c.viewer.session.Device
	d.Text, d.Spoiler = c.params.String("status"), c.params.String("spoiler_text")
	d.Sensitive = c.params.Bool(d.Spoiler != "", "sensitive")
	d.Language = c.params.String("language")
	if d.Visibility, err = visibilityOf(c.params.String("visibility")); err != nil {
		return d, err
	}
	switch {
	case pictures == 0 && !c.cfg.TextPosts:
		return d, invalid("a post needs a picture here")
	case pictures == 0 && d.Text == "":
		return d, invalid("text can't be blank")
	case tooLong(d.Text+d.Spoiler, c.cfg.Limits.Caption):
		return d, invalid("text is longer than %d characters", c.cfg.Limits.Caption)
	case d.Language != "" && !language.MatchString(d.Language):
		return d, invalid("language is not an ISO 639 code")
	case len(key) > maxKey:
		return d, badRequest("the Idempotency-Key is longer than %d bytes", maxKey)
	}
	return d, nil
}

func (c *call) mediaIDs() ([]int64, error) {
	texts := c.params.Strings("media_ids")
	if len(texts) > maxPictures {
		return nil, invalid("a post has at most %d pictures", maxPictures)
	}
	var ids []int64
	for _, t := range texts {
		id, err := strconv.ParseInt(t, 10, 64)
		if err != nil {
			return nil, store.ErrMedia
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func visibilityOf(name string) (store.Visibility, error) {
	if name == "" {
		return store.Public, nil
	}
	for _, v := range store.Visibilities {
		if v.String() == name && v != store.Direct {
			return v, nil
		}
	}
	return 0, invalid("visibility is not public, unlisted or private")
}

// getStatus is GET /api/v1/statuses/:id.
func (p *Photos) getStatus(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	s, err := p.store.Status(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).status(s)
}

// deleteStatus is DELETE /api/v1/statuses/:id. The pictures go too, unless the
// client says delete_media=false: then they can be posted again within a day.
func (p *Photos) deleteStatus(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return p.removeStatus(c, id, !c.params.Bool(true, "delete_media"))
}

func (p *Photos) removeStatus(c *call, id int64, keepMedia bool) (any, error) {
	s, err := p.store.DeleteStatus(c.r.Context(), id, c.viewer.user.ID, keepMedia)
	if err != nil {
		return nil, err
	}
	e, err := c.renderer(p).status(s)
	if err != nil {
		return nil, err
	}
	e.Text = &s.Text
	if !keepMedia {
		p.discard(s.Media...)
	}
	return e, nil
}

// publicTimeline is GET /api/v1/timelines/public. Nothing comes from other
// servers, so a remote-only one is empty.
func (p *Photos) publicTimeline(c *call) (any, error) {
	if c.params.Bool(false, "remote") {
		return []entity.Status{}, nil
	}
	return p.feed(c, store.Feed{Visibilities: []store.Visibility{store.Public}, OnlyMedia: c.params.Bool(false, "only_media")})
}

// homeTimeline is GET /api/v1/timelines/home: one's own posts, as long as nobody
// can be followed.
func (p *Photos) homeTimeline(c *call) (any, error) {
	return p.feed(c, store.Feed{Authors: []int64{c.viewer.user.ID}, Visibilities: visible(relation{self: true})})
}

// feed answers with a page of posts.
func (p *Photos) feed(c *call, f store.Feed) (any, error) {
	var err error
	if f.Page, err = c.page(); err != nil {
		return nil, err
	}
	list, err := p.store.Feed(c.r.Context(), f)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		c.link(f.Page, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return c.renderer(p).statuses(list)
}
