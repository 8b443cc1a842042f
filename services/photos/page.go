package photos

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/porticod/portico/services/photos/store"
)

// The lengths of pages of posts.
const (
	defaultPage = 20
	maxPage     = 40
)

// page reads max_id, since_id, min_id and limit.
func (c *call) page() (store.Page, error) {
	p := store.Page{Limit: defaultPage}
	if n, ok := c.params.Int("limit"); ok && n > 0 {
		p.Limit = int(min(n, maxPage))
	}
	for name, to := range map[string]*int64{"max_id": &p.Max, "since_id": &p.Since, "min_id": &p.Min} {
		if c.params.String(name) == "" {
			continue
		}
		id, ok := c.params.Int(name)
		if !ok || id < 0 {
			return p, badRequest("%s is not an id", name)
		}
		*to = id
	}
	return p, nil
}

// link sets the Link header of a list whose first and last ids are given, if
// the page was full. Other parameters of the query are kept.
func (c *call) link(p store.Page, n int, first, last int64) {
	if n < p.Limit {
		return
	}
	with := func(name string, id int64) string {
		q := c.r.URL.Query()
		for _, k := range []string{"max_id", "since_id", "min_id"} {
			q.Del(k)
		}
		q.Set(name, strconv.FormatInt(id, 10))
		u := url.URL{Path: c.r.URL.Path, RawQuery: q.Encode()}
		return c.base + u.String()
	}
	c.w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s>; rel="prev"`, with("max_id", last), with("min_id", first)))
}
