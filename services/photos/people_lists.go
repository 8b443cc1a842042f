package photos

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

func parseID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err == nil && id <= 0 {
		err = errNotFound
	}
	return id, err
}

// orInvalid turns ErrNotFound into what rule was broken.
func orInvalid(err error, rule string) error {
	if errors.Is(err, store.ErrNotFound) {
		return invalid("%s", rule)
	}
	return err
}

// followRequests is GET /api/v1/follow_requests.
func (p *Photos) followRequests(c *call) (any, error) {
	return p.listPeople(c, store.Requests, c.viewer.user.ID, unblocked)
}

// grantRequest is POST /api/v1/follow_requests/:id/authorize.
func (p *Photos) grantRequest(c *call) (any, error) { return p.answerRequest(c, true) }

// refuseRequest is POST /api/v1/follow_requests/:id/reject.
func (p *Photos) refuseRequest(c *call) (any, error) { return p.answerRequest(c, false) }

func (p *Photos) answerRequest(c *call, grant bool) (any, error) {
	return p.change(c, func(id int64) error { return p.store.Answer(c.r.Context(), c.viewer.user.ID, id, grant) })
}

// mutes is GET /api/v1/mutes.
func (p *Photos) mutes(c *call) (any, error) {
	list, err := p.listPeople(c, store.Muted, c.viewer.user.ID, everyone)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(list))
	for i, a := range list {
		ids[i] = int64(a.ID)
	}
	rels, err := p.store.Relations(c.r.Context(), c.viewer.user.ID, ids)
	if err != nil {
		return nil, err
	}
	out := make([]entity.MutedAccount, len(list))
	for i, a := range list {
		out[i] = entity.MutedAccount{Account: a, MuteExpiresAt: entity.Time(rels[i].Mute.Expires)}
	}
	return out, nil
}

// blocks is GET /api/v1/blocks. The daemon keeps them, in an order of its own.
func (p *Photos) blocks(c *call) (any, error) {
	pg, err := c.peoplePage()
	if err != nil {
		return nil, err
	}
	list, err := p.blockPage(c, pg)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(list))
	for i, b := range list {
		ids[i] = b.OtherID
	}
	if len(list) > 0 {
		c.link(pg, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return c.renderer(p).people(ids, everyone)
}

// blockPage reads on from Max until the page is full or Since is reached; for
// Min, which asks for the oldest of the newer ones, until Min.
func (p *Photos) blockPage(c *call, pg store.Page) (out []account.Block, err error) {
	lower := max(pg.Since, pg.Min)
	for after := pg.Max; ; {
		const step = 500
		n := step
		if pg.Min == 0 {
			n = pg.Limit
		}
		list, err := p.people.Blocks(c.r.Context(), c.viewer.user.ID, after, n)
		if err != nil {
			return nil, err
		}
		end := len(list) < n || pg.Min == 0
		for _, b := range list {
			if after = b.ID; b.ID <= lower {
				end = true
				break
			}
			out = append(out, b)
		}
		if end {
			return out[max(0, len(out)-pg.Limit):], nil
		}
	}
}

// endorsements is GET /api/v1/endorsements.
func (p *Photos) endorsements(c *call) (any, error) {
	return p.listPeople(c, store.Endorsements, c.viewer.user.ID, unblocked)
}

// endorsementsOf is GET /api/v1/accounts/:id/endorsements.
func (p *Photos) endorsementsOf(c *call) (any, error) {
	u, err := p.person(c)
	if err != nil {
		return nil, err
	}
	if c.viewer.knows(u).blocked {
		return []entity.Account{}, nil
	}
	return p.listPeople(c, store.Endorsements, u.ID, unblocked)
}

// maxFamiliar is how many familiar followers of each are shown.
const maxFamiliar = 10

// familiarFollowers is GET /api/v1/accounts/familiar_followers.
func (p *Photos) familiarFollowers(c *call) (any, error) {
	out := []entity.FamiliarFollowers{}
	r := c.renderer(p)
	ids := c.ids("id")
	for _, id := range ids[:min(len(ids), maxPeople)] {
		u, err := present(p.people.User(c.r.Context(), id))
		if errors.Is(err, account.ErrNotFound) || errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := p.familiar(c, u)
		if err != nil {
			return nil, err
		}
		accounts, err := r.people(list, unblocked)
		if err != nil {
			return nil, err
		}
		out = append(out, entity.FamiliarFollowers{ID: entity.ID(id), Accounts: accounts})
	}
	return out, nil
}

// familiar respects that somebody hides who follows them.
func (p *Photos) familiar(c *call, u account.User) ([]int64, error) {
	prof, err := p.store.Profile(c.r.Context(), u.ID)
	if err != nil || prof.PrivateLists || c.viewer.knows(u).blocked {
		return nil, err
	}
	return p.store.Familiar(c.r.Context(), c.viewer.user.ID, u.ID, maxFamiliar)
}

// searchAccounts is GET /api/v1/accounts/search.
func (p *Photos) searchAccounts(c *call) (any, error) {
	offset, _ := c.params.Int("offset")
	return p.findAccounts(c, c.params.String("q"), c.limit(defaultPeople, maxPeople), int(min(max(offset, 0), maxFound)), c.params.Bool(false, "following"))
}

// maxFound is how many people a search looks at.
const maxFound = 500

// findAccounts finds people by the beginning of the username or a part of the
// name; those whom the viewer follows come first, after exact ones. Whom the
// viewer blocks is found by the whole username, to be unblocked.
func (p *Photos) findAccounts(c *call, q string, limit, offset int, following bool) ([]entity.Account, error) {
	q = c.localName(strings.TrimSpace(q))
	users, err := p.people.SearchUsers(c.r.Context(), q, maxFound)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(users))
	for _, u := range users {
		rel := c.viewer.knows(u)
		unblock := strings.EqualFold(u.Username, q) && !c.viewer.blocks.BlockedBy(u.ID)
		if !rel.gone && (!rel.blocked || unblock) {
			ids = append(ids, u.ID)
		}
	}
	if c.viewer.signedIn() {
		if ids, err = p.followedFirst(c, ids, following); err != nil {
			return nil, err
		}
	}
	ids = ids[min(offset, len(ids)):]
	return c.renderer(p).people(ids[:min(limit, len(ids))], everyone)
}

