package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/settings"
)

// socketOrders are how the list of connections can be sorted.
var socketOrders = map[string]func(a, b admin.Socket) int{
	"listener": nil, // as they come
	"peer":     func(a, b admin.Socket) int { return strings.Compare(a.Peer, b.Peer) },
	"service":  func(a, b admin.Socket) int { return strings.Compare(a.Service, b.Service) },
	"state":    func(a, b admin.Socket) int { return strings.Compare(a.State, b.State) },
	"age":      func(a, b admin.Socket) int { return a.Opened.Compare(b.Opened) },
	"in":       func(a, b admin.Socket) int { return cmp.Compare(b.BytesIn, a.BytesIn) },
	"out":      func(a, b admin.Socket) int { return cmp.Compare(b.BytesOut, a.BytesOut) },
}

func newSockets(e *env) *cobra.Command {
	var asJSON bool
	var order string
	cmd := &cobra.Command{
		Use:   "sockets [LISTENER...]",
		Short: "List the live connections",
		Long: `List the live connections, of all listeners or of those named: who is connected,
to what, for how long, and how much went either way.`,
		Example: `  portico sockets
  portico sockets web --sort age`,
		ValidArgsFunction: e.completeListeners,
		RunE: func(cmd *cobra.Command, args []string) error {
			compare, ok := socketOrders[order]
			if !ok {
				return usage("--sort %s: possible are listener, peer, service, state, age, in and out", order)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
			defer cancel()
			var list []admin.Socket
			err := e.withDaemon(func(c *admin.Client) (err error) {
				if list, err = c.Sockets(ctx); err == nil {
					list, err = only(ctx, c, list, args)
				}
				return err
			})
			if err != nil {
				return err
			}
			if compare != nil {
				slices.SortStableFunc(list, compare)
			}
			if asJSON {
				return printJSON(e.Out, list)
			}
			return printSockets(e.Out, list, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	cmd.Flags().StringVar(&order, "sort", "listener", "by listener, peer, service, state, age (the oldest first), in or out (the most first)")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(slices.Sorted(maps.Keys(socketOrders)), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// only keeps the connections of the listeners named, of all where none is.
func only(ctx context.Context, c *admin.Client, list []admin.Socket, names []string) ([]admin.Socket, error) {
	if len(names) == 0 {
		return list, nil
	}
	s, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	var known []string
	for _, l := range s.Listeners {
		known = append(known, l.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, usage("there is no listener %q. %s", n, settings.DidYouMean(n, "There are", known))
		}
	}
	return slices.DeleteFunc(list, func(s admin.Socket) bool { return !slices.Contains(names, s.Listener) }), nil
}

func printSockets(out io.Writer, list []admin.Socket, now time.Time) error {
	t := newTable(out, "LISTENER", "PEER", "SERVICE", "PROTOCOL", "STATE", "AGE", "IN", "OUT")
	var in, sent int64
	for _, s := range list {
		t.row(s.Listener, s.Peer, s.Service, s.Protocol, s.State, age(now.Sub(s.Opened)), size(s.BytesIn), size(s.BytesOut))
		in, sent = in+s.BytesIn, sent+s.BytesOut
	}
	if err := t.end(); err != nil {
		return failed(err)
	}
	_, err := fmt.Fprintf(out, "%s, %s in, %s out\n", count(len(list), "connection"), size(in), size(sent))
	return failed(err)
}
