package photos

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/params"
	"github.com/porticod/portico/services/photos/store"
)

const maxKeyword = 512 // characters

var filterContexts = []string{"home", "notifications", "public", "thread", "account"}

func filterEntity(f store.Filter) entity.Filter {
	e := entity.Filter{
		ID: entity.ID(f.ID), Title: f.Title, Context: f.Contexts, ExpiresAt: entity.Time(f.Expires), Action: f.Action,
		Keywords: make([]entity.FilterKeyword, len(f.Keywords)), Statuses: make([]entity.FilterStatus, len(f.Statuses)),
	}
	for i, k := range f.Keywords {
		e.Keywords[i] = keywordEntity(k)
	}
	for i, s := range f.Statuses {
		e.Statuses[i] = entity.FilterStatus{ID: entity.ID(s.ID), StatusID: entity.ID(s.Status)}
	}
	return e
}

func keywordEntity(k store.Keyword) entity.FilterKeyword {
	return entity.FilterKeyword{ID: entity.ID(k.ID), Keyword: k.Text, WholeWord: k.WholeWord}
}

// filters is GET /api/v2/filters.
func (p *Photos) filters(c *call) (any, error) {
	list, err := p.store.Filters(c.r.Context(), c.viewer.user.ID)
	out := make([]entity.Filter, len(list))
	for i, f := range list {
		out[i] = filterEntity(f)
	}
	return out, err
}

// findFilter is the viewer's filter that has something.
func (p *Photos) findFilter(c *call, has func(f store.Filter) bool) (store.Filter, error) {
	list, err := p.store.Filters(c.r.Context(), c.viewer.user.ID)
	if err != nil {
		return store.Filter{}, err
	}
	if i := slices.IndexFunc(list, has); i >= 0 {
		return list[i], nil
	}
	return store.Filter{}, errNotFound
}

// filter is GET /api/v2/filters/:id.
func (p *Photos) filter(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	f, err := p.findFilter(c, func(f store.Filter) bool { return f.ID == id })
	if err != nil {
		return nil, err
	}
	return filterEntity(f), nil
}

// filterParams reads what a filter is to be, but its keywords; what is not given
// stays.
func (c *call) filterParams(f *store.Filter) error {
	if c.params.Has("title") {
		f.Title = strings.TrimSpace(c.params.String("title"))
	}
	if c.params.Has("context") {
		f.Contexts = c.params.Strings("context")
	}
	if a := c.params.String("filter_action"); a != "" {
		f.Action = a
	}
	if c.params.Has("expires_in") {
		f.Expires = time.Time{}
		if secs, ok := c.params.Int("expires_in"); ok {
			f.Expires = time.Now().Add(time.Duration(min(max(secs, 0), maxSeconds)) * time.Second)
		}
	}
	switch {
	case f.Title == "":
		return invalid("title can't be blank")
	case tooLong(f.Title, maxTitle):
		return invalid("title is longer than %d characters", maxTitle)
	case len(f.Contexts) == 0:
		return invalid("context must have at least one of %s", strings.Join(filterContexts, ", "))
	case f.Action != "warn" && f.Action != "hide":
		return invalid("filter_action is not warn or hide")
	}
	for _, name := range f.Contexts {
		if !slices.Contains(filterContexts, name) {
			return invalid("context has %q, which is none of %s", name, strings.Join(filterContexts, ", "))
		}
	}
	f.Contexts = slices.Compact(slices.Sorted(slices.Values(f.Contexts)))
	return nil
}

func keywordOf(text string, whole bool) (store.Keyword, error) {
	k := store.Keyword{Text: strings.TrimSpace(text), WholeWord: whole}
	switch {
	case k.Text == "":
		return k, invalid("keyword can't be blank")
	case tooLong(k.Text, maxKeyword):
		return k, invalid("keyword is longer than %d characters", maxKeyword)
	}
	return k, nil
}

// editKeywords does what keywords_attributes says: those with an id are changed
// or destroyed, others added.
func (c *call) editKeywords(f *store.Filter) error {
	for _, a := range c.params.Entries("keywords_attributes") {
		if err := editKeyword(f, a); err != nil {
			return err
		}
	}
	return nil
}

func editKeyword(f *store.Filter, a *params.Values) error {
	id, given := a.Int("id")
	i := slices.IndexFunc(f.Keywords, func(k store.Keyword) bool { return given && k.ID == id })
	switch {
	case given && i < 0:
		return errNotFound
	case given && a.Bool(false, "_destroy"):
		f.Keywords = slices.Delete(f.Keywords, i, i+1)
		return nil
	case !given:
		f.Keywords = append(f.Keywords, store.Keyword{})
		i = len(f.Keywords) - 1
	}
	k := &f.Keywords[i]
	text := k.Text
	if a.Has("keyword") {
		text = a.String("keyword")
	}
	changed, err := keywordOf(text, a.Bool(k.WholeWord, "whole_word"))
	changed.ID = k.ID
	*k = changed
	return err
}

// createFilter is POST /api/v2/filters.
func (p *Photos) createFilter(c *call) (any, error) {
	f := store.Filter{User: c.viewer.user.ID, Action: "warn"}
	if err := errors.Join(c.filterParams(&f), c.editKeywords(&f)); err != nil {
		return nil, err
	}
	f, err := p.store.AddFilter(c.r.Context(), f)
	if err != nil {
		return nil, err
	}
	return filterEntity(f), nil
}

// changeFilter is EditFilter for the viewer.
func (p *Photos) changeFilter(c *call, id int64, edit func(*store.Filter) error) (store.Filter, error) {
	return p.store.EditFilter(c.r.Context(), c.viewer.user.ID, id, edit)
}

// editFilter is PUT /api/v2/filters/:id.
func (p *Photos) editFilter(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	f, err := p.changeFilter(c, id, func(f *store.Filter) error {
		if err := c.filterParams(f); err != nil {
			return err
		}
		return c.editKeywords(f)
	})
	if err != nil {
		return nil, err
	}
	return filterEntity(f), nil
}

// deleteFilter is DELETE /api/v2/filters/:id.
func (p *Photos) deleteFilter(c *call) (any, error) {
	id, err := c.id()
	if err == nil {
		err = p.store.DeleteFilter(c.r.Context(), c.viewer.user.ID, id)
	}
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, nil
}
