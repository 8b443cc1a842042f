package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/backup"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/logging"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/storage"
)

// A keeper is a Shared that keeps something in the data folder.
type keeper interface {
	// Keeps is what lies there, by its folder.
	Keeps() map[string]service.Kept
}

type backupFlags struct {
	dataDir, temp string
	keep          int
	force, quiet  bool
	timeout       time.Duration
}

func newBackup(e *env) *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "backup TARGET",
		Short: "Copy all data, while the daemon runs or not",
		Long: `Copy everything in data_dir as it is at one moment, verify the copy and read it
back. The daemon may run; it is held up for milliseconds. TARGET is

  FILE.tar.zst   an archive; .tar is one without compression
  FOLDER/        a new folder in it, named by the time; files that have not
                 changed since the one before are shared with it
  -              an archive on stdout, as for ssh; it is not read back

The backup holds passwords' hashes, keys and everybody's messages: its mode is
0600, and it should be kept as the data is. The config file is not in it, but the
last good copy of it is. The exit status is 1 where it failed, and then nothing is
left of it, or where the data itself is damaged.`,
		Example: `  portico backup /backup/portico.tar.zst
  portico backup --keep 14 /backup/portico/
  portico backup - | ssh backup@example.org 'cat >portico.tar.zst'`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.backup(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataDir, "data-dir", "", "the data `FOLDER` (default as the config file says)")
	flags.BoolVar(&f.force, "force", false, "replace a file that is there")
	flags.IntVar(&f.keep, "keep", 0, "in a folder of backups, remove all but the newest `N` afterwards (default: keep all)")
	flags.StringVar(&f.temp, "temp", "", "the `FOLDER` that the databases are copied to before they go to stdout (default $TMPDIR, else /var/tmp)")
	flags.DurationVar(&f.timeout, "timeout", 24*time.Hour, "give up after this `TIME`")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but what went wrong")
	return cmd
}

func (e *env) backup(ctx context.Context, target string, f backupFlags) error {
	dir, err := e.dataDir(f.dataDir)
	if err != nil {
		return err
	}
	ctx, end := patiently(ctx, f.timeout)
	defer end()
	p := e.progress(f.quiet)
	var away elsewhere
	o := &backup.Options{Known: away.leaveOut(e.known(), dir), Dir: dir, Progress: p.tell}
	r, err := e.backupTo(ctx, o, target, f)
	p.end()
	if err != nil {
		return whyEnded(ctx, err)
	}
	away.tell(e.Err)
	if !f.quiet {
		out := e.Out
		if target == "-" {
			out = e.Err
		}
		fmt.Fprintln(out, describeBackup(r, target))
	}
	return failed(r.Sound())
}

func (e *env) backupTo(ctx context.Context, o *backup.Options, target string, f backupFlags) (r backup.Report, err error) {
	if target == "-" {
		if logging.IsTerminal(e.Out) {
			return r, usage("an archive does not belong on a terminal; send it somewhere, or name a file")
		}
		temp := f.temp
		if temp == "" {
			temp = e.getenv("TMPDIR")
		}
		if temp == "" {
			temp = "/var/tmp" // may hold what /tmp may not, which is often memory
		}
		return backup.ToStream(ctx, o, e.Out, temp)
	}
	abs, err := filepath.Abs(target)
	if err != nil {
		return r, fmt.Errorf("find the target: %w", err)
	}
	if within(abs, o.Dir) {
		return r, usage("%s lies in the data folder itself; a backup belongs elsewhere, best on another disk", target)
	}
	fi, err := os.Stat(abs)
	switch {
	case err == nil && fi.IsDir(), strings.HasSuffix(target, "/"):
		return backup.ToFolder(ctx, o, abs, f.keep)
	case f.keep != 0:
		return r, usage("--keep is for a folder of backups; end its name with a slash where it is yet to be made")
	}
	if _, ok := backup.Compressed(abs); !ok {
		return r, usage("%s: name a file that ends in .tar.zst or .tar, or a folder with a slash at its end, or - for stdout", target)
	}
	return backup.ToFile(ctx, o, abs, f.force)
}

func describeBackup(r backup.Report, target string) string {
	where, read := r.Path, "read back and verified"
	if target == "-" {
		where, read = "stdout", "not read back: verify it where it lies with portico restore --check"
	}
	linked := ""
	if r.Linked > 0 {
		linked = fmt.Sprintf(" (%d shared with the backup before)", r.Linked)
	}
	return fmt.Sprintf("%s: the data as of %s: %s%s, %s, %s written; %s\nsha256 of its list: %s", where, r.Created.Local().Format(time.DateTime),
		count(int(r.Files), "file"), linked, size(r.Bytes), size(r.Written), read, r.Sum)
}

