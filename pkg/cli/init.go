package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/durable"
)

// initFlags are what init was told.
type initFlags struct {
	services      []string
	domain, email string
	command       string
	output        string
	force         bool
}

func newInit(e *env) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a config file to begin with",
		Long: `Write a config file with comments, for the kinds of service that --services
names, to FILE, else to ./config.hcl; to standard output where FILE is "-".

Each service gets a port of its own on loopback. With --domain they share port
443, each under a name of its own below the domain, with a certificate from
Let's Encrypt, and port 80 leads there.

Folders that the file names are made. A file that is there already is left
alone; --force replaces the config file, and nothing else.`,
		Example: `  portico init
  portico init --services chat,static --domain example.org --email ops@example.org
  portico init --services process --command "node server.js"`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && f.output != "" {
				return usage("the file is named twice: %s, and %s by --output", args[0], f.output)
			}
			if len(args) > 0 {
				f.output = args[0]
			}
			return e.init(f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.services, "services", []string{"chat", "photos", "images"}, "the `KINDS` of service, with commas between them")
	flags.StringVar(&f.domain, "domain", "", "the `NAME` that this machine has in DNS; switches TLS on")
	flags.StringVar(&f.email, "email", "", "the `ADDRESS` that the CA may write to")
	flags.StringVar(&f.command, "command", "", "the `PROGRAM` of process, with its arguments (default a sample in Python)")
	flags.StringVarP(&f.output, "output", "o", "", "the `FILE` to write, as the argument")
	flags.BoolVar(&f.force, "force", false, "replace a file that is there")
	_ = cmd.RegisterFlagCompletionFunc("services", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return e.Kinds.Names(), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func (e *env) init(f initFlags) error {
	if f.output == "" {
		f.output = "config.hcl"
	}
	d, err := e.draft(f)
	if err != nil {
		return err
	}
	text, err := d.render()
	if err != nil {
		return failed(err)
	}
	if f.output == "-" {
		_, err := e.Out.Write(text)
		return failed(err)
	}
	if err := writeConfig(f.output, text, f.force); err != nil {
		return err
	}
	fmt.Fprintf(e.Out, "wrote %s\n", f.output)
	made, err := d.makeFolders(filepath.Dir(f.output))
	for _, path := range made {
		fmt.Fprintf(e.Out, "made %s\n", path)
	}
	if err != nil {
		return failed(err)
	}
	return failed(d.next(e.Out))
}

// writeConfig writes the file; one that is there already only with force.
func writeConfig(file string, text []byte, force bool) error {
	if force {
		mode := fs.FileMode(0o644)
		if fi, err := os.Stat(file); err == nil {
			mode = fi.Mode().Perm()
		}
		if err := durable.WriteFile(file, mode, text); err != nil {
			return failed(fmt.Errorf("write a config file: %w", err))
		}
		return nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return failed(fmt.Errorf("%s is there already, and init overwrites nothing; name another file, portico init FILE, or replace it: --force", file))
	}
	if err != nil {
		return failed(fmt.Errorf("write a config file: %w", err))
	}
	_, err = f.Write(text)
	// Whatever root's umask is, the service has to read it, as another user; of
	// /etc/portico the folder keeps others out.
	return failed(errors.Join(err, f.Chmod(0o644), f.Close()))
}

// makeFolders makes the folders that the file names, relative to dir, with what
// shows that they work. It returns what was not there before.
func (d *draft) makeFolders(dir string) (made []string, err error) {
	for _, s := range d.All {
		if s.Folder == "" {
			continue
		}
		folder := s.Folder
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		switch _, err := os.Stat(folder); {
		case err == nil:
		case !errors.Is(err, fs.ErrNotExist):
			return made, fmt.Errorf("make the folder of %s: %w", s.Ref, err)
		default:
			if err := makeFolder(folder); err != nil {
				return made, fmt.Errorf("make the folder of %s: %w", s.Ref, err)
			}
			made = append(made, folder)
		}
		if s.Sample == "" {
			continue
		}
		path := filepath.Join(folder, filepath.Base(s.Sample))
		switch ok, err := writeSample(path, s.Sample); {
		case err != nil:
			return made, err
		case ok:
			made = append(made, path)
		}
	}
	return made, nil
}

// makeFolder makes a folder, and the one above it if need be, that the user of the
// service can enter, whatever the umask is.
func makeFolder(path string) error {
	above := filepath.Dir(path)
	if _, err := os.Stat(above); errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(os.MkdirAll(above, 0o755), os.Chmod(above, 0o755)); err != nil {
			return err
		}
	}
	return errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, 0o755))
}

// writeSample writes a file into a folder that has nothing in it yet.
func writeSample(path, sample string) (wrote bool, err error) {
	there, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return false, fmt.Errorf("look into the folder: %w", err)
	}
	if len(there) > 0 {
		return false, nil
	}
	text, err := templates.ReadFile(sample)
	if err != nil {
		return false, err
	}
	if err := durable.WriteFile(path, 0o644, text); err != nil {
		return false, fmt.Errorf("write a file to begin with: %w", err)
	}
	return true, nil
}

// next says what the services answer at, and what is to be done.
func (d *draft) next(out io.Writer) error {
	t := newTable(out, "", "SERVICE", "URL")
	for _, s := range d.All {
		t.row(" ", s.Ref, s.Where())
	}
	if err := t.end(); err != nil {
		return err
	}
	var b strings.Builder
	if names := d.names(); len(names) > 0 {
		fmt.Fprintf(&b, "\nIn DNS these names have to lead to this machine, and ports 80 and 443 (UDP too) have to be open:\n\n    %s\n",
			strings.Join(names, "\n    "))
	}
	fmt.Fprintf(&b, "\nThen:\n\n    portico validate%s\n", d.File)
	switch {
	case d.System:
		fmt.Fprintf(&b, "    systemctl reload-or-restart portico\n    portico check%s\n", d.Flag())
	default:
		fmt.Fprintf(&b, "    portico run%s\n", d.File)
	}
	if len(d.Accounts) > 0 && d.Domain != "" {
		fmt.Fprintf(&b, "    portico user add NAME --admin%s\n", d.Flag())
	}
	_, err := io.WriteString(out, b.String())
	return err
}
