// Command bench measures portico beside bare net/http in one run and writes the
// table of docs/performance.md. It is meant to be run by make bench, on a quiet
// machine; everything stays on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

func main() {
	bare := flag.Bool("bare", false, "be the bare net/http server that portico is measured beside")
	rounds := flag.Int("rounds", 5, "how often each row is measured, in turn")
	seconds := flag.Int("seconds", 3, "how long one measurement takes")
	out := flag.String("out", "", "file to write the table into, between its markers; empty: print only")
	idle := flag.Int("idle", 2000, "idle connections for the memory row")
	chat := flag.Bool("chat", false, "measure the chat in place of listeners; -rounds does not count")
	chatIdle := flag.Int("chat-idle", 10_000, "idle connections for the chat's memory row")
	delivery := flag.Bool("delivery", false, "measure the delivery of files beside nginx in place of listeners")
	proxy := flag.Bool("proxy", false, "measure the proxy and the relay beside nginx and HAProxy in place of listeners")
	pictures := flag.Bool("pictures", false, "measure the making of smaller pictures in place of listeners")
	pictureCount := flag.Int("picture-count", 120, "how many pictures of 12 megapixels that takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *bare {
		if err := serveBare(ctx); err != nil {
			fail(err)
		}
		return
	}
	part, measure := "measured", func() (string, error) {
		return run(ctx, options{rounds: *rounds, each: time.Duration(*seconds) * time.Second, idle: *idle})
	}
	if *chat {
		part, measure = "chat", func() (string, error) {
			return runChat(ctx, time.Duration(*seconds)*time.Second, *chatIdle)
		}
	}
	if *delivery {
		part, measure = "delivery", func() (string, error) {
			return runDelivery(ctx, options{rounds: *rounds, each: time.Duration(*seconds) * time.Second})
		}
	}
	if *proxy {
		part, measure = "proxy", func() (string, error) {
			return runProxy(ctx, options{rounds: *rounds, each: time.Duration(*seconds) * time.Second})
		}
	}
	if *pictures {
		part, measure = "pictures", func() (string, error) { return runPictures(ctx, *pictureCount) }
	}
	table, err := measure()
	if err != nil {
		fail(err)
	}
	fmt.Print(table)
	if *out != "" {
		if err := replaceBetweenMarkers(*out, part, table); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

type options struct {
	rounds, idle int
	each         time.Duration
}

// run measures everything and returns the tables as Markdown.
func run(ctx context.Context, o options) (string, error) {
	dir, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	bin, err := build(ctx, dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s on %d cores shared with the load, %s, %s/%s.\n\n", time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	rates, err := measureRates(ctx, bin, dir, o)
	if err != nil {
		return "", fmt.Errorf("rates: %w", err)
	}
	b.WriteString(rates)
	starts, err := measureStarts(ctx, bin, dir, o)
	if err != nil {
		return "", fmt.Errorf("start and reload: %w", err)
	}
	b.WriteString(starts)
	return b.String(), nil
}

// replaceBetweenMarkers puts the table where an earlier run's was.
func replaceBetweenMarkers(file, part, table string) error {
	begin, end := "<!-- "+part+": begin -->", "<!-- "+part+": end -->"
	src, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(src), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return errors.New(file + " lacks the markers " + begin + " and " + end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n\n"+table+"\n"+end+after), 0o644)
}
