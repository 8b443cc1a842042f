package photos

import (
	"cmp"
	"slices"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// A filterPath has what is at :id/keywords, keywords/:id, :id/statuses and
// statuses/:id; nil: nothing.
type filterPath struct{ keywords, keyword, statuses, status handler }

func (f filterPath) route(c *call) (any, error) {
	a, b := c.r.PathValue("a"), c.r.PathValue("b")
	do, id := handler(nil), a
	switch {
	case a == "keywords":
		do, id = f.keyword, b
	case a == "statuses":
		do, id = f.status, b
	case b == "keywords":
		do = f.keywords
	case b == "statuses":
		do = f.statuses
	}
	if do == nil {
		return nil, errNotFound
	}
	c.r.SetPathValue("id", id)
	return do(c)
}

// keywords is GET /api/v2/filters/:id/keywords.
func (p *Photos) keywords(c *call) (any, error) {
	e, err := p.filter(c)
	if err != nil {
		return nil, err
	}
	return e.(entity.Filter).Keywords, nil
}

// addKeyword is POST /api/v2/filters/:id/keywords.
func (p *Photos) addKeyword(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	k, err := keywordOf(c.params.String("keyword"), c.params.Bool(true, "whole_word"))
	if err != nil {
		return nil, err
	}
	f, err := p.changeFilter(c, id, func(f *store.Filter) error {
		f.Keywords = append(f.Keywords, k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return keywordEntity(f.Keywords[len(f.Keywords)-1]), nil
}

// filterStatuses is GET /api/v2/filters/:id/statuses.
func (p *Photos) filterStatuses(c *call) (any, error) {
	e, err := p.filter(c)
	if err != nil {
		return nil, err
	}
	return e.(entity.Filter).Statuses, nil
}

// addFilterStatus is POST /api/v2/filters/:id/statuses.
func (p *Photos) addFilterStatus(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	status, err := parseID(c.params.String("status_id"))
	if err != nil {
		return nil, errNotFound
	}
	s, err := p.store.Status(c.r.Context(), status)
	if err != nil {
		return nil, err
	}
	if may, err := p.mayReadStatus(c.r.Context(), c.viewer, s); err != nil || !may {
		return nil, cmp.Or(err, errNotFound)
	}
	named := func(s store.FilteredStatus) bool { return s.Status == status }
	f, err := p.changeFilter(c, id, func(f *store.Filter) error {
		if slices.ContainsFunc(f.Statuses, named) {
			return invalid("the filter has this post already")
		}
		f.Statuses = append(f.Statuses, store.FilteredStatus{Status: status})
		return nil
	})
	if err != nil {
		return nil, err
	}
	last := f.Statuses[len(f.Statuses)-1]
	return entity.FilterStatus{ID: entity.ID(last.ID), StatusID: entity.ID(last.Status)}, nil
}

// A filterPart is a keyword or a post of a filter.
type filterPart struct {
	filter store.Filter
	at     int
}

// keywordInPath finds the keyword with the id in the path.
func (p *Photos) keywordInPath(c *call) (part filterPart, err error) {
	id, err := c.id()
	if err != nil {
		return part, err
	}
	part.filter, err = p.findFilter(c, func(f store.Filter) bool {
		part.at = slices.IndexFunc(f.Keywords, func(k store.Keyword) bool { return k.ID == id })
		return part.at >= 0
	})
	return part, err
}

// keyword is GET /api/v2/filters/keywords/:id.
func (p *Photos) keyword(c *call) (any, error) {
	part, err := p.keywordInPath(c)
	if err != nil {
		return nil, err
	}
	return keywordEntity(part.filter.Keywords[part.at]), nil
}

// editKeyword is PUT /api/v2/filters/keywords/:id.
func (p *Photos) editKeyword(c *call) (any, error) {
	part, err := p.keywordInPath(c)
	if err != nil {
		return nil, err
	}
	old := part.filter.Keywords[part.at]
	text := old.Text
	if c.params.Has("keyword") {
		text = c.params.String("keyword")
	}
	k, err := keywordOf(text, c.params.Bool(old.WholeWord, "whole_word"))
	if err != nil {
		return nil, err
	}
	k.ID = old.ID
	_, err = p.changeFilter(c, part.filter.ID, func(f *store.Filter) error {
		i := slices.IndexFunc(f.Keywords, func(o store.Keyword) bool { return o.ID == k.ID })
		if i < 0 {
			return errNotFound
		}
		f.Keywords[i] = k
		return nil
	})
	if err != nil {
		return nil, err
	}
	return keywordEntity(k), nil
}

// deleteKeyword is DELETE /api/v2/filters/keywords/:id.
func (p *Photos) deleteKeyword(c *call) (any, error) {
	part, err := p.keywordInPath(c)
	if err != nil {
		return nil, err
	}
	id := part.filter.Keywords[part.at].ID
	_, err = p.changeFilter(c, part.filter.ID, func(f *store.Filter) error {
		f.Keywords = slices.DeleteFunc(f.Keywords, func(k store.Keyword) bool { return k.ID == id })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, nil
}

// statusInPath finds the post of a filter whose entry has the id in the path.
func (p *Photos) statusInPath(c *call) (part filterPart, err error) {
	id, err := c.id()
	if err != nil {
		return part, err
	}
	part.filter, err = p.findFilter(c, func(f store.Filter) bool {
		part.at = slices.IndexFunc(f.Statuses, func(s store.FilteredStatus) bool { return s.ID == id })
		return part.at >= 0
	})
	return part, err
}

// filterStatus is GET /api/v2/filters/statuses/:id.
func (p *Photos) filterStatus(c *call) (any, error) {
	part, err := p.statusInPath(c)
	if err != nil {
		return nil, err
	}
	return filterEntity(part.filter).Statuses[part.at], nil
}

// deleteFilterStatus is DELETE /api/v2/filters/statuses/:id.
func (p *Photos) deleteFilterStatus(c *call) (any, error) {
	part, err := p.statusInPath(c)
	if err != nil {
		return nil, err
	}
	gone := part.filter.Statuses[part.at]
	_, err = p.changeFilter(c, part.filter.ID, func(f *store.Filter) error {
		f.Statuses = slices.DeleteFunc(f.Statuses, func(s store.FilteredStatus) bool { return s.ID == gone.ID })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return filterEntity(part.filter).Statuses[part.at], nil
}
