package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newValidate(e *env) *cobra.Command {
	var (
		asJSON bool
		vars   []string
	)
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Look for mistakes in a config file",
		Long: `Read a config file and what it includes, and report every mistake with its place
and its remedy. Nothing is bound, opened or made. The exit status is 2 where
there are mistakes.

Where portico.service is installed it also warns of what the file needs and the
unit does not allow: rights for a process with a user of its own, ports below
1024, folders below /home, folders to write to; each with the drop-in to install.
The file that the unit runs is read with the unit's Environment=, which comes
before your own, and with an EnvironmentFile= that you may read.`,
		Example: `  portico validate
  portico validate --json new.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := e.source(args, vars)
			if err != nil {
				return err
			}
			l := src.forUnit(cmd.Context()).load(e.Kinds)
			if asJSON {
				err = failed(l.src.WriteJSON(e.Out, l.diags))
			} else {
				e.print(l)
			}
			switch {
			case err != nil:
				return err
			case l.err != nil:
				return silent(exitUsage)
			case !asJSON:
				fmt.Fprintf(e.Out, "%s: ok, %s, %s\n", src.file, count(len(l.cfg.Listeners), "listener"), count(len(l.cfg.Services), "service"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	addVars(cmd, &vars)
	return cmd
}
