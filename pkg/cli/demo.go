package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/demo"
)

func newDemo(e *env) *cobra.Command {
	var (
		keep    string
		anyPort bool
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run everything with sample people and pictures",
		Long: `Run chat, photos, a gallery and a start page in a temporary folder, with people,
conversations, pictures and comments that are made through their public APIs,
and print the addresses and logins. Only this machine can connect.

It runs until SIGINT (Ctrl-C) or SIGTERM and removes the folder then. A folder
that is kept can be run again: portico run DIR/config.hcl`,
		Example: `  portico demo
  portico demo --keep /tmp/demo`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.demo(cmd.Context(), keep, anyPort)
		},
	}
	cmd.Flags().StringVar(&keep, "keep", "", "work in `DIR`, which is new or empty, and leave it there")
	cmd.Flags().BoolVar(&anyPort, "any-port", false, "take any free ports in place of 3001, 2001, 8080 and 8000")
	_ = cmd.MarkFlagDirname("keep") // fails for a flag that is not there only
	return cmd
}

// demo is one life of the demo.
func (e *env) demo(ctx context.Context, keep string, anyPort bool) (err error) {
	signals, ignore := hear() // before there is a folder to be removed
	defer ignore()
	began := time.Now()
	dir, err := demoDir(keep)
	if err != nil {
		return err
	}
	if keep == "" {
		defer func() {
			if rest := os.RemoveAll(dir); rest != nil {
				err = errors.Join(err, failed(fmt.Errorf("remove the demo's folder: %w", rest)))
			}
		}()
	}
	places, err := demo.FindPlaces(anyPort)
	if err != nil {
		return failed(err)
	}
	file, err := demo.WriteConfig(dir, places)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(e.Err, "portico: making people, pictures and conversations in %s\n", dir)
	community := demo.Begin(ctx, dir, places)
	defer community.Close()
	r := newRunner(e, source{file: file, getenv: e.getenv})
	r.work = func(ctx context.Context) error {
		if err := r.fill(ctx, community); err != nil {
			return failed(err)
		}
		return failed(e.printDemo(places, dir, keep != "", time.Since(began)))
	}
	return r.run(ctx, signals)
}

// fill brings the community in, and makes one of them the operator.
func (r *runner) fill(ctx context.Context, c *demo.Community) error {
	if err := c.Fill(ctx); err != nil {
		return fmt.Errorf("make the demo: %w", err)
	}
	users := account.LocalAdmin(r.env.Shared.Directory())
	if err := users.SetRole(ctx, demo.Operator, account.RoleAdmin); err != nil {
		return fmt.Errorf("make the demo's operator: %w", err)
	}
	return nil
}

// demoDir makes the folder that the demo works in.
func demoDir(keep string) (string, error) {
	if keep == "" {
		dir, err := os.MkdirTemp("", "portico-demo-")
		if err != nil {
			return "", failed(fmt.Errorf("make a folder for the demo: %w", err))
		}
		return dir, nil
	}
	dir, err := filepath.Abs(keep)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", failed(fmt.Errorf("make a folder for the demo: %w", err))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", failed(fmt.Errorf("look into the demo's folder: %w", err))
	}
	if len(entries) > 0 {
		return "", usage("--keep %s: the folder is not empty; name a new one, or run what is there: portico run %s", keep, filepath.Join(keep, demo.ConfigFile))
	}
	return dir, nil
}

// printDemo tells what there is to see, and how to get in.
func (e *env) printDemo(p demo.Places, dir string, kept bool, took time.Duration) error {
	fmt.Fprintf(e.Out, "\nReady after %.1f seconds.\n\n", took.Seconds())
	t := newTable(e.Out, "OPEN", "URL", "WHAT IS THERE")
	t.row("start page", "http://"+p.Site+"/", "all of this, in the browser")
	t.row("chat", "http://"+p.Chat+"/", "conversations, groups, attachments")
	t.row("photos", "http://"+p.Photos+"/", "posts, comments, stories, albums")
	t.row("gallery", "http://"+p.Gallery+"/", "a folder of pictures, in any size")
	if err := t.end(); err != nil {
		return err
	}
	for _, m := range p.Moved {
		fmt.Fprintf(e.Out, "(%s)\n", m)
	}
	fmt.Fprintln(e.Out)
	t = newTable(e.Out, "SIGN IN AS", "PASSWORD", "NAME")
	for _, u := range demo.Users() {
		if u.Username == demo.Operator {
			u.Name += ", who sees /operate of photos"
		}
		t.row(u.Username, demo.Password, u.Name)
	}
	if err := t.end(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.Out, "\nCtrl-C ends it. %s\n", whatStays(dir, kept))
	return err
}

func whatStays(dir string, kept bool) string {
	if kept {
		return "Everything stays; to go on: portico run " + filepath.Join(dir, demo.ConfigFile)
	}
	return "Nothing stays; --keep DIR keeps it."
}