// dataDir is the data folder: the flag's, else that of the config file, however
// broken that is by now.
func (e *env) dataDir(flag string) (string, error) {
	dir := flag
	if dir == "" {
		src, err := e.source(nil, nil)
		if err != nil {
			return "", err
		}
		dir = config.DataDirGuess(src.file, src.options(e.Kinds))
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", failed(fmt.Errorf("find the data folder: %w", err))
	}
	return abs, nil
}

// known is what this program knows of data folders.
func (e *env) known() backup.Known {
	shared := map[string]service.Kept{}
	if k, ok := e.Shared.(keeper); ok {
		shared = k.Keeps()
	}
	return backup.Known{Program: version(), Layout: layout, Folder: func(dir string) backup.Folder {
		kept := shared[dir]
		if kind, name, ok := strings.Cut(dir, "/"); ok && !strings.Contains(name, "/") {
			if k, ok := e.Kinds[kind]; ok {
				kept = k.Keeps()
			}
		}
		return folderOf(kept)
	}}
}

func folderOf(k service.Kept) backup.Folder {
	f := backup.Folder{Leave: k.Leave, Mark: k.Mark}
	for _, d := range k.Databases {
		db := backup.Database{Path: d.Path, Schema: d.Schema, Blobs: d.Blobs}
		for _, c := range d.Refs {
			db.Refs = append(db.Refs, backup.Column{Table: c.Table, Name: c.Name})
		}
		f.Databases = append(f.Databases, db)
	}
	return f
}

// elsewhere is what no backup of a data folder has, because it is not in it, by the
// folder of its service.
type elsewhere map[string]string

// leaveOut returns what is known of the data folder dir, where what a bucket keeps
// is not looked for.
func (a *elsewhere) leaveOut(known backup.Known, dir string) backup.Known {
	*a = elsewhere{}
	folderOf := known.Folder
	known.Folder = func(name string) backup.Folder {
		f := folderOf(name)
		// Where one cannot be read the backup fails at that file.
		if at, err := storage.DatabaseElsewhere(filepath.Join(dir, name)); err == nil && at != "" {
			f.Databases, (*a)[name] = nil, at
		}
		if at, err := storage.Elsewhere(filepath.Join(dir, name)); err == nil && at != "" {
			for i := range f.Databases {
				f.Databases[i].Blobs = ""
			}
			(*a)[name+"'s files"] = at
		}
		return f
	}
	return known
}

// tell says what the backup has not.
func (a elsewhere) tell(out io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		fmt.Fprintf(out, "portico: not in the backup: %s, which lie in %s and need backups of their own\n", strings.ReplaceAll(name, "/", "."), a[name])
	}
}

// within reports whether a file, which may be yet to be made, would lie in a
// folder, by its name or where that leads.
func within(file, dir string) bool {
	folder, err := os.Stat(dir)
	return err == nil && (isBelow(file, folder) || isBelow(durable.Real(file), folder))
}

// isBelow reports whether the path leads through the folder.
func isBelow(path string, folder fs.FileInfo) bool {
	if fi, err := os.Stat(path); err == nil && os.SameFile(fi, folder) {
		return true
	}
	above := filepath.Dir(path)
	return above != path && isBelow(above, folder)
}

// patiently returns a context that ends with SIGINT, SIGTERM and the time given.
// A reader of stdout that goes away is an error and not the end of the process,
// so that nothing is left behind.
func patiently(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, stop := interruptible(ctx)
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("it took longer than %v (--timeout)", d))
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return ctx, func() { signal.Stop(pipe); cancel(); stop() }
}

// whyEnded is the error of a command that ended early. It says what a person or a limit did, in place of "context canceled".
func whyEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return failedUnlessUsage(err)
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return failed(fmt.Errorf("given up: %w; nothing is left of it", cause))
	}
	return failed(errors.New("interrupted; nothing is left of it"))
}

// failedUnlessUsage keeps the exit status that an error has.
func failedUnlessUsage(err error) error {
	var st *exitError
	if errors.As(err, &st) {
		return st
	}
	return failed(err)
}

// A meter shows how far some work is, on a terminal only.
type meter struct {
	out  io.Writer // nil: nowhere
	last time.Time
	what string
}

// meterEvery is how often the line is written anew.
const meterEvery = 200 * time.Millisecond

func (e *env) progress(quiet bool) *meter {
	if quiet || !logging.IsTerminal(e.Err) {
		return &meter{}
	}
	return &meter{out: e.Err}
}

func (m *meter) tell(what string, done, total int64) {
	if m.out == nil || what == m.what && time.Since(m.last) < meterEvery {
		return
	}
	m.what, m.last = what, time.Now()
	percent := int64(100)
	if total > 0 {
		percent = min(done*100/total, 100)
	}
	fmt.Fprintf(m.out, "\r\x1b[K%s: %d %%", what, percent)
}

func (m *meter) end() {
	if m.out != nil && m.what != "" {
		fmt.Fprint(m.out, "\r\x1b[K")
	}
}
