// Command bench measures portico beside its peers in one run and writes the tables
// and plots of docs/performance.md. It is run by make bench, on a quiet machine;
// everything stays on loopback, and what it starts it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A bench is what every part has at hand.
type bench struct {
	bin     string // portico
	dir     string // a folder for this run
	short   bool
	rounds  int
	each    time.Duration // how long one server is measured at once; whole seconds
	profile string        // folder for CPU profiles of portico; empty: none
	known   figures       // what parts measured before, where there is a page
}

// pick is a value for the long form or the short one.
func pick[T any](b *bench, long, short T) T {
	if b.short {
		return short
	}
	return long
}

// say tells whoever waits what is going on.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05")+" "+format+"\n", args...)
}

func main() {
	bare := flag.Bool("bare", false, "be the bare net/http server that portico is measured beside")
	only := flag.String("only", "", "parts to run, with commas between: "+strings.Join(partNames(), ", ")+"; empty: all")
	short := flag.Bool("short", false, "everything in under five minutes: one round of a second for each row")
	rounds := flag.Int("rounds", 0, "how often each row is measured, in turn; 0: 5, in short form 1")
	seconds := flag.Int("seconds", 0, "how long one measurement takes; 0: 2, in short form 1")
	out := flag.String("out", "", "page to write tables into, between their markers, with plots in a folder beside it, and other parts' pages; empty: print only")
	profile := flag.String("profile", "", "folder for CPU profiles of portico, one for each row of parts that have servers in turn")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{short: *short, rounds: *rounds, each: time.Duration(*seconds) * time.Second, profile: *profile}
	if b.rounds <= 0 {
		b.rounds = pick(b, 5, 1)
	}
	if b.each <= 0 {
		b.each = pick(b, 2*time.Second, time.Second)
	}
	err := error(nil)
	if *bare {
		err = serveBare(ctx)
	} else {
		err = b.runAll(ctx, *only, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// runAll runs the parts that were asked for. One that fails does not keep the
// others from being measured.
func (b *bench) runAll(ctx context.Context, only, page string) (err error) {
	chosen, err := chooseParts(only)
	if err != nil {
		return err
	}
	if err := havePeers(ctx, chosen); err != nil {
		return err
	}
	raiseFileLimit()
	if b.dir, err = os.MkdirTemp("", "portico-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o755); err != nil {
			return err
		}
	}
	var all time.Duration
	for _, p := range chosen {
		all += p.takes(b)
	}
	say("%d parts, about %s on a quiet machine", len(chosen), all.Round(time.Second))
	say("building portico")
	if b.bin, err = build(ctx, b.dir); err != nil {
		return err
	}
	var errs []error
	for _, p := range chosen {
		if err := b.runPart(ctx, p, page); err != nil {
			say("%s failed: %v", p.name, err)
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		}
		if ctx.Err() != nil {
			return errors.Join(append(errs, errors.New("interrupted"))...)
		}
	}
	return errors.Join(errs...)
}

// runPart measures one part and publishes what it found.
func (b *bench) runPart(ctx context.Context, p part, page string) error {
	takes := p.takes(b)
	bound := 3*takes + time.Minute
	say("%s: %s; about %s, %s at most", p.name, p.about, takes.Round(time.Second), bound.Round(time.Second))
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("not done within %s", bound.Round(time.Second)))
	defer cancel()
	dir, err := os.MkdirTemp(b.dir, p.name+"-")
	if err != nil {
		return err
	}
	own := *b
	own.dir = dir
	if page != "" {
		if own.known, err = readFigures(page); err != nil {
			return err
		}
	}
	begun, load := time.Now(), loadAverage()
	r := newReport(p.name)
	r.say("Measured %s on %d cores that load and servers share, %s, %s/%s; %s; %s. Load average before: %s. %s",
		begun.UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		plural(b.rounds, "round"), fmt.Sprintf("%s each", b.each), load, peerVersions(ctx, p.needs))
	if err := p.run(ctx, &own, r); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return err
	}
	say("%s: done after %s", p.name, time.Since(begun).Round(time.Second))
	fmt.Printf("## %s\n\n%s", p.name, r.text.String())
	if page == "" {
		return os.RemoveAll(dir)
	}
	if err := r.publish(pageOf(p.name, page)); err != nil {
		return err
	}
	f, err := readFigures(page)
	if err != nil {
		return err
	}
	of := partFigures{Measured: begun.UTC().Truncate(time.Minute), Cores: runtime.NumCPU(), Load: load, Short: b.short, Claims: r.claims}
	return errors.Join(f.publish(page, p.name, of), os.RemoveAll(dir))
}

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// chooseParts are those named, in the order of the list.
func chooseParts(only string) ([]part, error) {
	if only == "" {
		return parts(), nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	return slices.DeleteFunc(parts(), func(p part) bool { return !slices.Contains(wanted, p.name) }), nil
}

func partNames() (names []string) {
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}
