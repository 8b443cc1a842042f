package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/backup"
)

type restoreFlags struct {
	dataDir, owner string
	force, check   bool
	quiet          bool
	timeout        time.Duration
}

func newRestore(e *env) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Put a backup's data back",
		Long: `Verify a backup and make it the data folder, whole or not at all. BACKUP is an
archive, a folder that portico backup made, a folder of those (the newest is
taken), or - for an archive on stdin. The daemon must not run.

A folder that is not empty is refused; with --force it is put aside, beside the
new one, under a name that ends in before-restore- and the time.

Chats begin a new epoch: clients read everything anew, and miss nothing. What
happened after the backup is undone: accounts that were deleted since are back,
and sessions that were ended since are valid again.`,
		Example: `  portico restore /backup/portico.tar.zst
  portico restore --force /backup/portico/
  portico restore --check /backup/portico.tar.zst
  ssh backup@example.org 'cat portico.tar.zst' | portico restore - --data-dir /var/lib/portico`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.restore(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dataDir, "data-dir", "", "the data `FOLDER` (default as the config file says)")
	flags.BoolVar(&f.force, "force", false, "put aside what is in the folder")
	flags.BoolVar(&f.check, "check", false, "verify the backup, and change nothing")
	flags.StringVar(&f.owner, "owner", "", "the `USER` whom the files belong to, where root restores (default the folder's)")
	flags.DurationVar(&f.timeout, "timeout", 24*time.Hour, "give up after this `TIME`")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but what went wrong")
	return cmd
}

func (e *env) restore(ctx context.Context, name string, f restoreFlags) error {
	var stream io.Reader
	if name == "-" {
		stream = e.In
	} else if fi, err := os.Stat(name); err != nil {
		return failed(fmt.Errorf("read the backup: %w", err))
	} else if fi.IsDir() {
		if name, err = backup.Newest(name); err != nil {
			return failed(err)
		}
	}
	ctx, end := patiently(ctx, f.timeout)
	defer end()
	if f.check {
		return e.checkBackup(ctx, name, stream, f)
	}
	dir, err := e.dataDir(f.dataDir)
	if err != nil {
		return err
	}
	p := e.progress(f.quiet)
	o := backup.RestoreOptions{Known: e.known(), Dir: dir, Force: f.force, Progress: p.tell}
	if f.owner != "" {
		if o.Owner, err = ownerOf(f.owner); err != nil {
			return err
		}
	}
	done, err := backup.Restore(ctx, o, name, stream)
	p.end()
	if err != nil {
		return whyEnded(ctx, err)
	}
	if f.quiet {
		return nil
	}
	fmt.Fprintf(e.Out, "%s: the data as of %s, %s, %s, by portico %s\n", dir, done.Created.Local().Format(time.DateTime),
		count(int(done.Files), "file"), size(done.Bytes), done.Program)
	if n := len(done.Missing); n > 0 {
		fmt.Fprintf(e.Out, "%s were missing already when the backup was made, such as %s\n", count(n, "file"), done.Missing[0])
	}
	if done.Aside != "" {
		fmt.Fprintf(e.Out, "what was there before is in %s\n", done.Aside)
	}
	return nil
}

func (e *env) checkBackup(ctx context.Context, name string, stream io.Reader, f restoreFlags) error {
	p := e.progress(f.quiet)
	c, err := backup.Check(ctx, name, stream, e.known(), p.tell)
	p.end()
	if err != nil {
		return whyEnded(ctx, err)
	}
	if f.quiet {
		return nil
	}
	_, err = fmt.Fprintf(e.Out, "%s is whole: the data as of %s, %s, %s, by portico %s\nsha256 of its list: %s\n", name,
		c.Created.Local().Format(time.DateTime), count(int(c.Files), "file"), size(c.Bytes), c.Program, c.Sum)
	return failed(err)
}

func ownerOf(name string) (*backup.Owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, usage("--owner %s: %w", name, err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil {
		return nil, usage("--owner %s: its ids are no numbers", name)
	}
	return &backup.Owner{UID: uid, GID: gid}, nil
}