func (p *Photos) followedFirst(c *call, ids []int64, only bool) ([]int64, error) {
	rels, err := p.store.Relations(c.r.Context(), c.viewer.user.ID, ids)
	if err != nil {
		return nil, err
	}
	followed := map[int64]bool{}
	for _, rel := range rels {
		followed[rel.Target] = rel.Follow.State == store.Following
	}
	if only {
		return slices.DeleteFunc(ids, func(id int64) bool { return !followed[id] }), nil
	}
	slices.SortStableFunc(ids, func(a, b int64) int {
		switch {
		case followed[a] == followed[b]:
			return 0
		case followed[a]:
			return -1
		}
		return 1
	})
	return ids, nil
}

// suggestionsV1 is GET /api/v1/suggestions.
func (p *Photos) suggestionsV1(c *call) (any, error) { return p.suggest(c) }

func (p *Photos) suggest(c *call) ([]entity.Account, error) {
	limit := c.limit(defaultPeople, maxPeople)
	// Some may be gone, or block the viewer.
	ids, err := p.store.Suggest(c.r.Context(), c.viewer.user.ID, limit+maxPeople)
	if err != nil {
		return nil, err
	}
	list, err := c.renderer(p).people(ids, unblocked)
	return list[:min(limit, len(list))], err
}

// suggestionsV2 is GET /api/v2/suggestions.
func (p *Photos) suggestionsV2(c *call) (any, error) {
	list, err := p.suggest(c)
	if err != nil {
		return nil, err
	}
	out := make([]entity.Suggestion, len(list))
	for i, a := range list {
		out[i] = entity.Suggestion{Source: "global", Sources: []string{"most_followed"}, Account: a}
	}
	return out, nil
}

// dismissSuggestion is DELETE /api/v1/suggestions/:id.
func (p *Photos) dismissSuggestion(c *call) (any, error) {
	u, err := p.person(c)
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.Dismiss(c.r.Context(), c.viewer.user.ID, u.ID)
}

// directory is GET /api/v1/directory.
func (p *Photos) directory(c *call) (any, error) {
	order := store.ByActivity
	if c.params.String("order") == "new" {
		order = store.ByAge
	}
	offset, _ := c.params.Int("offset")
	ids, err := p.store.Directory(c.r.Context(), order, int(min(max(offset, 0), 1_000_000)), c.limit(defaultPeople, maxPeople))
	if err != nil {
		return nil, err
	}
	return c.renderer(p).people(ids, unblocked)
}
