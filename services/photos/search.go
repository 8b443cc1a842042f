package photos

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// The lengths of what a search finds of each kind.
const (
	defaultSearch = 20
	maxSearch     = 40
	maxQuery      = 1000 // bytes
)

// searchV2 is GET /api/v2/search.
func (p *Photos) searchV2(c *call) (any, error) { return p.search(c) }

// searchV1 is GET /api/v1/search, which has only the names of tags.
func (p *Photos) searchV1(c *call) (any, error) {
	e, err := p.search(c)
	if err != nil {
		return nil, err
	}
	v1 := entity.SearchV1{Accounts: e.Accounts, Statuses: e.Statuses, Hashtags: []string{}}
	for _, t := range e.Hashtags {
		v1.Hashtags = append(v1.Hashtags, t.Name)
	}
	return v1, nil
}

// search finds people by their names, tags by their beginning, and all posts
// that the caller may see by their words. A URL of this service is what it leads
// to.
func (p *Photos) search(c *call) (entity.Search, error) {
	e := entity.Search{Accounts: []entity.Account{}, Statuses: []entity.Status{}, Hashtags: []entity.Tag{}}
	q := strings.TrimSpace(c.params.String("q"))
	limit, offset := c.offsetPage(defaultSearch, maxSearch)
	switch {
	case q == "":
		return e, badRequest("q is missing")
	case len(q) > maxQuery:
		return e, badRequest("q is longer than %d bytes", maxQuery)
	case offset > 0 && !c.viewer.signedIn():
		return e, fail(http.StatusUnauthorized, "Search queries pagination is not supported without authentication")
	}
	kind := c.params.String("type")
	wants := func(k string) bool { return kind == "" || kind == k }
	if strings.HasPrefix(q, "http://") || strings.HasPrefix(q, "https://") {
		if offset > 0 {
			return e, nil
		}
		return e, p.searchURL(c, q, wants, &e)
	}
	var err error
	if wants("accounts") && !strings.HasPrefix(q, "#") {
		if e.Accounts, err = p.findAccounts(c, q, limit, offset, c.params.Bool(false, "following")); err != nil {
			return e, err
		}
	}
	if wants("hashtags") && !strings.HasPrefix(q, "@") {
		if e.Hashtags, err = p.findTags(c, q, limit, offset); err != nil {
			return e, err
		}
	}
	if wants("statuses") && !strings.HasPrefix(q, "@") && !strings.HasPrefix(q, "#") {
		e.Statuses, err = p.findStatuses(c, q, limit, offset)
	}
	return e, err
}

func (p *Photos) findTags(c *call, q string, limit, offset int) ([]entity.Tag, error) {
	prefix := normalTag(q)
	if prefix == "" {
		return []entity.Tag{}, nil
	}
	list, err := p.store.SearchTags(c.r.Context(), c.viewer.user.ID, prefix, limit, offset)
	return c.tags(list), err
}

// findStatuses finds posts by words and by Mastodon's operators from:, before:,
// after: and during:.
func (p *Photos) findStatuses(c *call, q string, limit, offset int) ([]entity.Status, error) {
	s := store.StatusSearch{Viewer: c.viewer.user.ID, Exclude: c.viewer.blocks.All(), Limit: limit, Offset: offset}
	if text := c.params.String("account_id"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return []entity.Status{}, nil
		}
		s.Author = id
	}
	pg, err := c.page()
	if err != nil {
		return nil, err
	}
	s.Max, s.Min = pg.Max, max(pg.Min, pg.Since)
	var words []string
	for _, w := range strings.Fields(q) {
		used, err := p.operator(c, w, &s)
		if errors.Is(err, account.ErrNotFound) {
			return []entity.Status{}, nil
		}
		if err != nil {
			return nil, err
		}
		if !used {
			words = append(words, w)
		}
	}
	s.Words = strings.Join(words, " ")
	list, err := p.store.SearchStatuses(c.r.Context(), s)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).statuses(list)
}

// operator reads a word of a search that says where to look.
func (p *Photos) operator(c *call, word string, s *store.StatusSearch) (used bool, err error) {
	name, value, found := strings.Cut(word, ":")
	if !found || value == "" {
		return false, nil
	}
	if name == "from" {
		if value == "me" && c.viewer.signedIn() {
			s.Author = c.viewer.user.ID
			return true, nil
		}
		u, err := p.people.UserByName(c.r.Context(), c.localName(value))
		s.Author = u.ID
		return true, err
	}
	day, err := time.Parse(time.DateOnly, value)
	if err != nil {
		return false, nil // a word like any other
	}
	first, next := day.UnixMilli()<<16, day.AddDate(0, 0, 1).UnixMilli()<<16
	switch name {
	case "before":
		s.Max = earlier(s.Max, first)
	case "after":
		s.Min = max(s.Min, next-1)
	case "during":
		s.Min, s.Max = max(s.Min, first-1), earlier(s.Max, next)
	default:
		return false, nil
	}
	return true, nil
}

// earlier is the lower of two upper bounds, of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// searchURL finds what a URL of this service leads to. Others lead nowhere:
// nothing is fetched from other servers.
func (p *Photos) searchURL(c *call, q string, wants func(string) bool, e *entity.Search) error {
	u, err := url.Parse(q)
	if err != nil || !strings.EqualFold(u.Host, hostOf(c.base)) {
		return nil
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case len(parts) == 2 && parts[0] == "tags" && wants("hashtags"):
		if name := normalTag(parts[1]); name != "" {
			list, err := p.store.Tags(c.r.Context(), c.viewer.user.ID, []string{name})
			e.Hashtags = c.tags(list)
			return err
		}
	case len(parts) == 1 && strings.HasPrefix(parts[0], "@") && wants("accounts"):
		return p.searchName(c, parts[0], e)
	case len(parts) == 2 && strings.HasPrefix(parts[0], "@") && wants("statuses"):
		return p.searchPost(c, parts[1], e)
	}
	return nil
}

func (p *Photos) searchName(c *call, acct string, e *entity.Search) error {
	u, err := p.people.UserByName(c.r.Context(), c.localName(acct))
	if errors.Is(err, account.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	e.Accounts, err = c.renderer(p).people([]int64{u.ID}, unblocked)
	return err
}

func (p *Photos) searchPost(c *call, id string, e *entity.Search) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	list, err := p.store.Statuses(c.r.Context(), []int64{n})
	if err != nil {
		return err
	}
	e.Statuses, err = c.renderer(p).statuses(list)
	return err
}
