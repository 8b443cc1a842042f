package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/daemon"
)

// askTimeout bounds the calls to the daemon that only ask.
const askTimeout = 10 * time.Second

func newStatus(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running daemon does",
		Long: `Show the running daemon's listeners and services, what they did since it started,
and what somebody should know of: a reload that failed, a certificate that ends.
The exit status is 1 where it does not run or is not ready.`,
		Example: `  portico status
  portico status --json`,
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
			v, err := c.View(ctx)
			if err != nil {
				return failed(e.explain(err))
			}
			if asJSON {
				err = printJSON(e.Out, statusAnswer{s, v})
			} else {
				err = printStatus(e.Out, s, v)
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

// statusAnswer is what programs read: the status, and the numbers since the
// daemon started.
type statusAnswer struct {
	daemon.Status
	Numbers watch.View `json:"numbers"`
}

func printStatus(out io.Writer, s daemon.Status, v watch.View) error {
	state := "ready"
	if !s.Ready {
		state = "NOT READY: " + printable(s.Degraded)
	}
	p := v.Process
	fmt.Fprintf(out, "portico %s, process %d, up %s, generation %d, %s\n%s\n", s.Version, s.PID, age(v.At.Sub(s.Started)), s.Generation, state, s.File)
	fmt.Fprintf(out, "%s of memory, %s of CPU time, %s goroutines, %s of %s files open\n\n",
		size(int64(p.Memory)), age(time.Duration(p.CPU*v.Seconds*float64(time.Second))), amount(p.Goroutines), amount(p.Files), amount(p.MaxFiles))
	if err := printListeners(out, s); err != nil {
		return failed(err)
	}
	fmt.Fprintln(out)
	numbers := map[string]watch.Traffic{}
	for _, n := range v.Services {
		numbers[n.Name] = n.Traffic
	}
	t := newTable(out, "SERVICE", "STATE", "HEALTH", "CALLS", "IN PROGRESS", "CONNECTIONS", "REQUESTS", "5XX", "P50", "P99")
	for _, sv := range s.Services {
		name := sv.Kind + "." + sv.Name
		n := numbers[name]
		t.row(name, sv.State, printable(sv.Health), strconv.FormatInt(sv.Calls, 10), strconv.Itoa(sv.InProgress), strconv.Itoa(sv.Connections),
			strconv.FormatFloat(n.AllRequests, 'f', 0, 64), strconv.FormatFloat(n.AllServerErrors, 'f', 0, 64), lasting(n.P50), lasting(n.P99))
	}
	if err := t.end(); err != nil {
		return failed(err)
	}
	v.Ready = true // said above
	for i, what := range troubles(v) {
		if i == 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintln(out, printable(what))
	}
	return nil
}
