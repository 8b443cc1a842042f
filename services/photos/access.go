package photos

import (
	"context"
	"errors"
	"slices"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/store"
)

// A relation is what a viewer is to an author, and to one post of theirs.
type relation struct {
	self      bool // one and the same
	follows   bool // the viewer follows the author, who let them
	mentioned bool // the author names the viewer in this post
	blocked   bool // either has blocked the other
	gone      bool // the author is suspended or deleted
}

// maySee is the one rule of who may see what: it decides about posts, lists of
// posts and the bytes of pictures. Nobody sees what is gone, be it their own.
// What somebody muted they may still read: a mute keeps it out of their way.
func maySee(v store.Visibility, rel relation) bool {
	switch {
	case rel.gone:
		return false
	case rel.self:
		return true
	case rel.blocked:
		return false
	case v == store.Public, v == store.Unlisted:
		return true
	case v == store.Private:
		return rel.follows || rel.mentioned
	case v == store.Direct:
		return rel.mentioned
	}
	return false // unattached: its owner's
}

// visible are the visibilities that somebody in rel may see of everything that
// an author posts. Posts that name them come on top.
func visible(rel relation) []store.Visibility {
	var out []store.Visibility
	for _, v := range store.Visibilities {
		if maySee(v, rel) {
			out = append(out, v)
		}
	}
	return out
}

// forEverybody tells what the whole world may see and keep: its URLs need no
// signature and caches may hold it.
func forEverybody(v store.Visibility) bool { return maySee(v, relation{}) }

// relation is what v is to u, whatever the post.
func (p *Photos) relation(ctx context.Context, v viewer, u account.User) (relation, error) {
	rel := v.knows(u)
	if rel.self || rel.blocked || rel.gone || !v.signedIn() {
		return rel, nil
	}
	state, err := p.store.FollowState(ctx, v.user.ID, u.ID)
	rel.follows = state == store.Following
	return rel, err
}

// knows is relation without the question whether v follows u.
func (v viewer) knows(u account.User) relation {
	return relation{
		self:    v.signedIn() && v.user.ID == u.ID,
		blocked: v.blocks.Has(u.ID),
		gone:    u.Suspended || u.Deleted,
	}
}

// mayReadStatus tells whether v may see a post.
func (p *Photos) mayReadStatus(ctx context.Context, v viewer, s store.Status) (bool, error) {
	u, err := p.people.User(ctx, s.Author)
	if errors.Is(err, account.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rel, err := p.relation(ctx, v, u)
	rel.mentioned = v.signedIn() && slices.Contains(s.Mentions, v.user.ID)
	return err == nil && maySee(s.Visibility, rel), err
}

// mayReadMedia tells whether v may see a picture: by the post that it is in, or
// else by its own visibility.
func (p *Photos) mayReadMedia(ctx context.Context, v viewer, m store.Media) (bool, error) {
	u, err := p.people.User(ctx, m.Owner)
	if errors.Is(err, account.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rel, err := p.relation(ctx, v, u)
	if err != nil || maySee(m.Visibility, rel) {
		return err == nil, err
	}
	// It would take the post to find out whether the viewer is named in it.
	rel.mentioned = v.signedIn()
	if m.Status == 0 || !maySee(m.Visibility, rel) {
		return false, nil
	}
	s, err := p.store.Status(ctx, m.Status)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // deleted meanwhile
	}
	rel.mentioned = slices.Contains(s.Mentions, v.user.ID)
	return err == nil && maySee(m.Visibility, rel), err
}
