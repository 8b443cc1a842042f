package photos

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/account"
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
	d, err := p.draft(c, len(ids), c.r.Header.Get("Idempotency-Key"))
	if err != nil {
		return nil, err
	}
	if d.MediaIDs = ids; len(ids) > 0 {
		if d.Edits, err = p.mediaEdits(c); err != nil {
			return nil, err
		}
	}
	s, err := p.addStatus(c, d)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).status(s)
}

// addStatus stores a post.
func (p *Photos) addStatus(c *call, d store.Draft) (store.Status, error) {
	s, created, err := p.store.AddStatus(c.r.Context(), d)
	if err == nil && created {
		p.metrics.posts.Inc()
	}
	return s, err
}

// later are parameters whose calls are not there yet. What somebody says with
// them would get lost, so they are refused rather than ignored.
var later = []string{"scheduled_at", "quoted_status_id"}

var language = regexp.MustCompile(`^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})?$`)

// draft reads what a post with so many pictures is to be; requests with the same
// key make one.
func (p *Photos) draft(c *call, pictures int, key string) (store.Draft, error) {
	d := store.Draft{Key: key, KeyLife: keyLife}
	for _, name := range later {
		if c.params.String(name) != "" {
			return d, invalid("%s is not offered here", name)
		}
	}
	if c.params.Has("poll", "options") {
		return d, invalid("polls are not offered here")
	}
	if len(key) > maxKey {
		return d, badRequest("the Idempotency-Key is longer than %d bytes", maxKey)
	}
	defaults, err := p.store.Profile(c.r.Context(), c.viewer.user.ID)
	if err != nil {
		return d, err
	}
	d.Author, d.App = c.viewer.user.ID, c.viewer.session.Device
	d.Text, d.Spoiler = c.params.String("status"), c.params.String("spoiler_text")
	d.Sensitive = c.params.Bool(d.Spoiler != "" || defaults.Sensitive, "sensitive")
	if d.Language = c.params.String("language"); d.Language == "" {
		d.Language = defaults.Language
	}
	d.Visibility = defaults.Privacy
	if name := c.params.String("visibility"); name != "" {
		if d.Visibility, err = visibilityOf(name); err != nil {
			return d, err
		}
	}
	parent, err := p.parent(c, &d)
	if err != nil {
		return d, err
	}
	if err := c.checkText(&d.Status, pictures); err != nil {
		return d, err
	}
	return d, p.address(c, &d.Status, parent)
}

// checkText checks what people write, for a post with so many pictures.
func (c *call) checkText(s *store.Status, pictures int) error {
	limit := c.cfg.Limits.Caption
	switch {
	case pictures == 0 && s.Parent == 0 && !s.Reply && !c.cfg.TextPosts:
		return invalid("a post needs a picture here; comments do not")
	case pictures == 0 && strings.TrimSpace(s.Text) == "":
		return invalid("text can't be blank")
	case lengthOf(s.Text)+lengthOf(s.Spoiler) > limit:
		return invalid("text is longer than %d characters", limit)
	case len(s.Text)+len(s.Spoiler) > maxBytes(limit):
		return invalid("text is longer than %d bytes", maxBytes(limit))
	case s.Language != "" && !language.MatchString(s.Language):
		return invalid("language is not an ISO 639 code")
	}
	return nil
}

// maxBytes bounds a text whose URLs count little, however long they are.
func maxBytes(characters int) int { return 16 * characters }

// parent reads what d answers, which its author must be able to see. Without a
// visibility of its own, an answer is seen by no more people than that.
func (p *Photos) parent(c *call, d *store.Draft) (parent store.Status, err error) {
	text := c.params.String("in_reply_to_id")
	if text == "" {
		return parent, nil
	}
	gone := fail(http.StatusNotFound, "The post you are trying to reply to does not appear to exist.")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return parent, gone
	}
	parent, err = p.readable(c, id)
	if errors.Is(err, store.ErrNotFound) {
		return parent, gone
	}
	if err != nil {
		return parent, err
	}
	d.Parent = id
	if c.params.String("visibility") == "" {
		d.Visibility = max(d.Visibility, parent.Visibility)
	}
	return parent, nil
}

