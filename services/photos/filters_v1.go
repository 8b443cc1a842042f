package photos

import (
	"slices"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// The first version of filters knows keywords only; each is shown as a filter of
// its own, with the keyword's id.

func filterV1(f store.Filter, k store.Keyword) entity.FilterV1 {
	return entity.FilterV1{
		ID: entity.ID(k.ID), Phrase: k.Text, Context: f.Contexts, WholeWord: k.WholeWord,
		ExpiresAt: entity.Time(f.Expires), Irreversible: f.Action == "hide",
	}
}

// filtersV1 is GET /api/v1/filters.
func (p *Photos) filtersV1(c *call) (any, error) {
	list, err := p.store.Filters(c.r.Context(), c.viewer.user.ID)
	out := []entity.FilterV1{}
	for _, f := range list {
		for _, k := range f.Keywords {
			out = append(out, filterV1(f, k))
		}
	}
	return out, err
}

// oneFilterV1 is GET /api/v1/filters/:id.
func (p *Photos) oneFilterV1(c *call) (any, error) {
	part, err := p.keywordInPath(c)
	if err != nil {
		return nil, err
	}
	return filterV1(part.filter, part.filter.Keywords[part.at]), nil
}

// filterParamsV1 reads what a filter of one keyword is to be.
func (c *call) filterParamsV1(f *store.Filter, k *store.Keyword) error {
	text := k.Text
	if c.params.Has("phrase") {
		text = c.params.String("phrase")
	}
	changed, err := keywordOf(text, c.params.Bool(k.WholeWord, "whole_word"))
	if err != nil {
		return err
	}
	changed.ID = k.ID
	*k = changed
	if c.params.Has("irreversible") {
		f.Action = "warn"
		if c.params.Bool(false, "irreversible") {
			f.Action = "hide"
		}
	}
	if f.Title == "" {
		f.Title = string([]rune(k.Text)[:min(len([]rune(k.Text)), maxTitle)])
	}
	return c.filterParams(f)
}

// createFilterV1 is POST /api/v1/filters.
func (p *Photos) createFilterV1(c *call) (any, error) {
	f, k := store.Filter{User: c.viewer.user.ID, Action: "warn"}, store.Keyword{}
	if err := c.filterParamsV1(&f, &k); err != nil {
		return nil, err
	}
	f.Keywords = []store.Keyword{k}
	f, err := p.store.AddFilter(c.r.Context(), f)
	if err != nil {
		return nil, err
	}
	return filterV1(f, f.Keywords[0]), nil
}

// editFilterV1 is PUT /api/v1/filters/:id. Where the filter has more keywords,
// what is not the keyword's changes for all of them.
func (p *Photos) editFilterV1(c *call) (any, error) {
	part, err := p.keywordInPath(c)
	if err != nil {
		return nil, err
	}
	k := part.filter.Keywords[part.at]
	f, err := p.changeFilter(c, part.filter.ID, func(f *store.Filter) error {
		i := slices.IndexFunc(f.Keywords, func(o store.Keyword) bool { return o.ID == k.ID })
		if i < 0 {
			return errNotFound
		}
		if err := c.filterParamsV1(f, &f.Keywords[i]); err != nil {
			return err
		}
		k = f.Keywords[i]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return filterV1(f, k), nil
}

// deleteFilterV1 is DELETE /api/v1/filters/:id: the keyword, and the filter with
// its last part.
func (p *Photos) deleteFilterV1(c *call) (any, error) {
	part, err := p.keywordInPath(c)
	if err != nil {
		return nil, err
	}
	if len(part.filter.Keywords) > 1 || len(part.filter.Statuses) > 0 {
		return p.deleteKeyword(c)
	}
	if err := p.store.DeleteFilter(c.r.Context(), c.viewer.user.ID, part.filter.ID); err != nil {
		return nil, err
	}
	return entity.Empty{}, nil
}
