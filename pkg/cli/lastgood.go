package cli

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/logging"
)

// lastGoodDir is where the copy of the last good files lies.
func lastGoodDir(dataDir string) string { return filepath.Join(dataDir, "last-good") }

// first loads the file for the first time. Where it has mistakes, the copy of
// the last good one has to do: a machine that restarts at night should come up.
func (r *runner) first() (*config.Config, error) {
	l := r.src.load(r.env.Kinds)
	if l.err == nil {
		if logging.IsTerminal(r.env.Err) {
			r.env.print(l) // warnings, with the lines they are about
		} else {
			l.log(r.log)
		}
		return l.cfg, nil
	}
	r.env.print(l)
	cfg, err := r.lastGood()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("%s has mistakes, see above; nothing was bound", r.src.file)
	case err != nil:
		return nil, usage("%s has mistakes, see above, and the copy of the last good one is of no use: %w", r.src.file, err)
	}
	why := "the file " + r.src.file + " has mistakes; the last good copy of it runs"
	r.degraded.Store(&why)
	r.log.Error().Str("file", r.src.file).Str("copy", lastGoodDir(cfg.DataDir)).
		Msg("THE CONFIG FILE HAS MISTAKES: the copy of the last good one runs; correct the file and reload")
	return cfg, nil
}

// lastGood loads the copy. It counts only for the file that was asked for.
func (r *runner) lastGood() (*config.Config, error) {
	opt := r.src.options(r.env.Kinds)
	cfg, _, diags, err := config.LoadLastGood(lastGoodDir(config.DataDirGuess(r.src.file, opt)), opt)
	switch {
	case err != nil:
		return nil, err
	case diags.HasErrors():
		return nil, mistakes(diags)
	case cfg.File != r.src.file:
		return nil, fs.ErrNotExist
	}
	return cfg, nil
}

// keep copies the files that run now. Without the copy everything goes on; the
// next start would only be worse off.
func (r *runner) keep(cfg *config.Config) {
	if r.degraded.Load() != nil {
		return // what runs is the copy
	}
	r.warn(config.SaveLastGood(cfg, lastGoodDir(cfg.DataDir)), "the copy of the last good config could not be written")
}