// readable returns a post that the caller may see.
func (p *Photos) readable(c *call, id int64) (store.Status, error) {
	s, err := p.store.Status(c.r.Context(), id)
	if err != nil {
		return s, err
	}
	ok, err := p.mayReadStatus(c.r.Context(), c.viewer, s)
	if err == nil && !ok {
		err = store.ErrNotFound
	}
	return s, err
}

// readableID is readable for the id in the path.
func (p *Photos) readableID(c *call) (store.Status, error) {
	id, err := c.id()
	if err != nil {
		return store.Status{}, err
	}
	return p.readable(c, id)
}

// address finds out whom a post names and its tags. Who is answered is named
// also without @name. Who blocks the author, or is blocked, is not reached.
func (p *Photos) address(c *call, s *store.Status, parent store.Status) error {
	names, tags := named(s.Text)
	slices.Sort(tags)
	s.Tags, s.Mentions = tags, nil
	add := func(id int64) {
		if id != 0 && id != s.Author && !c.viewer.blocks.Has(id) && !slices.Contains(s.Mentions, id) {
			s.Mentions = append(s.Mentions, id)
		}
	}
	for _, acct := range names {
		u, err := p.people.UserByName(c.r.Context(), c.localName(acct))
		if errors.Is(err, account.ErrNotFound) {
			continue // stays text
		}
		if err != nil {
			return err
		}
		if !u.Suspended {
			add(u.ID)
		}
	}
	add(parent.Author)
	slices.Sort(s.Mentions)
	return nil
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

// visibilityOf reads the name of a visibility.
func visibilityOf(name string) (store.Visibility, error) {
	for _, v := range store.Visibilities {
		if v.String() == name {
			return v, nil
		}
	}
	return 0, invalid("visibility is not public, unlisted, private or direct")
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

// getStatuses is GET /api/v1/statuses?id[]=: those that the caller may see.
func (p *Photos) getStatuses(c *call) (any, error) {
	texts := c.params.Strings("id")
	if len(texts) > maxPage {
		return nil, badRequest("more than %d ids", maxPage)
	}
	var ids []int64
	for _, t := range texts {
		if id, err := strconv.ParseInt(t, 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	list, err := p.store.Statuses(c.r.Context(), ids)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).statuses(list)
}

// deleteStatus is DELETE /api/v1/statuses/:id. As in Mastodon the pictures can
// be posted again within a day ("delete and redraft"), unless the client says
// delete_media=true.
func (p *Photos) deleteStatus(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return p.removeStatus(c, id, !c.params.Bool(false, "delete_media"))
}

func (p *Photos) removeStatus(c *call, id int64, keepMedia bool) (any, error) {
	s, err := p.store.Status(c.r.Context(), id)
	if err == nil && s.Author != c.viewer.user.ID {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	e, err := c.renderer(p).status(s) // with its marks
	if err != nil {
		return nil, err
	}
	if s, err = p.store.DeleteStatus(c.r.Context(), id, c.viewer.user.ID, keepMedia); err != nil {
		return nil, err
	}
	if e.Text = &s.Text; keepMedia {
		// The pictures are the author's only from now on.
		r := c.renderer(p)
		for i, m := range s.Media {
			m.Status, m.Visibility = 0, store.Unattached
			e.Media[i] = r.media(m)
		}
		return e, nil
	}
	p.discard(s.Media...)
	return e, nil
}

// publicTimeline is GET /api/v1/timelines/public. Nothing comes from other
// servers, so a remote-only one is empty.
func (p *Photos) publicTimeline(c *call) (any, error) {
	if c.params.Bool(false, "remote") {
		return []entity.Status{}, nil
	}
	return p.feed(c, store.Feed{
		Visibilities: []store.Visibility{store.Public}, NoReplies: true, OnlyMedia: c.params.Bool(false, "only_media"),
		Viewer: c.viewer.user.ID, Exclude: c.excluded(),
	})
}

// homeTimeline is GET /api/v1/timelines/home.
func (p *Photos) homeTimeline(c *call) (any, error) {
	return p.feed(c, store.Feed{
		Home: c.viewer.user.ID, Viewer: c.viewer.user.ID, Exclude: c.excluded(), OnlyMedia: c.params.Bool(false, "only_media"),
	})
}

// excluded are the people whom lists for the caller leave out; it is never nil,
// so that also those go whom the caller muted.
func (c *call) excluded() []int64 {
	if list := c.viewer.blocks.All(); list != nil {
		return list
	}
	return []int64{}
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
