package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/hostcheck"
	"github.com/porticod/portico/pkg/logging"
	"github.com/porticod/portico/pkg/storage"
)

type migrateFlags struct {
	to                    string
	home, dryRun, abandon bool
	vars                  []string
	timeout               time.Duration
	quiet                 bool
}

func newMigrate(e *env) *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate [FILE]",
		Short: "Move the data to a database server and a bucket, or back",
		Long: `Copy accounts, chats and photos from where the config FILE has them to where the
storage block of another file says (--to), or back into the data folder (--home).

While the daemon runs it goes on writing to the old place: passes copy everything,
and then what was written meanwhile, until little is left. Then put the block into
the config file and restart: before it serves the daemon copies the rest, compares
all rows, and the names and sizes of all files, and switches. Clients wait so long.
Where that fails nothing is switched, and it goes on with the old place.

While no daemon runs all of that is done at once.

What is cut off, at whatever point, goes on with the next run; until the switch the
old place is the truth, and no portico opens the new one. What is in the old place
stays, under names that end in .moved- and the time, or in _moved_ and the time.

Run by root it reads the files and becomes the owner of the data folder: what it
makes belongs to the daemon.`,
		Example: `  portico migrate --to storage.hcl --dry-run
  portico migrate --to storage.hcl
  portico migrate --home /etc/portico/config.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (f.to == "") == !f.home {
				return mistyped(cmd, "migrate: name the file with the storage block that says where to, with --to, or say --home for the data folder")
			}
			return e.migrate(cmd.Context(), args, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.to, "to", "", "the `FILE` with the storage block that says where to; the rest of it does not matter")
	flags.BoolVar(&f.home, "home", false, "move back into the data folder")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be moved, and change nothing")
	flags.BoolVar(&f.abandon, "abandon", false, "give up a move that was not completed, and remove what was copied into databases")
	flags.DurationVar(&f.timeout, "timeout", 24*time.Hour, "give up after this `TIME`")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but what went wrong")
	addVars(cmd, &f.vars)
	return cmd
}

func (e *env) migrate(ctx context.Context, args []string, f migrateFlags) error {
	cfg, to, err := e.migration(args, f)
	if err != nil {
		return err
	}
	if _, err := os.Stat(cfg.DataDir); err != nil {
		return failed(fmt.Errorf("there is nothing to move: %w", err))
	}
	if err := becomeOwner(cfg.DataDir); err != nil {
		return failed(err)
	}
	log := logging.New(e.Err)
	if err := log.Set("warn", logging.Auto); err != nil {
		return failed(err)
	}
	m := &storage.Move{DataDir: cfg.DataDir, From: cfg.Storage, To: to, Log: log.Logger()}
	if m.Parts, err = e.parts(cfg.DataDir); err != nil {
		return failed(err)
	}
	mark, err := storage.ReadMark(cfg.DataDir)
	if err != nil {
		return failed(err)
	}
	steps, err := m.Steps()
	if err != nil && (mark == nil || f.dryRun) {
		return failed(err)
	}
	ctx, end := patiently(ctx, f.timeout)
	defer end()
	switch {
	case f.abandon && mark == nil:
		return failed(errors.New("there is no move to give up"))
	case f.abandon:
		if err := storage.Abandon(ctx, m.DataDir, to, m.Parts); err != nil {
			return failed(err)
		}
		e.say(f, "the move is given up; what %s says is in use as before\n", cfg.File)
		return nil
	case f.dryRun, len(steps) == 0 && mark == nil:
		return e.showSteps(steps)
	}
	if mark == nil {
		if err := takes(ctx, to); err != nil {
			return failed(err)
		}
	}
	p := e.progress(f.quiet)
	m.Tell = p.count
	return e.move(ctx, m, p, cfg, f)
}

// takes is nil where the places that a move would go to can be written to. It is
// asked before one begins: else who named a wrong server had to give that move up,
// at that server, before the right one could be named.
func takes(ctx context.Context, to storage.Config) error {
	to.Bus = ""
	for _, f := range hostcheck.Storage(ctx, to) {
		if f.Level == hostcheck.Fail {
			return fmt.Errorf("%s; nothing was begun. %s", f.Found, f.Remedy)
		}
	}
	return nil
}

// move moves at once, or, where a daemon has the folder, as far as can be.
func (e *env) move(ctx context.Context, m *storage.Move, p *meter, cfg *config.Config, f migrateFlags) error {
	lease, err := openDataDir(cfg.DataDir)
	running := errors.Is(err, durable.ErrLeased)
	if err != nil && !running {
		return failed(err)
	}
	if err = m.Begin(); err == nil {
		if running {
			err = e.passes(ctx, m, p, cfg, f)
		} else {
			err = e.moveAll(ctx, m, p, cfg, f)
		}
		p.end()
		err = errors.Join(err, m.End())
	}
	if lease != nil {
		err = errors.Join(err, lease.Release())
	}
	if err != nil && ctx.Err() != nil {
		return failed(fmt.Errorf("%w; nothing was switched: the same command goes on with it", context.Cause(ctx)))
	}
	return failedUnlessUsage(err)
}

func (e *env) moveAll(ctx context.Context, m *storage.Move, p *meter, cfg *config.Config, f migrateFlags) error {
	done, err := m.Complete(ctx)
	p.end()
	if err != nil {
		return err
	}
	if len(done.Left) == 0 {
		e.say(f, nothingToMove)
		return nil
	}
	e.say(f, "moved and compared: %s of %s, %s of %s\nsha256 of the rows: %s\n", count(int(done.Rows), "row"), count(done.Tables, "table"),
		count(int(done.Files), "file"), size(done.Bytes), done.Sum)
	e.say(f, "\nNow %s, and start portico.\n\nThe old data is still there. Delete it when all is well:\n", f.edit(cfg))
	for _, name := range done.Left {
		e.say(f, "  %s\n", name)
	}
	return nil
}

// What a daemon can copy in a moment while it starts, and how often is tried to
// get there.
const (
	fewRows   = 1000
	fewFiles  = 100
	maxPasses = 10
)

func (e *env) passes(ctx context.Context, m *storage.Move, p *meter, cfg *config.Config, f migrateFlags) error {
	for n := 1; ; n++ {
		began := time.Now()
		done, err := m.Pass(ctx)
		p.end()
		if err != nil {
			return err
		}
		e.say(f, "pass %d: %s of %s, %s of %s; written: %s, %s; %v\n", n, count(int(done.Rows), "row"), count(done.Tables, "table"), count(int(done.Files), "file"),
			size(done.Bytes), count(int(done.Changed), "row"), count(int(done.Copied), "file"), time.Since(began).Round(time.Millisecond))
		if done.Changed <= fewRows && done.Copied <= fewFiles || n == maxPasses {
			break
		}
	}
	if err := m.Copied(); err != nil {
		return err
	}
	e.say(f, `
