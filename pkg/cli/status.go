package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/admin"
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
			ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
			defer cancel()
			var s daemon.Status
			var numbers *watch.View
			err := e.withDaemon(func(c *admin.Client) (err error) {
				if s, err = c.Status(ctx); err == nil {
					numbers = e.numbers(ctx, c)
				}
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(e.Out, statusAnswer{s, numbers})
			} else {
				err = printStatus(e.Out, s, numbers)
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

// numbers are what the daemon did since it started. Where it does not say, as one
// that is older than this program, nil: its state matters more.
func (e *env) numbers(ctx context.Context, c *admin.Client) *watch.View {
	v, err := c.View(ctx)
	if err != nil {
		var answer *admin.Error
		if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
			err = fmt.Errorf("%w; it is older than this program: restart it", err)
		}
		fmt.Fprintf(e.Err, "portico: the daemon gives no numbers: %v\n", err)
		return nil
	}
	return &v
}

// statusAnswer is what programs read: the status, and the numbers since the
// daemon started where it has told them.
type statusAnswer struct {
	daemon.Status
	Numbers *watch.View `json:"numbers,omitempty"`
}

// printStatus shows the status; v may be nil.
func printStatus(out io.Writer, s daemon.Status, v *watch.View) error {
	state := "ready"
	if !s.Ready {
		state = "NOT READY: " + printable(s.Degraded)
	}
	fmt.Fprintf(out, "portico %s, process %d, up %s, generation %d, %s\n%s\n", s.Version, s.PID, age(time.Since(s.Started)), s.Generation, state, s.File)
	numbers := map[string]watch.Traffic{}
	if v != nil {
		p := v.Process
		fmt.Fprintf(out, "%s of memory, %s of CPU time, %s goroutines, %s of %s files open\n",
			size(int64(p.Memory)), age(time.Duration(p.CPU*v.Seconds*float64(time.Second))), amount(p.Goroutines), amount(p.Files), amount(p.MaxFiles))
		for _, n := range v.Services {
			numbers[n.Name] = n.Traffic
		}
	}
	for _, what := range slices.Sorted(maps.Keys(s.Storage)) {
		fmt.Fprintf(out, "%s in %s\n", what, printable(s.Storage[what]))
	}
	fmt.Fprintln(out)
	if err := printListeners(out, s); err != nil {
		return failed(err)
	}
	fmt.Fprintln(out)
	titles := []string{"SERVICE", "STATE", "HEALTH", "CALLS", "IN PROGRESS", "CONNECTIONS"}
	if v != nil {
		titles = append(titles, "REQUESTS", "5XX", "P50", "P99")
	}
	t := newTable(out, titles...)
	for _, sv := range s.Services {
		name := sv.Kind + "." + sv.Name
		row := []string{name, sv.State, printable(sv.Health), strconv.FormatInt(sv.Calls, 10), strconv.Itoa(sv.InProgress), strconv.Itoa(sv.Connections)}
		if v != nil {
			n := numbers[name]
			row = append(row, strconv.FormatFloat(n.AllRequests, 'f', 0, 64), strconv.FormatFloat(n.AllServerErrors, 'f', 0, 64), lasting(n.P50), lasting(n.P99))
		}
		t.row(row...)
	}
	if err := t.end(); err != nil {
		return failed(err)
	}
	if v == nil {
		return nil
	}
	v.Ready = true // said above
	for i, what := range troubles(*v) {
		if i == 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintln(out, printable(what))
	}
	return nil
}
