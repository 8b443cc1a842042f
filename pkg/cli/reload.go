package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/admin"
)

func newReload(e *env) *cobra.Command {
	var diff bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the running daemon load its file again",
		Long: `Make the running daemon load its file again, and wait until that is done.

Nothing that did not change is touched. With a mistake in the file nothing
changes at all, and the exit status is 2; it is 1 when the file is good but, say,
a port is in use.`,
		Example: `  portico reload
  portico reload --diff
  portico reload --config /etc/portico/config.hcl`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), applyTimeout+10*time.Second)
			defer cancel()
			var res admin.Reload
			err := e.withDaemon(func(c *admin.Client) (err error) {
				res, err = c.Reload(ctx, diff)
				return err
			})
			if err != nil {
				return err
			}
			fmt.Fprint(e.Err, res.Text)
			if res.Exit != exitOK {
				if res.Error != "" {
					fmt.Fprintf(e.Err, "portico: %s\n", res.Error)
				}
				fmt.Fprintln(e.Err, "portico: not reloaded; what ran before goes on")
				return silent(res.Exit)
			}
			fmt.Fprint(e.Out, res.Changes)
			return nil
		},
	}
	cmd.Flags().BoolVar(&diff, "diff", false, "only say what would change")
	return cmd
}
