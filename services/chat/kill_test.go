package chat_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/chat"
)

// victim tells a copy of the test binary to be a chat in this folder until it is
// killed. nodeOf tells it the addresses of the database and the bus, where it is one
// of several nodes.
const (
	victim = "CHAT_TEST_VICTIM"
	nodeOf = "CHAT_TEST_NODE_OF"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		if err := beVictim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// beVictim serves a chat, prints its address and a token for alice and one for
// bob, and never returns by itself.
func beVictim(dir string) error {
	t := &outsideTest{}
	w := &world{t: t, accounts: accountsAt(filepath.Join(dir, "accounts.db")), cfg: chat.Type{}.Default()}
	kind := chat.Type{Accounts: w.accounts.Directory}
	if database, wire, ok := strings.Cut(os.Getenv(nodeOf), " "); ok {
		w.accounts = accountsOn(database)
		kind = chat.Type{Accounts: w.accounts.Directory}.OnNode(onPostgres(database), natsWire(t, wire))
	}
	for _, name := range []string{"alice", "bob"} {
		u, err := w.accounts.UserByName(t.Context(), name)
		token := ""
		if err != nil {
			token = w.join(name).token
		} else {
			token = w.token(u.ID)
		}
		fmt.Println(token)
	}
	env := service.Env{
		Kind: "chat", Name: "test", Log: zerolog.Nop(), Dir: filepath.Join(dir, "chat"),
		Track: func(net.Conn, func(int)) func() { return func() {} },
	}
	c, err := kind.Open(t.Context(), env, w.cfg)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return (&http.Server{Handler: c, ReadHeaderTimeout: late}).Serve(ln)
}

// outsideTest is what the helpers need of a testing.TB in the victim.
type outsideTest struct{ testing.TB }

func (o *outsideTest) Context() context.Context { return context.Background() }
func (o *outsideTest) Helper()                  {}
func (o *outsideTest) Cleanup(func())           {}
func (o *outsideTest) Fatal(args ...any)        { fmt.Fprintln(os.Stderr, args...); os.Exit(1) }

// spawn starts a victim and returns alice and bob at it.
func spawn(t *testing.T, dir string, more ...string) (alice, bob *person, kill func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(append(os.Environ(), victim+"="+dir), more...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	kill = func() {
		once.Do(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	t.Cleanup(kill)
	sc, lines := bufio.NewScanner(out), []string{}
	for len(lines) < 3 && sc.Scan() {
		lines = append(lines, sc.Text())
	}
	if len(lines) < 3 {
		t.Fatalf("the victim said %q", lines)
	}
	w := &world{t: t, http: remote("http://" + lines[2])}
	t.Cleanup(w.http.Client.CloseIdleConnections)
	return &person{w, "alice", lines[0]}, &person{w, "bob", lines[1]}, kill
}

// Whatever was acknowledged before the process was killed is there, once, with
// the same seq; what was not acknowledged can be sent again.
func TestKilledAmidMessages(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]int64{}
	for round := range 3 {
		alice, bob, kill := spawn(t, dir)
		conv := alice.with("bob")
		var mu sync.Mutex
		var wg sync.WaitGroup
		enough := make(chan struct{})
		goal := len(acked) + 40
		for sender, p := range []*person{alice, bob} {
			for i := range 3 {
				wg.Go(func() {
					for n := 0; ; n++ {
						cid := fmt.Sprintf("r%d-s%d-w%d-%d", round, sender, i, n)
						seq, ok := p.trySend(conv, cid)
						if !ok {
							return // killed
						}
						mu.Lock()
						if acked[cid] = seq; len(acked) == goal {
							close(enough)
						}
						mu.Unlock()
					}
				})
			}
		}
		select {
		case <-enough:
		case <-time.After(2 * late):
			t.Fatal("no acknowledgements")
		}
		kill()
		wg.Wait()
	}
	alice, bob, _ := spawn(t, dir)
	conv := alice.with("bob")
	stored, last := map[string]int64{}, int64(0)
	for more := true; more; {
		var h struct {
			Messages []event
			More     bool
		}
		alice.call("GET", fmt.Sprintf("/v1/conversations/%s/messages?limit=200&after=%d", conv, last), "", 200, &h)
		for _, m := range h.Messages {
			if m.Seq != last+1 {
				t.Fatalf("seq %d after %d", m.Seq, last)
			}
			last = m.Seq
			if stored[m.CID] != 0 {
				t.Errorf("%s is there twice", m.CID)
			}
			stored[m.CID] = m.Seq
		}
		more = h.More
	}
	for cid, seq := range acked {
		if stored[cid] != seq {
			t.Errorf("%s was acknowledged with seq %d and is stored with %d", cid, seq, stored[cid])
		}
	}
	for cid, seq := range stored {
		if acked[cid] != 0 {
			continue // what follows is for those whose answer got lost
		}
		p := alice
		if strings.Contains(cid, "-s1-") {
			p = bob
		}
		if got := p.say(conv, cid, "text of "+cid); !got.Dup || got.Seq != seq {
			t.Errorf("%s again: %+v", cid, got)
		}
	}
	t.Logf("%d acknowledged, %d stored", len(acked), len(stored))
}

// trySend sends and reports the seq; false where the connection broke.
func (p *person) trySend(conv, cid string) (int64, bool) {
	body := fmt.Sprintf(`{"cid":%q,"text":"text of %s"}`, cid, cid)
	req, err := http.NewRequestWithContext(p.w.t.Context(), "POST", p.w.http.URL+"/v1/conversations/"+conv+"/messages", strings.NewReader(body))
	if err != nil {
		return 0, false
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := p.w.http.Client.Do(req)
	if err != nil {
		return 0, false
	}
	defer res.Body.Close()
	var a ack
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || res.StatusCode != 201 {
		return 0, false
	}
	return a.Seq, true
}
