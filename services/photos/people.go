package photos

import (
	"net/http"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// The lengths of pages of people.
const (
	defaultPeople = 40
	maxPeople     = 80
	maxNote       = 2000 // characters of a note about somebody
)

var errForbidden = fail(http.StatusForbidden, "This action is not allowed")

// peoplePage is page for lists of people.
func (c *call) peoplePage() (store.Page, error) {
	p, err := c.page()
	p.Limit = c.limit(defaultPeople, maxPeople)
	return p, err
}

// limit reads how many entries somebody wants.
func (c *call) limit(def, most int) int {
	if n, ok := c.params.Int("limit"); ok && n > 0 {
		return int(min(n, int64(most)))
	}
	return def
}

// listPeople answers with a page of a list of people.
func (p *Photos) listPeople(c *call, which store.People, owner int64, s show) ([]entity.Account, error) {
	pg, err := c.peoplePage()
	if err != nil {
		return nil, err
	}
	list, err := p.store.People(c.r.Context(), which, owner, pg)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(list))
	for i, e := range list {
		ids[i] = e.User
	}
	if len(list) > 0 {
		c.link(pg, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return c.renderer(p).people(ids, s)
}

// followersOf is GET /api/v1/accounts/:id/followers.
func (p *Photos) followersOf(c *call) (any, error) { return p.followList(c, store.Followers) }

// followedBy is GET /api/v1/accounts/:id/following.
func (p *Photos) followedBy(c *call) (any, error) { return p.followList(c, store.Followed) }

// followList keeps lists that somebody hides, or that a block hides, empty.
func (p *Photos) followList(c *call, which store.People) (any, error) {
	u, err := p.person(c)
	if err != nil {
		return nil, err
	}
	prof, err := p.store.Profile(c.r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	rel := c.viewer.knows(u)
	if !rel.self && (rel.blocked || prof.PrivateLists) {
		return []entity.Account{}, nil
	}
	return p.listPeople(c, which, u.ID, unblocked)
}

// relationships is GET /api/v1/accounts/relationships.
func (p *Photos) relationships(c *call) (any, error) {
	users, err := p.people.Users(c.r.Context(), c.ids("id"))
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, id := range c.ids("id") {
		u, ok := users[id]
		if ok && !u.Deleted && (!u.Suspended || c.params.Bool(false, "with_suspended")) {
			ids = append(ids, id)
		}
	}
	return p.relationshipsTo(c, ids...)
}

// ids reads a list of ids; what is none is left out.
func (c *call) ids(name string) (ids []int64) {
	for _, s := range c.params.Strings(name) {
		if id, err := parseID(s); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

func (p *Photos) relationshipsTo(c *call, ids ...int64) ([]entity.Relationship, error) {
	list, err := p.store.Relations(c.r.Context(), c.viewer.user.ID, ids)
	if err != nil {
		return nil, err
	}
	blocks, err := p.people.BlockedSet(c.r.Context(), c.viewer.user.ID) // it may have changed in this call
	if err != nil {
		return nil, err
	}
	out := make([]entity.Relationship, 0, len(list))
	for _, rel := range list {
		following := rel.Follow.State == store.Following
		out = append(out, entity.Relationship{
			ID: entity.ID(rel.Target), Following: following, Requested: rel.Follow.State == store.Asked,
			ShowingReblogs: following && rel.Follow.Reblogs, Notifying: following && rel.Follow.Notify, Languages: rel.Follow.Languages,
			FollowedBy: rel.FollowedBy == store.Following, RequestedBy: rel.FollowedBy == store.Asked,
			Blocking: blocks.Blocks(rel.Target), BlockedBy: blocks.BlockedBy(rel.Target),
			Muting: rel.Muted, MutingNotifications: rel.Muted && rel.Mute.Notifications, MutingExpiresAt: entity.Time(rel.Mute.Expires),
			Endorsed: rel.Endorsed, Note: rel.Note,
		})
	}
	return out, nil
}

// relationshipTo is the answer of everything that changes one.
func (p *Photos) relationshipTo(c *call, id int64) (any, error) {
	list, err := p.relationshipsTo(c, id)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// another is whom the id in the path names, who is not the viewer.
func (p *Photos) another(c *call) (account.User, error) {
	u, err := p.person(c)
	if err == nil && u.ID == c.viewer.user.ID {
		err = errForbidden
	}
	return u, err
}

// follow is POST /api/v1/accounts/:id/follow. Options that are not given stay.
func (p *Photos) follow(c *call) (any, error) {
	u, err := p.another(c)
	if err != nil {
		return nil, err
	}
	if c.viewer.knows(u).blocked {
		return nil, errForbidden
	}
	ctx, me := c.r.Context(), c.viewer.user.ID
	list, err := p.store.Relations(ctx, me, []int64{u.ID})
	if err != nil {
		return nil, err
	}
	f := list[0].Follow
	if f.State == store.NoFollow {
		prof, err := p.store.Profile(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		f.State, f.Reblogs = store.Following, true
		if prof.Locked {
			f.State = store.Asked
		}
	}
	f.Reblogs, f.Notify = c.params.Bool(f.Reblogs, "reblogs"), c.params.Bool(f.Notify, "notify")
	if c.params.Has("languages") {
		if f.Languages, err = c.languages(); err != nil {
			return nil, err
		}
	}
	if err := p.startFollow(c, f); err != nil {
		return nil, err
	}
	return p.relationshipTo(c, u.ID)
}

// startFollow stores a follow, unless one of the two blocked the other meanwhile.
func (p *Photos) startFollow(c *call, f store.Follow) error {
	if _, _, err := p.store.SetFollow(c.r.Context(), f); err != nil {
		return err
	}
	blocked, err := p.people.Blocked(c.r.Context(), f.Follower, f.Target)
	if err == nil && blocked {
		err = p.store.Part(c.r.Context(), f.Follower, f.Target)
		if err == nil {
			err = errForbidden
		}
	}
	return err
}

func (c *call) languages() ([]string, error) {
	list := c.params.Strings("languages")
	if len(list) > 50 {
		return nil, invalid("languages has more than 50")
	}
	for _, l := range list {
		if !language.MatchString(l) {
			return nil, invalid("languages has %q, which is not an ISO 639 code", l)
		}
	}
	return list, nil
}

// unfollow is POST /api/v1/accounts/:id/unfollow.
func (p *Photos) unfollow(c *call) (any, error) {
	return p.change(c, func(id int64) error { return p.store.Unfollow(c.r.Context(), c.viewer.user.ID, id) })
}

// removeFollower is POST /api/v1/accounts/:id/remove_from_followers.
func (p *Photos) removeFollower(c *call) (any, error) {
	return p.change(c, func(id int64) error { return p.store.Unfollow(c.r.Context(), id, c.viewer.user.ID) })
}

// change answers with what one is to another after do.
func (p *Photos) change(c *call, do func(id int64) error) (any, error) {
	u, err := p.another(c)
	if err != nil {
		return nil, err
	}
	if err := do(u.ID); err != nil {
		return nil, err
	}
	return p.relationshipTo(c, u.ID)
}

// block is POST /api/v1/accounts/:id/block. It holds in all services, and ends
// follows both ways.
func (p *Photos) block(c *call) (any, error) {
	return p.change(c, func(id int64) error {
		if err := p.people.Block(c.r.Context(), c.viewer.user.ID, id); err != nil {
			return err
		}
		return p.store.Part(c.r.Context(), c.viewer.user.ID, id)
	})
}

// unblock is POST /api/v1/accounts/:id/unblock.
func (p *Photos) unblock(c *call) (any, error) {
	return p.change(c, func(id int64) error { return p.people.Unblock(c.r.Context(), c.viewer.user.ID, id) })
}

// mute is POST /api/v1/accounts/:id/mute.
func (p *Photos) mute(c *call) (any, error) {
	m := store.Mute{User: c.viewer.user.ID, Notifications: c.params.Bool(true, "notifications")}
	if secs, ok := c.params.Int("duration"); ok && secs > 0 {
		m.Expires = time.Now().Add(time.Duration(min(secs, maxSeconds)) * time.Second)
	}
	return p.change(c, func(id int64) error {
		m.Target = id
		return p.store.SetMute(c.r.Context(), m)
	})
}

// maxSeconds bounds how long something lasts: a hundred years.
const maxSeconds = 100 * 365 * 24 * 3600

// unmute is POST /api/v1/accounts/:id/unmute.
func (p *Photos) unmute(c *call) (any, error) {
	return p.change(c, func(id int64) error { return p.store.Unmute(c.r.Context(), c.viewer.user.ID, id) })
}

// note is POST /api/v1/accounts/:id/note.
func (p *Photos) note(c *call) (any, error) {
	text := strings.TrimSpace(c.params.String("comment"))
	if tooLong(text, maxNote) {
		return nil, invalid("comment is longer than %d characters", maxNote)
	}
	return p.change(c, func(id int64) error { return p.store.SetNote(c.r.Context(), c.viewer.user.ID, id, text) })
}

// endorse is POST /api/v1/accounts/:id/pin and endorse.
func (p *Photos) endorse(c *call) (any, error) {
	return p.change(c, func(id int64) error {
		err := p.store.Endorse(c.r.Context(), c.viewer.user.ID, id)
		return orInvalid(err, "you must be already following the person you want to endorse")
	})
}

// unendorse is POST /api/v1/accounts/:id/unpin and unendorse.
func (p *Photos) unendorse(c *call) (any, error) {
	return p.change(c, func(id int64) error { return p.store.Unendorse(c.r.Context(), c.viewer.user.ID, id) })
}
