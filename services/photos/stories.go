package photos

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

const (
	storyLife    = 24 * time.Hour
	maxStories   = 100 // of one account at a time
	maxViewsList = 1000
)

// createStory is POST /api/portico/v1/stories: of a picture that was uploaded
// before (media_id), or of the file of the request.
func (p *Photos) createStory(c *call) (any, error) {
	s, err := p.newStory(c)
	if err != nil {
		return nil, err
	}
	if s, err = p.store.AddStory(c.r.Context(), s); err != nil {
		return nil, err
	}
	return c.renderer(p).story(s)
}

func (p *Photos) newStory(c *call) (s store.Story, err error) {
	me := c.viewer.user.ID
	s = store.Story{Owner: me, Visibility: store.Public, Caption: strings.TrimSpace(c.params.String("caption")), Expires: time.Now().Add(storyLife)}
	if tooLong(s.Caption, c.cfg.Limits.Caption) {
		return s, invalid("caption is longer than %d characters", c.cfg.Limits.Caption)
	}
	switch name := c.params.String("visibility"); name {
	case "private":
		s.Visibility = store.Private
	case "":
		prof, err := p.store.Profile(c.r.Context(), me)
		if err != nil {
			return s, err
		}
		if prof.Locked {
			s.Visibility = store.Private
		}
	case "public":
	default:
		return s, invalid("visibility is neither public nor private")
	}
	now, err := p.store.Stories(c.r.Context(), []int64{me}, me, time.Now())
	if err != nil {
		return s, err
	}
	if len(now) >= maxStories {
		return s, invalid("at most %d stories are shown at a time", maxStories)
	}
	s.Media.ID, _ = c.params.Int("media_id")
	if c.upload != nil {
		s.Media, err = p.uploaded(c, true)
	}
	return s, err
}

// mayReadStory tells whether v may see a story, in the same words as posts.
// Stories are for people who signed in.
func (p *Photos) mayReadStory(ctx context.Context, v viewer, s store.Story) (bool, error) {
	if !v.signedIn() || !s.Expires.After(time.Now()) {
		return false, nil
	}
	return p.mayReadMedia(ctx, v, s.Media)
}

// storyOf is the story with the id in the path, if the viewer may see it.
func (p *Photos) storyOf(c *call) (store.Story, error) {
	id, err := c.id()
	if err != nil {
		return store.Story{}, err
	}
	s, err := p.store.Story(c.r.Context(), id, c.viewer.user.ID)
	if err != nil {
		return s, err
	}
	may, err := p.mayReadStory(c.r.Context(), c.viewer, s)
	if err == nil && !may {
		err = store.ErrNotFound
	}
	return s, err
}

// person is what is shown of somebody, and what the viewer is to them.
func (r *renderer) person(id int64) (person, error) {
	err := r.learn([]int64{id})
	return r.known[id], err
}

// story renders one that the viewer may see.
func (r *renderer) story(s store.Story) (entity.Story, error) {
	author, err := r.person(s.Owner)
	e := entity.Story{
		ID: entity.ID(s.ID), Account: author.account, CreatedAt: entity.Time(sqlstore.TimeOf(s.ID)), ExpiresAt: entity.Time(s.Expires),
		Visibility: s.Visibility.String(), Caption: s.Caption, Media: r.media(s.Media), Seen: s.Seen,
	}
	if s.Owner == r.viewer.user.ID {
		e.Views, e.Seen = &s.Views, true
	}
	return e, err
}

// storyTray is GET /api/portico/v1/stories: one's own, then those of people whom
// one follows, who was not seen yet first.
func (p *Photos) storyTray(c *call) (any, error) { return p.tray(c.r.Context(), c.renderer(p)) }

