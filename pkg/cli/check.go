package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/admin/watch"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/daemon"
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
ends with the curl line that does the same; below it stands what to do about those
that failed, by what the daemon says of the service. A program that is still
starting is waited for, for half a minute. The exit status is 1 if one fails.

Without a listener's name it also looks for what commonly goes wrong on a host:
names that lead elsewhere, ports that cannot be reached by them, certificates
that expire, a full disk, a wrong clock, too few open files, a unit that forbids
what the config needs; each with what to do. With --host it looks for nothing
else.`,
		Example: `  portico check
  portico check web
  portico check --host --json`,
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx, cancel := interruptible(cmd.Context())
			defer cancel()
			cfg, unit, err := e.toCheck(ctx, names, vars)
			if err != nil {
				return err
			}
			r := e.running(ctx, cfg)
			var found checked
			if !onlyHost {
				checks := probe.Checks(cfg, r.bound, names)
				r.awaitStarts(ctx, e.Err, checks)
				found.Ports = r.ports(ctx, checks, timeout)
			}
			if onlyHost || len(names) == 0 {
				found.Host = hostcheck.Host{Unit: unit, Daemon: r.daemon}.Run(ctx, cfg)
			}
			if asJSON {
				err = printJSON(e.Out, found)
			} else {
				err = found.print(e.Out)
			}
			if err == nil && found.failed() {
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

// toCheck loads the file that says what there is to check.
func (e *env) toCheck(ctx context.Context, names, vars []string) (*config.Config, *hostcheck.Unit, error) {
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

// checked is what came of it; what was not looked at is nil.
type checked struct {
	Ports []probe.Result      `json:"ports,omitempty"`
	Host  []hostcheck.Finding `json:"host,omitempty"`
}

func (c checked) failed() bool {
	return slices.ContainsFunc(c.Ports, bad) ||
		slices.ContainsFunc(c.Host, func(f hostcheck.Finding) bool { return f.Level == hostcheck.Fail })
}

func (c checked) print(out io.Writer) error {
	if c.Ports != nil {
		if err := printResults(out, c.Ports); err != nil {
			return err
		}
	}
	if c.Host != nil {
		printHost(out, c.Host)
	}
	return nil
}

// printHost shows what is not as it should be, and how much else is.
func printHost(out io.Writer, findings []hostcheck.Finding) {
	good := 0
	for _, f := range findings {
		if f.Level == hostcheck.OK {
			good++
			continue
		}
		fmt.Fprintf(out, "\n%s: %s: %s.\n  %s\n", f.Level, f.Check, f.Found, f.Remedy)
	}
	fmt.Fprintf(out, "\nhost: %d of %d checks are fine\n", good, len(findings))
}

// running is what the daemon says of itself; the zero running, where none answers
// or it runs another file.
type running struct {
	client *admin.Client
	bound  probe.Bound // without it the file has to do
	daemon *hostcheck.Daemon
}

// startTime bounds how long check waits for services that are still starting: as
// long as a program may take by default.
const startTime = 30 * time.Second

// awaitStarts waits for services of checks that need nothing but time, and says
// so. Where the time is over, or the daemon goes away, the checks show what is.
func (r running) awaitStarts(ctx context.Context, out io.Writer, checks []probe.Check) {
	if r.client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	told := ""
	for {
		s, err := r.client.Status(ctx)
		if err != nil {
			return
		}
		waits := starting(s, checks)
		if len(waits) == 0 {
			return
		}
		if text := strings.Join(waits, ", "); text != told {
			fmt.Fprintf(out, "waiting for %s, still starting; for %v at most\n", text, startTime)
			told = text
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// starting are the services of checks that are still starting.
func starting(s daemon.Status, checks []probe.Check) (names []string) {
	for _, v := range s.Services {
		name := v.Kind + "." + v.Name
		if v.Starting && slices.ContainsFunc(checks, func(c probe.Check) bool { return c.Service == name }) {
			names = append(names, "service."+name)
		}
	}
	return names
}

// ports makes the checks. Where one fails the daemon is asked, now, what is wrong
// with the service; a check may be what it died of.
func (r running) ports(ctx context.Context, checks []probe.Check, timeout time.Duration) []probe.Result {
	results := probe.Run(ctx, checks, timeout)
	if r.client == nil || !slices.ContainsFunc(results, bad) {
		return results
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := r.client.Status(ctx)
	if err != nil {
		return results // it went away: that is what the results say
	}
	health := probe.Health{}
	for _, v := range s.Services {
		if v.State == "running" {
			health[v.Kind+"."+v.Name] = v.Health
		}
	}
	probe.Advise(results, health)
	return results
}

// bad reports whether the port was looked at and is not as it should be.
func bad(r probe.Result) bool { return !r.OK && !r.Skipped }

func (e *env) running(ctx context.Context, cfg *config.Config) (r running) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var s daemon.Status
	var v *watch.View
	err := e.withDaemon(func(c *admin.Client) (err error) {
		if s, err = c.Status(ctx); err == nil && s.File == cfg.File {
			r.client, v = c, e.numbers(ctx, c)
		}
		return err
	})
	if err != nil || s.File != cfg.File {
		return r
	}
	r.bound = probe.Bound{}
	for _, l := range s.Listeners {
		r.bound[l.Name] = l.Addresses
	}
	if v == nil {
		return r
	}
	r.daemon = &hostcheck.Daemon{Files: uint64(v.Process.Files), MaxFiles: uint64(v.Process.MaxFiles)}
	return r
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
	for _, r := range results {
		if bad(r) {
			fmt.Fprintf(out, "\nFAILED: %s, %s, %s: %s.\n  %s\n", r.Listener, r.Address, r.Service, r.Result, r.Remedy)
		}
	}
	fmt.Fprintf(out, "\n%d checked, %d failed", len(results)-skipped, failures)
	if skipped > 0 {
		fmt.Fprintf(out, ", %d not checked", skipped)
	}
	fmt.Fprintln(out)
	return nil
}
