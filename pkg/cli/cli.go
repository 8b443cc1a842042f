// Package cli is the portico command line: it finds the file and the running
// daemon, and it runs one. Which kinds of service there are, and what they
// share, is the caller's; see App. It knows no kind by name, but for what init
// suggests.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
)

// Version is what the program calls itself; the linker sets it in releases.
var Version = "0.1.0-dev"

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // bad config or bad usage
)

// App is what a portico is made of.
type App struct {
	// Kinds are the kinds of service that config files can name.
	Kinds service.Registry
	// Shared is what services share; nil where they share nothing.
	Shared Shared
	// Packaged is the config file that runs where nobody names one and the folder
	// has none; empty: /etc/portico/config.hcl.
	Packaged string
}

// Shared are resources that the services of all kinds share, such as the
// accounts. They are empty until Open; kinds hold a pointer to them from the
// start, which never changes.
type Shared interface {
	// Open opens them once, after the first config was read and before any
	// service opens.
	Open(ctx context.Context, cfg *config.Config, log zerolog.Logger) error
	// Apply takes the settings of a later config, which was read without a
	// mistake. It cannot fail.
	Apply(cfg *config.Config)
	// Directory is the accounts; nil where there are none. It works after
	// Open.
	Directory() *account.Directory
	// Close ends what Open began, after the last service was closed.
	Close() error
}

// Main runs the program's own command line and exits.
func Main(app App) {
	if c, ok := app.Shared.(childer); ok {
		if status, ok := c.Child(os.Args[1:]); ok {
			os.Exit(status)
		}
	}
	std := Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	os.Exit(Run(context.Background(), app, std, os.Args[1:]))
}

// A childer is a Shared whose work is done by processes of the same program.
type childer interface {
	// Child is told the arguments before anything else. It reports ok where this
	// process is one of those, has done its work and exits with status; else the
	// program may start some.
	Child(args []string) (status int, ok bool)
}

// Streams are the standard streams of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs one command line and returns its exit status. The end of ctx ends a
// daemon like SIGTERM does.
func Run(ctx context.Context, app App, std Streams, args []string) int {
	root := newRoot(&env{App: app, Streams: std, getenv: os.Getenv})
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var st *exitError
	if !errors.As(err, &st) {
		errors.As(mistyped(cmd, "%v", err), &st) // cobra's own, such as flags that exclude each other
	}
	if st.err != nil {
		fmt.Fprintf(std.Err, "portico: %v\n", st.err)
	}
	return st.status
}

// env is what every command is given.
type env struct {
	App
	Streams
	getenv func(string) string

	configFlag string // --config
	adminFlag  string // --admin
}

// An exitError is an error with the exit status that it stands for. With a nil
// err everything was said already.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failed is an error of the work itself, status 1.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{status: exitFailed, err: err}
}

// usage is a mistake of the one who typed the command, status 2.
func usage(format string, args ...any) error {
	return &exitError{status: exitUsage, err: fmt.Errorf(format, args...)}
}

// silent ends the command with status; everything was said already.
func silent(status int) error { return &exitError{status: status} }

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "portico",
		Short: "One daemon, many ports",
		Long: `portico binds the ports that a config file names on this machine and hands
each connection to the service that the file names for it.`,
		// Without this cobra says of itself that there is no such command.
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetIn(e.In)
	root.SetOut(e.Out)
	root.SetErr(e.Err)
	flags := root.PersistentFlags()
	flags.StringVarP(&e.configFlag, "config", "c", "", "the config `FILE` (default $PORTICO_CONFIG, ./config.hcl, /etc/portico/config.hcl)")
	flags.StringVar(&e.adminFlag, "admin", "", "the daemon's admin `SOCKET` (default $PORTICO_ADMIN, else as the config file says)")
	root.AddCommand(
		newRun(e), newValidate(e), newFmt(e), newInit(e), newDemo(e),
		newCheck(e), newReload(e), newStatus(e), newSockets(e), newTop(e),
		newServices(e), newUser(e), newSign(e), newBackup(e), newRestore(e), newMigrate(e),
		newVersion(e), newCompletion(e), newMan(e),
	)
	explainUsage(root)
	return root
}

// version is the program's version with what the build knows of its origin.
func version() string {
	v := Version
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += " (" + s.Value[:12] + ")"
			}
		}
	}
	return v
}

// interruptible returns a context that ends with SIGINT and SIGTERM too, for
// the commands that wait for something.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
