package photos

import (
	"slices"
	"strconv"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// maxTagsAsked is how many tags a timeline has of each of any, all and none.
const maxTagsAsked = 4

// tagTimeline is GET /api/v1/timelines/tag/:hashtag. Unlike the others it has
// answers too, as in Mastodon.
func (p *Photos) tagTimeline(c *call) (any, error) {
	tag := normalTag(c.r.PathValue("tag"))
	if tag == "" || c.params.Bool(false, "remote") {
		return []entity.Status{}, nil
	}
	normal := func(name string) (out []string) {
		for _, t := range c.params.Strings(name) {
			if t = normalTag(t); t != "" && len(out) < maxTagsAsked {
				out = append(out, t)
			}
		}
		return out
	}
	return p.feed(c, store.Feed{
		Tags:   &store.TagQuery{Any: append(normal("any"), tag), All: normal("all"), None: normal("none")},
		Viewer: c.viewer.user.ID, Exclude: c.excluded(), OnlyMedia: c.params.Bool(false, "only_media"),
	})
}

// listTimeline is GET /api/v1/timelines/list/:id.
func (p *Photos) listTimeline(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	if _, err := p.store.List(c.r.Context(), c.viewer.user.ID, id); err != nil {
		return nil, err
	}
	return p.feed(c, store.Feed{List: id, Viewer: c.viewer.user.ID, Exclude: c.excluded(), OnlyMedia: c.params.Bool(false, "only_media")})
}

// directTimeline is GET /api/v1/timelines/direct, which clients from before
// conversations ask for: the last posts of those.
func (p *Photos) directTimeline(c *call) (any, error) {
	pg, err := c.page()
	if err != nil {
		return nil, err
	}
	list, err := p.store.Conversations(c.r.Context(), c.viewer.user.ID, pg)
	if err != nil {
		return nil, err
	}
	posts := make([]store.Status, len(list))
	for i, one := range list {
		posts[i] = one.Last
	}
	if len(posts) > 0 {
		c.link(pg, len(posts), posts[0].ID, posts[len(posts)-1].ID)
	}
	return c.renderer(p).statuses(posts)
}

// accountFeed is what the posts of one person are selected by.
func (c *call) accountFeed(author int64, rel relation) store.Feed {
	f := store.Feed{
		Authors: []int64{author}, Visibilities: visible(rel),
		OnlyMedia: c.params.Bool(false, "only_media"), NoReplies: c.params.Bool(false, "exclude_replies"),
		Pinned: c.params.Bool(false, "pinned"),
	}
	if c.viewer.signedIn() && !rel.blocked {
		f.Viewer = c.viewer.user.ID
	}
	if tagged := c.params.String("tagged"); tagged != "" {
		if f.Tagged = normalTag(tagged); f.Tagged == "" {
			f.Tagged = tagged // what is not a tag is nowhere
		}
	}
	return f
}

// tagOf is the tag in the path, by its normal name.
func (c *call) tagOf() (string, error) {
	if name := normalTag(c.r.PathValue("tag")); name != "" {
		return name, nil
	}
	return "", errNotFound
}

// getTag is GET /api/v1/tags/:name. Also a tag that nobody used is one.
func (p *Photos) getTag(c *call) (any, error) {
	name, err := c.tagOf()
	if err != nil {
		return nil, err
	}
	return p.oneTag(c, name)
}

func (p *Photos) oneTag(c *call, name string) (any, error) {
	list, err := p.store.Tags(c.r.Context(), c.viewer.user.ID, []string{name})
	if err != nil {
		return nil, err
	}
	return c.tags(list)[0], nil
}

// tags renders tags for the caller.
func (c *call) tags(list []store.Tag) []entity.Tag {
	out := make([]entity.Tag, 0, len(list))
	for _, t := range list {
		e := entity.Tag{ID: entity.ID(t.ID), Name: t.Name, URL: tagURL(c.base, t.Name), History: make([]entity.TagDay, 0, len(t.History))}
		for _, d := range t.History {
			e.History = append(e.History, entity.TagDayOf(d.Day, d.Uses, d.Accounts))
		}
		if c.viewer.signedIn() {
			e.Following = new(t.Following)
		}
		out = append(out, e)
	}
	return out
}

// tagFollower answers POST /api/v1/tags/:name/follow and unfollow.
func (p *Photos) tagFollower(on bool) handler {
	return func(c *call) (any, error) {
		name, err := c.tagOf()
		if err != nil {
			return nil, err
		}
		if err := p.store.FollowTag(c.r.Context(), c.viewer.user.ID, name, on); err != nil {
			return nil, err
		}
		return p.oneTag(c, name)
	}
}

// The lengths of pages of followed tags.
const (
	defaultTags = 100
	maxTags     = 200
)

// followedTags is GET /api/v1/followed_tags.
func (p *Photos) followedTags(c *call) (any, error) {
	pg, err := c.page()
	if err != nil {
		return nil, err
	}
	pg.Limit = c.limit(defaultTags, maxTags)
	list, err := p.store.FollowedTags(c.r.Context(), c.viewer.user.ID, pg)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		c.link(pg, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return c.tags(list), nil
}

// offsetPage reads limit and offset of lists that have no ids to page by.
func (c *call) offsetPage(def, most int) (limit, offset int) {
	if n, ok := c.params.Int("offset"); ok && n > 0 {
		offset = int(min(n, maxOffset))
	}
	return c.limit(def, most), offset
}

// maxOffset bounds how far such lists go.
const maxOffset = 10_000

// trendLink sets the Link header of a list that is paged by offset.
func (c *call) trendLink(n, limit, offset int) {
	if n < limit {
		return
	}
	c.offsetLink("next", offset+limit)
}

func (c *call) offsetLink(rel string, offset int) {
	u := *c.r.URL
	q := u.Query()
	q.Set("offset", strconv.Itoa(offset))
	u.RawQuery, u.Scheme, u.Host = q.Encode(), "", ""
	c.w.Header().Set("Link", "<"+c.base+u.String()+`>; rel="`+rel+`"`)
}

// trendingTags is GET /api/v1/trends/tags.
func (p *Photos) trendingTags(c *call) (any, error) {
	limit, offset := c.offsetPage(10, 20)
	list, err := p.store.TrendingTags(c.r.Context(), c.viewer.user.ID, limit, offset)
	if err != nil {
		return nil, err
	}
	c.trendLink(len(list), limit, offset)
	return c.tags(list), nil
}

// trendingStatuses is GET /api/v1/trends/statuses.
func (p *Photos) trendingStatuses(c *call) (any, error) {
	limit, offset := c.offsetPage(defaultPage, maxPage)
	list, err := p.store.TrendingStatuses(c.r.Context(), c.viewer.blocks.All(), limit, offset)
	if err != nil {
		return nil, err
	}
	c.trendLink(len(list), limit, offset)
	return c.renderer(p).statuses(list)
}

// trendingLinks is GET /api/v1/trends/links: nothing is fetched from other
// sites, so nothing is known of links.
func (p *Photos) trendingLinks(*call) (any, error) { return []entity.Empty{}, nil }

// conversations renders those that the viewer may see the last post of.
func (r *renderer) conversations(list []store.Conversation) ([]entity.Conversation, error) {
	posts := make([]store.Status, len(list))
	var ids []int64
	for i, c := range list {
		posts[i] = c.Last
		ids = append(ids, c.With...)
	}
	if err := r.learn(ids); err != nil {
		return nil, err
	}
	seen, err := r.statuses(posts)
	if err != nil {
		return nil, err
	}
	out := make([]entity.Conversation, 0, len(seen))
	for _, c := range list {
		i := slices.IndexFunc(seen, func(e entity.Status) bool { return e.ID == entity.ID(c.Last.ID) })
		if i < 0 {
			continue
		}
		e := entity.Conversation{ID: entity.ID(c.ID), Unread: c.Unread, Accounts: []entity.Account{}, LastStatus: &seen[i]}
		for _, id := range c.With {
			if p := r.known[id]; !p.rel.gone {
				e.Accounts = append(e.Accounts, p.account)
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// listConversations is GET /api/v1/conversations, paged by their last posts.
func (p *Photos) listConversations(c *call) (any, error) {
	pg, err := c.page()
	if err != nil {
		return nil, err
	}
	list, err := p.store.Conversations(c.r.Context(), c.viewer.user.ID, pg)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		c.link(pg, len(list), list[0].Last.ID, list[len(list)-1].Last.ID)
	}
	return c.renderer(p).conversations(list)
}

// readConversation is POST /api/v1/conversations/:id/read.
func (p *Photos) readConversation(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	one, err := p.store.ReadConversation(c.r.Context(), c.viewer.user.ID, id)
	if err != nil {
		return nil, err
	}
	list, err := c.renderer(p).conversations([]store.Conversation{one})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errNotFound
	}
	return list[0], nil
}

// dropConversation is DELETE /api/v1/conversations/:id.
func (p *Photos) dropConversation(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.DropConversation(c.r.Context(), c.viewer.user.ID, id)
}
