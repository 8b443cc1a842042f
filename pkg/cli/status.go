package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/daemon"
)

// askTimeout bounds the calls to the daemon that only ask.
const askTimeout = 10 * time.Second

func newStatus(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running daemon does",
		Long: `Show the running daemon's listeners and services, and how its last reload went.
The exit status is 1 where it does not run or is not ready.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := e.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
			defer cancel()
			s, err := c.Status(ctx)
			if err != nil {
				return failed(e.explain(err))
			}
			if asJSON {
				err = printJSON(e.Out, s)
			} else {
				err = printStatus(e.Out, s, time.Now())
			}
			if err == nil && !s.Ready {
				return silent(exitFailed)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

func printStatus(out io.Writer, s daemon.Status, now time.Time) error {
	state := "ready"
	if !s.Ready {
		state = "NOT READY: " + s.Degraded
	}
	fmt.Fprintf(out, "portico %s, process %d, up %s, generation %d, %s\n%s\n\n", s.Version, s.PID, age(now.Sub(s.Started)), s.Generation, state, s.File)
	if err := printListeners(out, s); err != nil {
		return failed(err)
	}
	fmt.Fprintln(out)
	t := newTable(out, "SERVICE", "STATE", "HEALTH", "CALLS", "IN PROGRESS", "CONNECTIONS")
	for _, v := range s.Services {
		t.row(v.Kind+"."+v.Name, v.State, v.Health, strconv.FormatInt(v.Calls, 10), strconv.Itoa(v.InProgress), strconv.Itoa(v.Connections))
	}
	if err := t.end(); err != nil {
		return failed(err)
	}
	if r := s.LastReload; !r.OK && r.Error != "" {
		fmt.Fprintf(out, "\nthe last reload, %s ago, failed: %s\n", age(now.Sub(r.At)), r.Error)
	}
	return nil
}
