package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/storage"
)

// parts are what lies in a data folder and can be moved, also of services that the
// config has no more.
func (e *env) parts(dataDir string) (parts []storage.Part, err error) {
	if k, ok := e.Shared.(keeper); ok {
		kept := k.Keeps()
		for _, name := range slices.Sorted(maps.Keys(kept)) {
			parts = append(parts, partsOf(storage.Place{Kind: name, Dir: filepath.Join(dataDir, name)}, kept[name])...)
		}
	}
	for _, kind := range e.Kinds.Names() {
		kept := e.Kinds[kind].Keeps()
		entries, err := os.ReadDir(filepath.Join(dataDir, kind))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look what is in the data folder: %w", err)
		}
		for _, d := range entries {
			if d.IsDir() {
				parts = append(parts, partsOf(storage.Place{Kind: kind, Name: d.Name(), Dir: filepath.Join(dataDir, kind, d.Name())}, kept)...)
			}
		}
	}
	return parts, nil
}

func partsOf(p storage.Place, kept service.Kept) (parts []storage.Part) {
	for _, db := range kept.Databases {
		if db.Move != nil {
			parts = append(parts, storage.Part{
				Place: p, File: db.Path, Schema: db.Schema, Migrations: db.Move.Migrations,
				Leave: db.Move.Leave, Finish: db.Move.Finish, Files: db.Blobs != "",
			})
		}
	}
	return parts
}

// busyWith is what a start does.
func (r *runner) busyWith() string {
	if what := r.doing.Load(); what != nil {
		return *what
	}
	return "opening services"
}

// arrive ends a move that portico migrate began, where the config is that of the new
// place: nobody writes now. It returns the config to run with: where the move fails
// that is the one from before, because the old place is the truth then.
func (r *runner) arrive(ctx context.Context, cfg *config.Config) (*config.Config, error) {
	mark, err := storage.ReadMark(cfg.DataDir)
	if err != nil || mark == nil {
		return cfg, err
	}
	if mark.Stage != storage.Switching && mark.Began(cfg.Storage) {
		r.log.Info().Str("to", mark.Target()).Str("stage", mark.Stage).Msg("a move of the data is not completed: the old place is in use")
		return cfg, nil
	}
	old, olderr := r.lastGood()
	if err = r.complete(ctx, cfg, old, mark); err == nil || ctx.Err() != nil {
		return cfg, err
	}
	if now, rerr := storage.ReadMark(cfg.DataDir); rerr != nil || now == nil || now.Stage == storage.Switching {
		return nil, err // the new place is the truth
	}
	if olderr != nil || !mark.Began(old.Storage) || old.DataDir != cfg.DataDir {
		return nil, fmt.Errorf("%w; nothing was switched: put the storage block back as it was before portico migrate", err)
	}
	why := fmt.Sprintf("the data could not be moved to %s and stays in %s (%v); the last good config runs", mark.Target(), mark.Origin(), err)
	r.degraded.Store(&why)
	r.log.Error().Err(err).Str("from", mark.Origin()).Str("to", mark.Target()).
		Msg("THE DATA COULD NOT BE MOVED: nothing was switched, and the last good config runs, with the old place; mend what is wrong and restart, or put the storage block back")
	return old, nil
}

func (r *runner) complete(ctx context.Context, cfg, old *config.Config, mark *storage.Mark) error {
	if mark.Stage == storage.Switching && !mark.Leads(cfg.Storage) {
		return fmt.Errorf("the data has moved to %s: put that into the storage block", mark.Target())
	}
	if !mark.Leads(cfg.Storage) {
		return fmt.Errorf("the data is on its way from %s to %s, and the storage block names neither", mark.Origin(), mark.Target())
	}
	if mark.Stage == storage.Copying {
		return errors.New("portico migrate has not come to its end: run it again, with the storage block as it was before")
	}
	parts, err := r.env.parts(cfg.DataDir)
	if err != nil {
		return err
	}
	m := &storage.Move{DataDir: cfg.DataDir, To: cfg.Storage, Parts: parts, Log: r.log, Tell: func(what string, done int64) {
		text := fmt.Sprintf("moving the data: %s %d", what, done)
		r.doing.Store(&text)
	}}
	defer r.doing.Store(nil)
	if len(mark.From) > 0 && mark.Stage != storage.Switching {
		if old == nil || !mark.Began(old.Storage) {
			return fmt.Errorf("the last good copy of the config is not that of %s; stop portico and run portico migrate with the old config file", mark.Origin())
		}
		m.From = old.Storage
	}
	if err := m.Begin(); err != nil {
		return err
	}
	done, err := m.Complete(ctx)
	if err = errors.Join(err, m.End()); err != nil {
		return err
	}
	r.log.Info().Str("to", mark.Target()).Int64("rows", done.Rows).Int64("files", done.Files).Str("sum", done.Sum).Strs("left_behind", done.Left).
		Msg("the data was moved: all rows and files were compared; delete what is left behind when all is well")
	return nil
}