Everything is copied, and nothing is switched: the daemon goes on writing to the old
place. Now %s, and
  systemctl restart portico
Before it serves it copies the rest, compares everything and switches; clients wait.
Where that fails it says so, and goes on with the old place.
`, f.edit(cfg))
	return nil
}

// edit says what is to be done in the config file.
func (f migrateFlags) edit(cfg *config.Config) string {
	if f.home {
		return "take database and blobs out of the storage block of " + cfg.File
	}
	return fmt.Sprintf("put the storage block of %s into %s", f.to, cfg.File)
}

func (e *env) say(f migrateFlags, format string, args ...any) {
	if !f.quiet {
		fmt.Fprintf(e.Out, format, args...)
	}
}

const nothingToMove = "there is nothing to move: everything is there already\n"

func (e *env) showSteps(steps []storage.Step) error {
	if len(steps) == 0 {
		fmt.Fprint(e.Out, nothingToMove)
		return nil
	}
	t := newTable(e.Out, "WHOSE", "WHAT", "FROM", "TO")
	for _, s := range steps {
		name := s.Kind
		if s.Name != "" {
			name += "." + s.Name
		}
		if s.Rows != nil {
			t.row(name, "rows", orFolder(s.Rows.From), orFolder(s.Rows.To))
		}
		if s.Blob != nil {
			t.row(name, "files", orFolder(s.Blob.From), orFolder(s.Blob.To))
		}
	}
	return failed(t.end())
}

func orFolder(place string) string {
	if place == "" {
		return "the data folder"
	}
	return place
}

// count shows how many there are by now, where nobody knows how many there will be.
func (m *meter) count(what string, done int64) {
	if m.out == nil || what == m.what && time.Since(m.last) < meterEvery {
		return
	}
	m.what, m.last = what, time.Now()
	fmt.Fprintf(m.out, "\r\x1b[K%s: %d", what, done)
}

// migration loads the config, and the block of the other file.
func (e *env) migration(args []string, f migrateFlags) (*config.Config, storage.Config, error) {
	var none storage.Config
	src, err := e.source(args, f.vars)
	if err != nil {
		return nil, none, err
	}
	now := src.load(e.Kinds)
	if now.err != nil {
		e.print(now)
		return nil, none, silent(exitUsage)
	}
	if f.home {
		return now.cfg, none, nil
	}
	if src.file, err = filepath.Abs(f.to); err != nil {
		return nil, none, failed(fmt.Errorf("find the file: %w", err))
	}
	// Secrets by name are those of the data folder.
	getenv := src.getenv
	src.getenv = func(name string) string {
		if name == "STATE_DIRECTORY" {
			return now.cfg.DataDir
		}
		return getenv(name)
	}
	src.vars = nil // they are the config's
	next := src.load(e.Kinds)
	if next.err != nil {
		e.print(next)
		return nil, none, silent(exitUsage)
	}
	return now.cfg, next.cfg.Storage, nil
}
