package chat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/account"
	accounts "github.com/porticod/portico/pkg/account/sqlstore"
	"github.com/porticod/portico/services/chat"
	"github.com/porticod/portico/services/servicetest"
)

// late is how long a test waits for what should happen at once.
const late = time.Minute

// people are accounts that anybody may sign up to.
type people struct {
	*account.Directory
	store account.Store
}

func directory(t testing.TB) *people {
	t.Helper()
	p := accountsAt(filepath.Join(t.TempDir(), "accounts.db"))
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close accounts: %v", err)
		}
	})
	return p
}

// accountsAt opens the accounts in a file.
func accountsAt(path string) *people {
	return accountsIn(func(ctx context.Context) (account.Store, error) { return accounts.Open(ctx, path, zerolog.Nop()) })
}

func accountsIn(open func(context.Context) (account.Store, error)) *people {
	p := &people{Directory: account.New()}
	p.Configure(account.Options{
		Registration: account.Open,
		Open: func(ctx context.Context) (account.Store, error) {
			s, err := open(ctx)
			p.store = s
			return s, err
		},
	})
	return p
}

// remote is a server in another process.
func remote(url string) *servicetest.HTTPServer {
	return &servicetest.HTTPServer{URL: url, Client: &http.Client{Timeout: 3 * late, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

// A world is a running chat with a server in front of it.
type world struct {
	t        testing.TB
	accounts *people
	dir      string
	env      *servicetest.Env
	chat     *chat.Chat
	http     *servicetest.HTTPServer
	cfg      chat.Config
	fail     func(after bool) error    // see FailSends; nil: nothing fails
	node     func(chat.Type) chat.Type // of several; nil: it is alone
}

func start(t testing.TB, change func(*chat.Config)) *world {
	t.Helper()
	return startFailing(t, change, nil)
}

func startFailing(t testing.TB, change func(*chat.Config), fail func(after bool) error) *world {
	t.Helper()
	w := &world{t: t, accounts: directory(t), dir: filepath.Join(t.TempDir(), "chat"), cfg: chat.Type{}.Default(), fail: fail}
	if change != nil {
		change(&w.cfg)
	}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	w.t.Helper()
	w.env = servicetest.NewEnvAt(w.t, "chat", "test", w.dir)
	kind := chat.Type{Accounts: w.accounts.Directory}
	if w.fail != nil {
		kind = kind.FailSends(w.fail)
	}
	if w.node != nil {
		kind = w.node(kind)
	}
	c, err := kind.Open(w.t.Context(), w.env.Env, w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.chat, w.http = c, servicetest.HTTP(w.t, c)
}

func (w *world) close() {
	if w.chat == nil {
		return
	}
	w.http.Kill()
	if err := w.chat.Close(); err != nil {
		w.t.Errorf("close: %v", err)
	}
	w.http.Close()
	w.chat = nil
}

// reopen cuts everything and starts anew on the same folder.
func (w *world) reopen() {
	w.t.Helper()
	w.close()
	w.open()
}

// A person is a user with a token.
type person struct {
	w     *world
	name  string
	token string
}

// join makes an account without a password, because that takes a while, and a
// session of it.
func (w *world) join(name string) *person {
	w.t.Helper()
	if err := w.accounts.Ready(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	u, err := w.accounts.store.AddUser(w.t.Context(), account.User{Username: name, Role: account.RoleUser, CreatedAt: time.Now(), LastSeen: account.Everyone, Receipts: true}, "none", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{w, name, w.token(u.ID)}
}

func (w *world) token(user int64) string {
	w.t.Helper()
	token, _, err := w.accounts.NewSession(w.t.Context(), account.Session{UserID: user, Service: "chat.test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// do makes a request and returns the status and the body.
func (p *person) do(method, path, body string) (int, string) {
	p.w.t.Helper()
	req, err := http.NewRequestWithContext(p.w.t.Context(), method, p.w.http.URL+path, strings.NewReader(body))
	if err != nil {
		p.w.t.Fatal(err)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.w.http.Client.Do(req)
	if err != nil {
		p.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		p.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res.StatusCode, string(bytes.TrimSpace(got))
}

// call makes a request that must be answered with want, and decodes it.
func (p *person) call(method, path, body string, want int, into any) {
	p.w.t.Helper()
	status, got := p.do(method, path, body)
	if status != want {
		p.w.t.Fatalf("%s %s: %d %s, not %d", method, path, status, got, want)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(got), into); err != nil {
			p.w.t.Fatalf("%s %s: %v in %s", method, path, err, got)
		}
	}
}

// with returns the id of the conversation with somebody.
func (p *person) with(other string) string {
	p.w.t.Helper()
	status, body := p.do("POST", "/v1/conversations", fmt.Sprintf(`{"kind":"direct","with":%q}`, other))
	var conv struct{ ID string }
	if err := json.Unmarshal([]byte(body), &conv); err != nil || status != 200 && status != 201 {
		p.w.t.Fatalf("conversation with %s: %d %s", other, status, body)
	}
	return conv.ID
}

type ack struct {
	Conv, CID, At string
	Seq           int64
	Dup           bool
}

func (p *person) say(conv, cid, text string) (a ack) {
	p.w.t.Helper()
	status, body := p.do("POST", "/v1/conversations/"+conv+"/messages", fmt.Sprintf(`{"cid":%q,"text":%q}`, cid, text))
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 && status != 201 {
		p.w.t.Fatalf("send: %d %s", status, body)
	}
	return a
}

// An event is what is pushed.
type event struct {
	Cursor       int64
	Type         string
	Conv         string
	Seq          int64
	CID          string
	From         string
	At           string
	Text         string
	ReplyTo      int64 `json:"reply_to"`
	Recv, Read   int64
	Target       int64
	EditedAt     string `json:"edited_at"`
	Deleted, On  bool
	Emoji, For   string
	User, Action string
	Title        string
	Role         string
	Online       bool
	LastSeen     string `json:"last_seen"`
	Attachments  []attachment
	Reactions    []struct {
		Emoji string
		Count int
		Users []string
		Mine  bool
	}
	Conversation *conversation
}

type attachment struct {
	ID, Name, Type, SHA256, URL string
	Size                        int64
	Width, Height               int
}

type conversation struct {
	ID, Kind, Title, Avatar, Role string
	Members                       []string
	MembersCount                  int    `json:"members_count"`
	FromSeq                       int64  `json:"from_seq"`
	LastSeq                       int64  `json:"last_seq"`
	CreatedBy                     string `json:"created_by"`
	CreatedAt                     string `json:"created_at"`
	Read, Recv, Unread            int64
	MarkedUnread                  bool   `json:"marked_unread"`
	MutedUntil                    string `json:"muted_until"`
	Archived, Pinned, Left, Gone  bool
	Last                          *event
}
