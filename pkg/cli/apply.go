package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/accesslog"
	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/daemon"
	"github.com/porticod/portico/pkg/logging"
)

// apply makes cfg the running configuration, with what lies around the daemon:
// log, access log, admin address, shared resources. On an error nothing
// changed. r.mu is held.
func (r *runner) apply(ctx context.Context, cfg *config.Config) (daemon.Report, error) {
	access, err := r.access.next(cfg.Log.Access)
	if err != nil {
		r.daemon.ReloadFailed(err)
		return daemon.Report{}, err
	}
	commitAdmin, undoAdmin, err := r.admin.Listen(ctx, cfg.Admin.Address)
	if err != nil {
		r.daemon.ReloadFailed(err)
		return daemon.Report{}, errors.Join(err, access.discard(r.access))
	}
	report, err := r.daemon.Apply(ctx, cfg)
	if err != nil {
		undoAdmin()
		return report, errors.Join(err, access.discard(r.access))
	}
	commitAdmin()
	r.daemon.SetAccess(access.log(r.log, cfg.Log.Access))
	r.access.retire(access)
	r.access = access
	r.warn(r.root.Set(cfg.Log.Level, cfg.Log.Format), "the log stays as it was")
	if r.env.Shared != nil {
		r.env.Shared.Apply(cfg)
	}
	r.cfg = cfg
	return report, nil
}

// reload loads the file again and applies it. With dry it only says what would
// change.
func (r *runner) reload(ctx context.Context, dry bool) admin.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := time.Now()
	defer r.pacer.Hold(reloadGarbage)()
	if !dry {
		r.tell(r.notify.Reloading())
		defer func() { r.tell(r.notify.Ready(summary(r.daemon.Counts()))) }()
	}
	res := r.reloadLocked(ctx, dry)
	res.Seconds = time.Since(start).Seconds()
	return res
}

func (r *runner) reloadLocked(ctx context.Context, dry bool) admin.Reload {
	l := r.src.load(r.env.Kinds)
	res := admin.Reload{Exit: exitUsage, Text: l.text(textWidth, false), Diagnostics: l.json()}
	if l.err == nil {
		l.err = r.needsRestart(l.cfg)
		if l.err != nil {
			res.Error = l.err.Error()
		}
	}
	if l.err != nil {
		if !dry {
			l.log(r.log)
			r.log.Error().Err(l.err).Msg("reload refused; nothing changed")
			r.daemon.ReloadFailed(l.err)
		}
		return res
	}
	if dry {
		r.planned(&res, r.daemon.Plan(l.cfg))
		res.OK, res.Exit = true, exitOK
		return res
	}
	l.log(r.log)
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	report, err := r.apply(ctx, l.cfg)
	r.planned(&res, report.Plan)
	if err != nil {
		r.log.Error().Err(err).Msg("reload failed; nothing changed")
		res.Exit, res.Error = exitFailed, err.Error()
		return res
	}
	r.degraded.Store(nil)
	r.keep(l.cfg)
	res.OK, res.Exit = true, exitOK
	return res
}

// planned says in res what changes.
func (r *runner) planned(res *admin.Reload, plan daemon.Plan) {
	res.Plan, res.Changes = &plan, plan.String()
	if r.degraded.Load() != nil { // also where the copy says the same as the file
		const back = "~ the file is in force again, in place of its last good copy\n"
		if res.Changes = back + res.Changes; plan.Empty() {
			res.Changes = back
		}
	}
}

// needsRestart refuses what only a new process can change.
func (r *runner) needsRestart(cfg *config.Config) error {
	if why := config.NeedsRestart(r.cfg, cfg); len(why) > 0 {
		return errors.New(strings.Join(why, "; ") + "; restart portico, or take the change back")
	}
	return nil
}

// An accessFile is the access log's own file; without one the access log goes
// to the log.
type accessFile struct{ file *logging.File }

// next opens what cfg asks for: the same file again, where it is the same.
func (a accessFile) next(cfg config.Access) (accessFile, error) {
	if cfg.Off || cfg.File == "" {
		return accessFile{}, nil
	}
	if a.file != nil && a.file.Path() == cfg.File {
		return a, nil
	}
	f, err := logging.OpenFile(cfg.File)
	if err != nil {
		return accessFile{}, fmt.Errorf("access log: %w", err)
	}
	return accessFile{f}, nil
}

func (a accessFile) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// discard closes a, unless it is the one in use.
func (a accessFile) discard(inUse accessFile) error {
	if a.file == inUse.file {
		return nil
	}
	return a.close()
}

// retire closes a, unless next goes on with it. Requests that are ending just
// now may still write a line.
func (a accessFile) retire(next accessFile) {
	if a.file != nil && a.file != next.file {
		time.AfterFunc(time.Second, func() { _ = a.file.Close() })
	}
}

func (a accessFile) log(log zerolog.Logger, cfg config.Access) *accesslog.Log {
	switch {
	case cfg.Off:
		return nil
	case a.file != nil:
		return accesslog.NewWriter(a.file, cfg.Format)
	}
	return accesslog.New(log)
}
