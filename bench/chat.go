package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlite"
)

// chatPeople is how many accounts the chat is measured with; the largest group
// has all of them.
const chatPeople = 1000

const chatConfig = `
log {
  level = "warn"
  access { off = true }
}
service "chat" "bench" {
  ping        = "10m"
  max_members = 1000
  limits {
    sends       = 1000000
    burst       = 1000000
    connections = 1000
    calls       = 1000000
  }
}
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.bench
}
`

// A chatBench is a chat in a process of its own, and people with tokens.
type chatBench struct {
	p      *portico
	addr   string
	names  []string
	tokens []string
	each   time.Duration
	http   *http.Client
}

// runChat measures the chat and returns its tables as Markdown.
func runChat(ctx context.Context, each time.Duration, idle int) (string, error) {
	parent, err := os.MkdirTemp("", "portico-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(parent)
	bin, err := build(ctx, parent)
	if err != nil {
		return "", err
	}
	b := &chatBench{each: each, http: &http.Client{Timeout: time.Minute}}
	dir := filepath.Join(parent, "run")
	if err := b.signUp(ctx, filepath.Join(dir, "data", "accounts")); err != nil {
		return "", fmt.Errorf("make accounts: %w", err)
	}
	disk, err := fsyncTime(dir)
	if err != nil {
		return "", err
	}
	if b.p, err = startPorticoIn(ctx, bin, dir, chatConfig); err != nil {
		return "", err
	}
	defer b.p.stop()
	addrs, err := b.p.addresses()
	if err != nil {
		return "", err
	}
	b.addr = addrs["chat"]
	var out strings.Builder
	fmt.Fprintf(&out, "Measured %s on %d cores shared with the clients and whatever else ran, %s, %s/%s. Load average before: %s. One fsync of 4 KiB took %.1f ms (median).\n\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, loadAverage(), disk.Seconds()*1e3)
	for _, measure := range []func(io.Writer) error{
		func(w io.Writer) error { return b.measureIdle(w, idle) }, b.measureSends, b.measureDeliveries,
	} {
		if err := measure(&out); err != nil {
			return "", fmt.Errorf("%w\nthe chat said:\n%s", err, b.p.log)
		}
	}
	return out.String(), nil
}

// signUp makes accounts without passwords, whose hashing would take longer than
// all the rest, and a session of each.
func (b *chatBench) signUp(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, filepath.Join(dir, "accounts.db"), zerolog.Nop())
	if err != nil {
		return err
	}
	people := account.New()
	people.Configure(account.Options{Open: func(context.Context) (account.Store, error) { return store, nil }, Log: zerolog.Nop()})
	if err := people.Ready(ctx); err != nil {
		return errors.Join(err, store.Close())
	}
	for i := range chatPeople {
		name := fmt.Sprintf("u%04d", i)
		u, err := store.AddUser(ctx, account.User{Username: name, Role: account.RoleUser, CreatedAt: time.Now()}, "none", nil)
		if err != nil {
			return errors.Join(err, people.Close())
		}
		token, _, err := people.NewSession(ctx, account.Session{UserID: u.ID, Service: "chat.bench"})
		if err != nil {
			return errors.Join(err, people.Close())
		}
		b.names, b.tokens = append(b.names, name), append(b.tokens, token)
	}
	return people.Close()
}

// create makes a conversation and returns its id.
func (b *chatBench) create(person int, body any) (string, error) {
	send, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest("POST", "http://"+b.addr+"/v1/conversations", bytes.NewReader(send))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+b.tokens[person])
	res, err := b.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var conv struct{ ID string }
	if err := json.Unmarshal(answer, &conv); err != nil || conv.ID == "" {
		return "", fmt.Errorf("make a conversation: %s: %s", res.Status, answer)
	}
	return conv.ID, nil
}

// cpu is what the server used so far.
func (b *chatBench) cpu() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(b.p.cmd.Process.Pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("cannot read %s", stat)
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// measured runs f and returns how long it took and the server's CPU time in it.
func (b *chatBench) measured(f func() error) (took, cpu time.Duration, err error) {
	before, err := b.cpu()
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	if err := f(); err != nil {
		return 0, 0, err
	}
	took = time.Since(begun)
	after, err := b.cpu()
	return took, after - before, err
}

// fsyncTime is the median time of an fsync where the chat's data lies.
func fsyncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var times []time.Duration
	for range 51 {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, err
		}
		begun := time.Now()
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(begun))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// percentile of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(float64(len(sorted)-1)*p)].Seconds() * 1e3
}
