package photos

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

var errOperator = fail(http.StatusForbidden, "This is for operators: accounts with the role admin")

// operator wraps a handler that only people with the role admin may call.
func operator(do handler) handler {
	return func(c *call) (any, error) {
		if c.viewer.user.Role != account.RoleAdmin {
			return nil, errOperator
		}
		return do(c)
	}
}

// adminReports is GET /api/portico/v1/admin/reports: the open ones, or those
// that were resolved.
func (p *Photos) adminReports(c *call) (any, error) {
	pg, err := c.page()
	if err != nil {
		return nil, err
	}
	list, out, err := p.reportQueue(c.r.Context(), c.renderer(p), c.params.Bool(false, "resolved"), pg)
	if err == nil && len(list) > 0 {
		c.link(pg, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return out, err
}

// adminReport is GET /api/portico/v1/admin/reports/:id.
func (p *Photos) adminReport(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	r, err := p.store.Report(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).adminReport(r)
}

// resolveReport is POST /api/portico/v1/admin/reports/:id/resolve.
func (p *Photos) resolveReport(c *call) (any, error) {
	action := strings.TrimSpace(c.params.String("action"))
	if tooLong(action, maxComment) {
		return nil, invalid("action is longer than %d characters", maxComment)
	}
	return p.settleReport(c, c.viewer.user.ID, action)
}

// reopenReport is POST /api/portico/v1/admin/reports/:id/reopen.
func (p *Photos) reopenReport(c *call) (any, error) { return p.settleReport(c, 0, "") }

func (p *Photos) settleReport(c *call, by int64, action string) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	r, err := p.store.ResolveReport(c.r.Context(), id, by, action)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).adminReport(r)
}

// suspend is POST /api/portico/v1/admin/accounts/:id/suspend. It acts in every
// service at once: the accounts are the daemon's.
func (p *Photos) suspend(c *call) (any, error) { return p.setSuspended(c, true) }

// unsuspend is POST /api/portico/v1/admin/accounts/:id/unsuspend.
func (p *Photos) unsuspend(c *call) (any, error) { return p.setSuspended(c, false) }

func (p *Photos) setSuspended(c *call, yes bool) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	if id == c.viewer.user.ID {
		return nil, invalid("one cannot suspend oneself")
	}
	set := p.people.Unsuspend
	if yes {
		set = p.people.Suspend
	}
	if err := set(c.r.Context(), id); err != nil {
		return nil, err
	}
	p.log.Info().Int64("account", id).Int64("by", c.viewer.user.ID).Bool("suspended", yes).Msg("an operator changed an account")
	a, err := c.renderer(p).anybody(id)
	if err == nil && a == nil {
		err = store.ErrNotFound
	}
	return a, err
}

// removePost is POST /api/portico/v1/admin/statuses/:id/remove: a post goes,
// whoever's it is, with the bytes of its pictures.
func (p *Photos) removePost(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	s, err := p.store.Status(c.r.Context(), id)
	if err == nil {
		s, err = p.store.DeleteStatus(c.r.Context(), id, s.Author, false)
	}
	if err != nil {
		return nil, err
	}
	p.discard(s.Media...)
	p.log.Info().Int64("status", id).Int64("by", c.viewer.user.ID).Msg("an operator removed a post")
	return entity.Empty{}, nil
}

// storage is GET /api/portico/v1/admin/storage.
func (p *Photos) storage(c *call) (any, error) { return p.storageNow(c.r.Context()) }

// retryJobs is POST /api/portico/v1/admin/jobs/retry: what was given up is tried
// again.
func (p *Photos) retryJobs(c *call) (any, error) {
	if _, err := p.store.RetryJobs(c.r.Context()); err != nil {
		return nil, err
	}
	p.wakeJobs()
	return p.storageNow(c.r.Context())
}

const listedFailures = 20

// storageNow says what is kept and what is to do.
func (p *Photos) storageNow(ctx context.Context) (e entity.Storage, err error) {
	u, err := p.store.Usage(ctx)
	if err != nil {
		return e, err
	}
	pool := p.pictures.Stats()
	e = entity.Storage{
		Pictures: u.Pictures, LoosePictures: u.Loose, OriginalBytes: u.Originals, SizeBytes: u.Sizes, VariantBytes: u.Variants,
		Uploads: u.Uploads, UploadBytes: u.UploadBytes, Stories: u.Stories, Albums: u.Albums, OpenReports: u.OpenReports,
		FailedJobs: []entity.FailedJob{}, PicturesInWork: []entity.ID{}, PoolMemory: pool.Memory, PoolMemoryLimit: pool.Budget,
	}
	if free, total, err := diskSpace(p.spoolDir); err == nil {
		e.DiskFree, e.DiskTotal = &free, &total
		if text := diskAlarm(free, total); text != "" {
			e.Alarm = &text
		}
	}
	if err := p.store.Check(); err != nil {
		e.Alarm = new("Nothing can be stored: " + err.Error())
	}
	counts, err := p.store.JobCounts(ctx)
	if err != nil {
		return e, err
	}
	for _, c := range counts {
		e.Jobs = append(e.Jobs, entity.JobCount{Kind: string(c.Kind), Waiting: c.Waiting, Retrying: c.Retries, Failed: c.Failed})
	}
	failed, err := p.store.FailedJobs(ctx, listedFailures)
	if err != nil {
		return e, err
	}
	for _, j := range failed {
		e.FailedJobs = append(e.FailedJobs, entity.FailedJob{
			Kind: string(j.Kind), MediaID: entity.ID(j.Media), Attempts: j.Attempts, Error: j.LastError, NextTry: entity.Time(j.RunAfter),
		})
	}
	for _, l := range p.lanes {
		if id := l.busy.Load(); id != 0 {
			e.PicturesInWork = append(e.PicturesInWork, entity.ID(id))
		}
	}
	return e, nil
}

// diskAlarm says what operators should know of a disk that fills up: less than
// 5 % free, where that is between 1 and 10 GiB.
func diskAlarm(free, total int64) string {
	const gib = 1 << 30
	if need := min(max(total/20, gib), 10*gib); free >= need {
		return ""
	}
	return fmt.Sprintf("The disk is nearly full: %s of %s are free. Delete something, or move data_dir to a larger disk.", bytesText(free), bytesText(total))
}

// bytesText is a number of bytes for people, with three digits at most.
func bytesText(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1024, u
	}
	if f < 10 && unit != "B" {
		return fmt.Sprintf("%.1f %s", f, unit)
	}
	return fmt.Sprintf("%.0f %s", f, unit)
}
