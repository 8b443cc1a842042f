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
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/account/sqlstore"
)

// chatPeople is how many accounts the chat is measured with; the largest group
// has all of them.
const chatPeople = 1000

const chatService = `
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
`

// A chatBench is a chat in a process of its own, and people with tokens.
type chatBench struct {
	*portico
	addr, secure string // plain and TLS
	names        []string
	tokens       []string
	each         time.Duration
	rounds       int
	short        bool
	fsync        time.Duration // of 4 KiB, where the data lies
	http         *http.Client
}

// startChat starts one.
func startChat(ctx context.Context, b *bench) (*chatBench, error) {
	c := &chatBench{each: b.each, rounds: min(b.rounds, 3), short: b.short, http: &http.Client{Timeout: time.Minute}}
	dir, err := os.MkdirTemp(b.dir, "chat-")
	if err != nil {
		return nil, err
	}
	cert, err := writeCertificate(dir)
	if err != nil {
		return nil, err
	}
	if err := c.signUp(ctx, filepath.Join(dir, "data", "accounts")); err != nil {
		return nil, fmt.Errorf("make accounts: %w", err)
	}
	if c.fsync, err = fsyncTime(dir); err != nil {
		return nil, err
	}
	config := chatService + listener("chat", "chat.bench") + listener("chat-tls", "chat.bench", cert.hcl())
	if c.portico, err = startPorticoIn(ctx, b.bin, dir, config); err != nil {
		return nil, err
	}
	c.addr, c.secure = c.addrs["chat"], c.addrs["chat-tls"]
	return c, nil
}

// signUp makes accounts in a file.
func (c *chatBench) signUp(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	store, err := sqlstore.Open(ctx, filepath.Join(dir, "accounts.db"), zerolog.Nop())
	if err != nil {
		return err
	}
	c.names, c.tokens, err = signUp(ctx, store, chatPeople)
	return err
}

// signUp makes n accounts without passwords, whose hashing would take longer than
// all the rest, and a session of each. It closes the store.
func signUp(ctx context.Context, store *sqlstore.Store, n int) (names, tokens []string, err error) {
	people := account.New()
	people.Configure(account.Options{Open: func(context.Context) (account.Store, error) { return store, nil }, Log: zerolog.Nop()})
	if err := people.Ready(ctx); err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	names, tokens = make([]string, n), make([]string, n)
	var g errgroup.Group
	g.SetLimit(32) // who waits for the disk at the same time shares a commit
	for i := range n {
		g.Go(func() error {
			names[i] = fmt.Sprintf("u%04d", i)
			u, err := store.AddUser(ctx, account.User{Username: names[i], Role: account.RoleUser, CreatedAt: time.Now()}, "none", nil)
			if err != nil {
				return err
			}
			tokens[i], _, err = people.NewSession(ctx, account.Session{UserID: u.ID, Service: "chat.bench"})
			return err
		})
	}
	return names, tokens, errors.Join(g.Wait(), people.Close())
}

// create makes a conversation and returns its id.
func (c *chatBench) create(person int, body any) (string, error) {
	send, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest("POST", "http://"+c.addr+"/v1/conversations", bytes.NewReader(send))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+c.tokens[person])
	res, err := c.http.Do(req)
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

// measured runs f and returns how long it took and the server's CPU time in it.
func measured(pid int, f func() error) (took, cpu time.Duration, err error) {
	before, begun := cpuSeconds(pid), time.Now()
	if err := f(); err != nil {
		return 0, 0, err
	}
	took = time.Since(begun)
	return took, time.Duration((cpuSeconds(pid) - before) * float64(time.Second)), nil
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
