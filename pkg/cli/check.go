package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/hostcheck"
	"github.com/porticod/portico/pkg/probe"
	"github.com/porticod/portico/pkg/settings"
)

func newCheck(e *env) *cobra.Command {
	var (
		asJSON   bool
		onlyHost bool
		timeout  time.Duration
		vars     []string
	)
	cmd := &cobra.Command{
		Use:   "check [LISTENER...]",
		Short: "Make a real request through every port",
		Long: `Make a real request through every port of the config, or of the listeners named:
an HTTP request, a WebSocket handshake, bytes that have to come back or a mere
connection, as the kind of the service asks for. Each has a deadline. The table
ends with the curl line that does the same; the exit status is 1 if one fails.

Without a listener's name it also looks for what commonly goes wrong on a host:
names that lead elsewhere, ports that cannot be reached by them, certificates
that expire, a full disk, a wrong clock, too few open files; each with what to
do. With --host it looks for nothing else.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx, cancel := interruptible(cmd.Context())
			defer cancel()
			cfg, unit, err := e.checked(ctx, names, vars)
			if err != nil {
				return err
			}
			if onlyHost {
				return e.printHost(hostcheck.Host{Unit: unit}.Run(ctx, cfg), asJSON)
			}
			results := probe.Run(ctx, probe.Checks(cfg, e.bound(ctx, cfg), names), timeout)
			if asJSON {
				err = printJSON(e.Out, results)
			} else {
				err = printResults(e.Out, results)
			}
			if err != nil {
				return err
			}
			if !asJSON && len(names) == 0 {
				err = e.printHost(hostcheck.Host{Unit: unit}.Run(ctx, cfg), false)
			}
			if slices.ContainsFunc(results, func(r probe.Result) bool { return !r.OK && !r.Skipped }) {
				return silent(exitFailed)
			}
			return err
		},
		ValidArgsFunction: e.completeListeners,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	cmd.Flags().BoolVar(&onlyHost, "host", false, "look at the host alone, not at the ports")
	cmd.Flags().DurationVar(&timeout, "timeout", probe.DefaultTimeout, "how long one request may take")
	addVars(cmd, &vars)
	return cmd
}

// checked loads the file that says what there is to check.
func (e *env) checked(ctx context.Context, names, vars []string) (*config.Config, *hostcheck.Unit, error) {
	src, err := e.source(nil, vars)
	if err != nil {
		return nil, nil, err
	}
	src = src.forUnit(ctx)
	l := src.load(e.Kinds)
	if l.err != nil {
		e.print(l)
		return nil, nil, silent(exitUsage)
	}
	if err := known(l.cfg, names); err != nil {
		return nil, nil, err
	}
	return l.cfg, src.unit, nil
}

// printHost shows what is not as it should be, and how much else is.
func (e *env) printHost(findings []hostcheck.Finding, asJSON bool) error {
	failed := slices.ContainsFunc(findings, func(f hostcheck.Finding) bool { return f.Level == hostcheck.Fail })
	if asJSON {
		if err := printJSON(e.Out, findings); err != nil {
			return err
		}
	} else {
		good := 0
		for _, f := range findings {
			if f.Level == hostcheck.OK {
				good++
				continue
			}
			fmt.Fprintf(e.Out, "\n%s: %s: %s.\n  %s\n", f.Level, f.Check, f.Found, f.Remedy)
		}
		fmt.Fprintf(e.Out, "\nhost: %d of %d checks are fine\n", good, len(findings))
	}
	if failed {
		return silent(exitFailed)
	}
	return nil
}

// bound asks the daemon where it listens. Where none answers, the file has to do.
func (e *env) bound(ctx context.Context, cfg *config.Config) probe.Bound {
	c, err := e.client()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := c.Status(ctx)
	if err != nil || s.File != cfg.File {
		return nil
	}
	b := probe.Bound{}
	for _, l := range s.Listeners {
		b[l.Name] = l.Addresses
	}
	return b
}

// known refuses names of listeners that there are not.
func known(cfg *config.Config, names []string) error {
	have := listenerNames(cfg)
	for _, n := range names {
		if !slices.Contains(have, n) {
			return usage("there is no listener %q in %s. %s", n, cfg.File, settings.DidYouMean(n, "It has", have))
		}
	}
	return nil
}

func listenerNames(cfg *config.Config) []string {
	var names []string
	for _, l := range cfg.Listeners {
		names = append(names, l.Name)
	}
	return names
}

func (e *env) completeListeners(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	src, err := e.source(nil, nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	l := src.load(e.Kinds)
	if l.cfg == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return listenerNames(l.cfg), cobra.ShellCompDirectiveNoFileComp
}

func printResults(out io.Writer, results []probe.Result) error {
	t := newTable(out, "LISTENER", "ADDRESS", "SERVICE", "RESULT", "LATENCY", "CURL")
	var failures, skipped int
	for _, r := range results {
		verdict, latency := "ok: ", r.Latency.Round(10*time.Microsecond).String()
		switch {
		case r.Skipped:
			verdict, latency = "skipped: ", ""
			skipped++
		case !r.OK:
			verdict = "FAILED: "
			failures++
		}
		service := r.Service
		if r.Route != "default" {
			service += " by " + r.Route
		}
		t.row(r.Listener, r.Address, service, verdict+r.Result, latency, r.Curl)
	}
	if err := t.end(); err != nil {
		return failed(err)
	}
	fmt.Fprintf(out, "\n%d checked, %d failed", len(results)-skipped, failures)
	if skipped > 0 {
		fmt.Fprintf(out, ", %d not checked", skipped)
	}
	fmt.Fprintln(out)
	return nil
}
