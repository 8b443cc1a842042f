package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/admin/watch"
)

// topRetry is how long the live view waits before it asks again for a daemon
// that went away.
const topRetry = time.Second

// topFlags are what the command line says about the live view.
type topFlags struct {
	interval time.Duration
	page     string
	sort     string
	once     bool
	json     bool
}

func newTop(e *env) *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show live what the running daemon does",
		Long: `Show live what the running daemon does: connections, requests a second, latency,
errors and memory, by listener, route and service. Keys: q quits, tab turns the
page, s sorts, ? helps.

Where the output is no terminal, one picture after another is printed as plain
text; --once prints one and ends.`,
		Example: `  portico top
  portico top --page routes --interval 5s`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := f.model()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			t, live := openTerminal(e.In, e.Out)
			return e.withDaemon(func(c *admin.Client) error {
				if f.once || f.json || !live {
					return e.topPlain(ctx, c, f, m)
				}
				return e.topLive(ctx, c, f, m, t)
			})
		},
	}
	flags := cmd.Flags()
	flags.DurationVarP(&f.interval, "interval", "n", time.Second, "how `LONG` between two looks, from 1s to 60s")
	flags.StringVar(&f.page, "page", pageNames[0], "what to show: overview, routes, services or connections")
	flags.StringVar(&f.sort, "sort", "", "the title of the `COLUMN` to sort by")
	_ = cmd.RegisterFlagCompletionFunc("page", cobra.FixedCompletions(pageNames[:], cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("sort", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		m := &topModel{page: max(0, slices.Index(pageNames[:], f.page))}
		return m.titles(), cobra.ShellCompDirectiveNoFileComp
	})
	flags.BoolVar(&f.once, "once", false, "print one picture and end")
	flags.BoolVar(&f.json, "json", false, "print the numbers for programs, a line for each look")
	return cmd
}

// model checks the flags.
func (f topFlags) model() (*topModel, error) {
	if f.interval < time.Second || f.interval > time.Minute || f.interval%time.Second != 0 {
		return nil, usage("--interval %v: whole seconds from 1s to 60s are possible", f.interval)
	}
	page := slices.Index(pageNames[:], f.page)
	if page < 0 {
		return nil, usage("--page %s: there are %s", f.page, strings.Join(pageNames[:], ", "))
	}
	m := &topModel{page: page}
	titles := m.titles()
	if m.sort = strings.ToUpper(f.sort); m.sort != "" && !slices.Contains(titles, m.sort) {
		return nil, usage("--sort %s: the page %s has the columns %s", f.sort, f.page, strings.Join(titles, ", "))
	}
	return m, nil
}

// titles are those of the columns of the page, of which nothing is shown yet.
func (m *topModel) titles() (titles []string) {
	m.view = new(watch.View)
	for _, g := range m.grids() {
		for _, c := range g.columns {
			titles = append(titles, c.title)
		}
	}
	m.view = nil
	return slices.Compact(titles)
}

func (f topFlags) seconds() int { return int(f.interval / time.Second) }

// errShown ends a stream of which enough was shown.
var errShown = errors.New("shown")

// topPlain prints frames, or what programs read, without a word for terminals.
func (e *env) topPlain(ctx context.Context, c *admin.Client, f topFlags, m *topModel) error {
	err := c.Watch(ctx, f.seconds(), func(v watch.View) error {
		if v.Seconds == 0 {
			return nil // rates come with the next
		}
		m.view = &v
		if m.page == pageConnections {
			list, err := c.Sockets(ctx)
			if err != nil {
				return err
			}
			m.sockets = list
		}
		if err := f.print(e.Out, m); err != nil {
			return err
		}
		if f.once {
			return errShown
		}
		return nil
	})
	if errors.Is(err, errShown) || ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("the daemon ended")
	}
	return err
}

func (f topFlags) print(out io.Writer, m *topModel) error {
	if f.json {
		return json.NewEncoder(out).Encode(m.view)
	}
	var b strings.Builder
	for _, l := range m.frame(0, 0) {
		b.WriteString(l.text + "\n")
	}
	if !f.once {
		b.WriteByte('\n')
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// A topEvent is something new for the live view: numbers, or why there are none.
type topEvent struct {
	view    *watch.View
	sockets []admin.Socket
	asked   bool // for sockets
	lost    error
}

// topLive shows frames on a terminal until q or a signal. However it ends, the
// terminal is as it was.
func (e *env) topLive(ctx context.Context, c *admin.Client, f topFlags, m *topModel, t *terminal) error {
	if err := c.Ping(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := t.enter(); err != nil {
		return failed(err)
	}
	defer t.leave()
	events := make(chan topEvent)
	go t.guarded(func() { follow(ctx, c, f.seconds(), events) })
	keys := make(chan string)
	go t.guarded(func() { t.readKeys(ctx, keys) })
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)

	for {
		width, height := t.size()
		if err := t.draw(m.frame(width, height)); err != nil {
			return failed(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
		case ev := <-events:
			m.take(ev)
			if ev.view == nil {
				continue
			}
		case key, ok := <-keys:
			switch {
			case !ok:
				return nil // the terminal is gone
			case key == "ctrl-z":
				t.suspend()
			case m.press(key, height):
				return nil
			}
		}
		// The list can be long: it is asked for while somebody looks at it, once
		// at a time.
		if m.page == pageConnections && !m.paused && !m.asking {
			m.asking = true
			go t.guarded(func() { askSockets(ctx, c, events) })
		}
	}
}

// take makes an event part of what is shown.
func (m *topModel) take(ev topEvent) {
	if ev.asked {
		m.asking = false
	}
	m.lost = ""
	if ev.lost != nil {
		m.lost = "trying again: " + ev.lost.Error()
	}
	if m.paused {
		return
	}
	if ev.view != nil {
		m.view = ev.view
	}
	if ev.sockets != nil {
		m.sockets = ev.sockets
	}
}

// follow sends what the daemon does, from one life of it to the next, until ctx
// ends.
func follow(ctx context.Context, c *admin.Client, seconds int, events chan<- topEvent) {
	send := func(ev topEvent) {
		select {
		case events <- ev:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		err := c.Watch(ctx, seconds, func(v watch.View) error {
			send(topEvent{view: &v})
			return nil
		})
		if err == nil {
			err = errors.New("the daemon ends")
		}
		send(topEvent{lost: err})
		select {
		case <-ctx.Done():
		case <-time.After(topRetry):
		}
	}
}

func askSockets(ctx context.Context, c *admin.Client, events chan<- topEvent) {
	list, err := c.Sockets(ctx)
	ev := topEvent{sockets: list, asked: true}
	if err != nil {
		ev.lost = fmt.Errorf("list connections: %w", err)
	}
	select {
	case events <- ev:
	case <-ctx.Done():
	}
}
