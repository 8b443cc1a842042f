package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
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
			c, err := e.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), applyTimeout+10*time.Second)
			defer cancel()
			res, err := c.Reload(ctx, diff)
			if err != nil {
				return failed(e.explain(err))
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
