package photos

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

const (
	maxComment     = 1000 // characters of a report
	maxReportPosts = 100
)

// reportCategories are Mastodon's.
var reportCategories = []string{"other", "spam", "legal", "violation"}

// createReport is POST /api/v1/reports.
func (p *Photos) createReport(c *call) (any, error) {
	id, ok := c.params.Int("account_id")
	if !ok {
		return nil, invalid("account_id is missing")
	}
	u, err := p.people.User(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	r := store.Report{Reporter: c.viewer.user.ID, Target: u.ID, Comment: strings.TrimSpace(c.params.String("comment")), Category: c.params.String("category")}
	if r.Category == "" {
		r.Category = reportCategories[0]
	}
	switch {
	case u.ID == c.viewer.user.ID:
		return nil, invalid("one cannot report oneself")
	case !slices.Contains(reportCategories, r.Category):
		return nil, invalid("category is not one of %s", strings.Join(reportCategories, ", "))
	case tooLong(r.Comment, maxComment):
		return nil, invalid("comment is longer than %d characters", maxComment)
	}
	if r.Statuses, err = p.reportedPosts(c, u.ID); err != nil {
		return nil, err
	}
	if r, err = p.store.AddReport(c.r.Context(), r); err != nil {
		return nil, err
	}
	p.log.Info().Int64("report", r.ID).Str("category", r.Category).Msg("somebody was reported")
	return c.renderer(p).report(r)
}

// reportedPosts reads status_ids: posts of author that the viewer may see.
func (p *Photos) reportedPosts(c *call, author int64) ([]int64, error) {
	texts := c.params.Strings("status_ids")
	if len(texts) > maxReportPosts {
		return nil, invalid("a report names at most %d posts", maxReportPosts)
	}
	ids := []int64{}
	for _, t := range texts {
		id, err := strconv.ParseInt(t, 10, 64)
		if err != nil {
			return nil, errNotFound
		}
		s, err := p.readable(c, id)
		if err != nil {
			return nil, err
		}
		if s.Author != author {
			return nil, errNotFound
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (r *renderer) report(rep store.Report) (entity.Report, error) {
	target, err := r.anybody(rep.Target)
	e := entity.Report{
		ID: entity.ID(rep.ID), ActionTaken: rep.ResolvedBy != 0, ActionTakenAt: entity.Time(rep.ResolvedAt), Category: rep.Category,
		Comment: rep.Comment, CreatedAt: entity.Time(sqlstore.TimeOf(rep.ID)), StatusIDs: []entity.ID{},
	}
	if target != nil {
		e.TargetAccount = *target
	}
	for _, id := range rep.Statuses {
		e.StatusIDs = append(e.StatusIDs, entity.ID(id))
	}
	return e, err
}

// anybody renders an account also where it is suspended; nil: deleted.
func (r *renderer) anybody(id int64) (*entity.Account, error) {
	u, err := r.p.people.User(r.ctx, id)
	if id == 0 || errors.Is(err, account.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := r.account(u)
	return &a, err
}

// adminReport renders a report for operators, with what was reported as far as it
// is still there, whoever else may see it.
func (r *renderer) adminReport(rep store.Report) (e entity.AdminReport, err error) {
	if e.Report, err = r.report(rep); err != nil {
		return e, err
	}
	e.Action, e.Statuses = rep.Action, []entity.Status{}
	if e.Account, err = r.anybody(rep.Reporter); err != nil {
		return e, err
	}
	if e.ActionBy, err = r.anybody(rep.ResolvedBy); err != nil {
		return e, err
	}
	list, err := r.p.store.Statuses(r.ctx, rep.Statuses)
	if err != nil {
		return e, err
	}
	e.Statuses, err = r.evidence(list)
	return e, err
}

// evidence renders reported posts. Pictures that not everybody sees are left out:
// their URLs would name a viewer who may not fetch them.
func (r *renderer) evidence(list []store.Status) ([]entity.Status, error) {
	out := []entity.Status{}
	for _, s := range list {
		author, err := r.anybody(s.Author)
		if err != nil {
			return nil, err
		}
		if author == nil {
			continue
		}
		e := entity.Status{
			ID: entity.ID(s.ID), CreatedAt: entity.Time(sqlstore.TimeOf(s.ID)), Account: *author, URL: author.URL + "/" + strconv.FormatInt(s.ID, 10),
			Content: toHTML(s.Text), SpoilerText: s.Spoiler, Visibility: s.Visibility.String(), Sensitive: s.Sensitive, Media: []entity.Media{},
		}
		for _, m := range s.Media {
			if plainURL(m) {
				e.Media = append(e.Media, r.media(m))
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// reportQueue is a page of reports for operators.
func (p *Photos) reportQueue(ctx context.Context, r *renderer, resolved bool, pg store.Page) ([]store.Report, []entity.AdminReport, error) {
	list, err := p.store.Reports(ctx, resolved, pg)
	if err != nil {
		return nil, nil, err
	}
	out := make([]entity.AdminReport, 0, len(list))
	for _, rep := range list {
		e, err := r.adminReport(rep)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, e)
	}
	return list, out, nil
}