func (p *Photos) tray(ctx context.Context, r *renderer) ([]entity.StoryGroup, error) {
	me := r.viewer.user.ID
	owners := []int64{me}
	followed, err := p.store.People(ctx, store.Followed, me, store.Page{Limit: store.MaxFollows})
	if err != nil {
		return nil, err
	}
	for _, e := range followed {
		owners = append(owners, e.User)
	}
	groups, err := p.groups(ctx, r, owners)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(groups, func(a, b entity.StoryGroup) int { return rank(a, me) - rank(b, me) })
	return groups, nil
}

// rank is where a group stands in the tray.
func rank(g entity.StoryGroup, me int64) int {
	switch {
	case int64(g.Account.ID) == me:
		return 0
	case !g.Seen:
		return 1
	}
	return 2
}

// groups are the stories of owners that the viewer may see, the latest first.
func (p *Photos) groups(ctx context.Context, r *renderer, owners []int64) ([]entity.StoryGroup, error) {
	list, err := p.store.Stories(ctx, owners, r.viewer.user.ID, time.Now())
	if err != nil {
		return nil, err
	}
	slices.Reverse(list)
	out := []entity.StoryGroup{}
	at := map[int64]int{}
	hidden := map[int64]bool{}
	for _, s := range list {
		may, err := p.mayReadStory(ctx, r.viewer, s)
		if err == nil && may && s.Owner != r.viewer.user.ID {
			if _, known := hidden[s.Owner]; !known {
				hidden[s.Owner], err = p.store.Muted(ctx, r.viewer.user.ID, s.Owner)
			}
			may = !hidden[s.Owner]
		}
		if err != nil {
			return nil, err
		}
		if !may {
			continue
		}
		e, err := r.story(s)
		if err != nil {
			return nil, err
		}
		i, ok := at[s.Owner]
		if !ok {
			i = len(out)
			at[s.Owner] = i
			out = append(out, entity.StoryGroup{Account: e.Account, Seen: true})
		}
		g := &out[i]
		g.Stories, g.Seen = append(g.Stories, e), g.Seen && e.Seen
	}
	for _, g := range out {
		slices.Reverse(g.Stories)
	}
	return out, nil
}

// getStory is GET /api/portico/v1/stories/:id.
func (p *Photos) getStory(c *call) (any, error) {
	s, err := p.storyOf(c)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).story(s)
}

// seeStory is POST /api/portico/v1/stories/:id/seen. That one has seen one's own
// is not noted.
func (p *Photos) seeStory(c *call) (any, error) {
	s, err := p.storyOf(c)
	if err != nil {
		return nil, err
	}
	if s.Owner != c.viewer.user.ID {
		if err := p.store.SeeStory(c.r.Context(), s.ID, c.viewer.user.ID); err != nil {
			return nil, err
		}
		s.Seen = true
	}
	return c.renderer(p).story(s)
}

// storyViewers is GET /api/portico/v1/stories/:id/viewers, for its owner.
func (p *Photos) storyViewers(c *call) (any, error) {
	s, err := p.storyOf(c)
	if err == nil && s.Owner != c.viewer.user.ID {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	views, err := p.store.StoryViews(c.r.Context(), s.ID, maxViewsList)
	if err != nil {
		return nil, err
	}
	r, out := c.renderer(p), []entity.StoryView{}
	for _, v := range views {
		who, err := r.person(v.User)
		if err != nil {
			return nil, err
		}
		if !who.rel.gone && !who.rel.blocked {
			out = append(out, entity.StoryView{Account: who.account, SeenAt: entity.Time(v.At)})
		}
	}
	return out, nil
}

// deleteStory is DELETE /api/portico/v1/stories/:id.
func (p *Photos) deleteStory(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	gone, err := p.store.RemoveStory(c.r.Context(), id, c.viewer.user.ID)
	if err != nil {
		return nil, err
	}
	p.discard(gone)
	return entity.Empty{}, nil
}

// accountStories is GET /api/portico/v1/accounts/:id/stories.
func (p *Photos) accountStories(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	groups, err := p.groups(c.r.Context(), c.renderer(p), []int64{id})
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		return []entity.Story{}, nil
	}
	return groups[0].Stories, nil
}
