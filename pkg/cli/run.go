package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/logging"
	"github.com/porticod/portico/pkg/memory"
)

func newRun(e *env) *cobra.Command {
	var vars []string
	cmd := &cobra.Command{
		Use:   "run [FILE]",
		Short: "Run the daemon",
		Long: `Run the daemon in the foreground until SIGTERM or SIGINT.

SIGHUP loads the file again, SIGUSR1 reopens the log files. The first SIGTERM or
SIGINT ends the daemon when its requests have ended, a second one at once.`,
		Example: `  portico run config.hcl
  portico run --var ip=0.0.0.0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := e.source(args, vars)
			if err != nil {
				return err
			}
			// Before anything else: a signal that comes early is not lost, and systemd
			// may send SIGHUP as soon as it was told READY.
			signals, ignore := hear()
			defer ignore()
			return newRunner(e, src).run(cmd.Context(), signals)
		},
	}
	addVars(cmd, &vars)
	return cmd
}

// hear begins to take the signals that a daemon knows, until ignore is called.
func hear() (signals <-chan os.Signal, ignore func()) {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM, os.Interrupt, syscall.SIGPIPE)
	return c, func() { signal.Stop(c) }
}

// run is one life of the daemon, from the first look at the file to the last
// closed service.
func (r *runner) run(ctx context.Context, signals <-chan os.Signal) error {
	defer func() { _ = r.root.Close(logPatience) }() // if nobody reads, nobody can be told
	told, err := r.startUnlessTold(ctx, signals)
	if errors.Is(err, errAtOnce) {
		return err // start is still at work on what close would close
	}
	if err != nil {
		r.close()
		if told && errors.Is(err, context.Canceled) {
			r.log.Info().Msg("stopped before it was ready")
			return nil // as it was told
		}
		return err
	}
	var failure error
	if !told {
		failure = r.serve(ctx, signals)
	}
	if err := r.stop(signals); err != nil {
		return err
	}
	return failure
}

// serve serves until it is told to stop, or until its work fails.
func (r *runner) serve(ctx context.Context, signals <-chan os.Signal) error {
	if r.work == nil {
		r.announce()
		r.loop(ctx, signals)
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := r.work(ctx)
		if err != nil {
			cancel()
		}
		done <- err
	}()
	r.loop(ctx, signals)
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// startUnlessTold starts, and gives up as soon as it can on a signal to end;
// told says that there was one. A SIGHUP that comes meanwhile is heeded afterwards:
// the file may have changed since it was read.
func (r *runner) startUnlessTold(ctx context.Context, signals <-chan os.Signal) (told bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.start(ctx) }()
	beats, stopBeats := ticks(beat)
	defer stopBeats()
	for {
		select {
		case err := <-done:
			return told, err
		case <-beats:
			r.stillAtIt("starting: " + r.busyWith())
		case s := <-signals:
			if s == syscall.SIGHUP {
				r.again = true
			}
			if !ends(s) {
				continue
			}
			if told {
				return told, errAtOnce
			}
			told = true
			cancel()
		}
	}
}

// errAtOnce is the end on a second signal: nothing is closed, nothing waited for.
var errAtOnce = silent(exitFailed)

// ends reports whether a signal asks the daemon to end.
func ends(s os.Signal) bool { return s == syscall.SIGTERM || s == os.Interrupt }

// announce tells systemd, the log and the people at the terminal that the
// daemon is ready.
func (r *runner) announce() {
	s := r.daemon.Status()
	table := logging.IsTerminal(r.env.Out)
	if table {
		fmt.Fprintln(r.env.Out)
		_ = printListeners(r.env.Out, s) // a terminal that is gone is no reason to stop
		fmt.Fprintln(r.env.Out)
	}
	if !table || !logging.IsTerminal(r.env.Err) {
		for _, l := range s.Listeners {
			r.log.Info().Str("listener", l.Name).Strs("urls", l.URLs).Str("service", l.Service).Msg("listening")
		}
	}
	r.tell(r.notify.Ready(summary(r.daemon.Counts())))
	forgetStart()
}

// summary is the line for `systemctl status`.
func summary(listeners, services, generation int) string {
	return fmt.Sprintf("%s, %s, generation %d", count(listeners, "listener"), count(services, "service"), generation)
}

// pace has garbage collected in larger heaps, until the returned function is called.
func (r *runner) pace() (stop func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pacer = memory.Pace(leastGarbage)
	return r.pacer.Stop
}

// loop serves signals until the daemon is to stop.
func (r *runner) loop(ctx context.Context, signals <-chan os.Signal) {
	alive, stopTicks := ticks(r.notify.Watchdog())
	defer stopTicks()
	trims := time.NewTicker(trimEvery)
	defer trims.Stop()
	idle := newTrimmer()
	defer r.pace()()
	reloads := make(chan struct{}, 1) // one that waits is as good as many
	defer close(reloads)
	if r.again {
		reloads <- struct{}{}
	}
	go func() {
		for range reloads {
			r.reload(ctx, false)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-alive:
			r.tell(r.notify.Alive())
		case <-trims.C:
			idle.trim()
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				select {
				case reloads <- struct{}{}:
				default:
				}
			case syscall.SIGUSR1:
				r.reopen()
			case syscall.SIGPIPE:
				// Somebody who read the log is gone. That is no reason to end.
			default:
				r.log.Info().Str("signal", s.String()).Msg("stopping; a second signal ends at once")
				return
			}
		}
	}
}
