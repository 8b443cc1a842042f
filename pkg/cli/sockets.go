package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/admin"
)

func newSockets(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sockets",
		Short: "List the live connections",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := e.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
			defer cancel()
			list, err := c.Sockets(ctx)
			if err != nil {
				return failed(e.explain(err))
			}
			if asJSON {
				return printJSON(e.Out, list)
			}
			return printSockets(e.Out, list, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

func printSockets(out io.Writer, list []admin.Socket, now time.Time) error {
	t := newTable(out, "LISTENER", "PEER", "SERVICE", "PROTOCOL", "STATE", "AGE", "IN", "OUT")
	for _, s := range list {
		t.row(s.Listener, s.Peer, s.Service, s.Protocol, s.State, age(now.Sub(s.Opened)), size(s.BytesIn), size(s.BytesOut))
	}
	return failed(t.end())
}
