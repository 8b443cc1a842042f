package systemd

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A ChatTally is what became of WebSockets and messages within a phase.
type ChatTally struct {
	Acked  int // messages that were acknowledged
	Failed int // attempts to connect that failed

	// Over plain TCP, and over TLS.
	Plain, Secure ChatEnds

	Untold int      // connections over TLS that ended without close code 1012
	Ends   []string // how connections ended, the first few
}

// ChatEnds is what became of WebSockets of one kind.
type ChatEnds struct {
	Cut     int           // connections that ended
	Longest time.Duration // until a message was acknowledged, with sending it again
}

// of are the ends of a device's kind.
func (t *ChatTally) of(d *device) *ChatEnds {
	if d.secure {
		return &t.Secure
	}
	return &t.Plain
}

// chats are people who talk to each other in pairs over WebSockets and resume
// whenever a connection ends.
type chats struct {
	url      string
	tls      *tls.Config // of devices that come over TLS, to secure
	prefix   string      // of users' names
	users    []*user
	devices  []*device
	pace     time.Duration // between two messages of a user; 0: 100 ms
	writing  atomic.Bool   // not before everybody is there to get it
	connects atomic.Int64  // that were answered
	codes    atomic.Int64  // connections that ended with a line that says why
	quit     chan struct{} // closed by over
	once     sync.Once
	wg       sync.WaitGroup

	mu     sync.Mutex // guards the rest
	tally  ChatTally
	faults []string // broken promises, the first few
}

// A user has a token and one conversation.
type user struct {
	name, token, conv string

	mu    sync.Mutex
	acked map[string]int64 // seq by cid, of what this user sent
}

// over ends everybody's connection.
func (c *chats) over() {
	c.once.Do(func() { close(c.quit) })
	c.wg.Wait()
}

func (c *chats) isOver() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

func (c *chats) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) < 10 {
		c.faults = append(c.faults, fmt.Sprintf(format, args...))
	}
}

func (c *chats) change(f func(*ChatTally)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.tally)
}

func (c *chats) take() ChatTally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally
	c.tally = ChatTally{}
	return t
}

// cut is how many connections ended since the last take.
func (c *chats) cut() (plain, secure int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tally.Plain.Cut, c.tally.Secure.Cut
}

// call makes a request of the HTTP API.
func (c *chats) call(token, method, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, c.url+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := (&http.Client{Timeout: requestTime}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, path, res.Status, got)
	}
	return json.Unmarshal(got, into)
}

// start makes accounts and conversations and connects them: so many devices of
// each user over plain TCP, and so many over TLS. users is even. Every other pair
// writes over TLS, if it can.
func (c *chats) start(users, devices, secure int) error {
	c.quit = make(chan struct{})
	for i := range users {
		u := &user{name: fmt.Sprintf("%suser%d", c.prefix, i), acked: map[string]int64{}}
		var got struct{ Token string }
		if err := c.call("", "POST", "/v1/accounts", map[string]string{"username": u.name, "password": "correct horse " + u.name}, &got); err != nil {
			return err
		}
		u.token = got.Token
		c.users = append(c.users, u)
	}
	for i, u := range c.users {
		var got struct{ ID string }
		if err := c.call(u.token, "POST", "/v1/conversations", map[string]string{"kind": "direct", "with": c.users[i^1].name}, &got); err != nil {
			return err
		}
		u.conv = got.ID
		writer := 0
		if i/2%2 == 1 && secure > 0 {
			writer = devices
		}
		for k := range devices + secure {
			d := &device{all: c, user: u, partner: c.users[i^1], writes: k == writer, secure: k >= devices, seen: map[string]int64{}}
			c.devices = append(c.devices, d)
			c.wg.Go(d.run)
		}
	}
	return nil
}

// write lets everybody write who should.
func (c *chats) write() {
	c.writing.Store(true)
	for _, d := range c.devices {
		if d.writes {
			d.mu.Lock()
			conn := d.conn
			d.mu.Unlock()
			d.again(conn)
		}
	}
}

// online counts the devices that have synced.
func (c *chats) online() int { return len(c.devices) - c.missing(false) - c.missing(true) }

// missing counts those that have not, of one kind.
func (c *chats) missing(secure bool) (n int) {
	for _, d := range c.devices {
		if d.secure == secure && !d.online.Load() {
			n++
		}
	}
	return n
}

// count is how many devices there are of one kind.
func (c *chats) count(secure bool) (n int) {
	for _, d := range c.devices {
		if d.secure == secure {
			n++
		}
	}
	return n
}

// end disconnects everybody and returns how many acknowledged messages there
// were and which promises were broken.
func (c *chats) end() (acked, lost int, faults []string) {
	c.over()
	for _, u := range c.users {
		stored, err := c.history(u)
		if err != nil {
			c.fault("history of %s: %v", u.name, err)
		}
		for cid, seq := range u.acked {
			acked++
			if stored[cid] != seq {
				lost++
				c.fault("%s was acknowledged as %d and is stored as %d", cid, seq, stored[cid])
			}
		}
	}
	for _, d := range c.devices {
		// What came after the device left was not pushed to it.
		last := int64(0)
		for _, seq := range d.seen {
			last = max(last, seq)
		}
		for cid, seq := range d.partner.acked {
			if _, ok := d.seen[cid]; !ok && seq < last {
				lost++
				c.fault("%s, %d of the conversation, was not pushed to %s", cid, seq, d.user.name)
			}
		}
	}
	return acked, lost, c.faults
}

// history reads the conversation of u: the seq of each message by cid.
func (c *chats) history(u *user) (map[string]int64, error) {
	stored, after := map[string]int64{}, int64(0)
	for {
		var page struct {
			Messages []struct {
				CID, From string
				Seq       int64
			}
			More bool
		}
		if err := c.call(u.token, "GET", fmt.Sprintf("/v1/conversations/%s/messages?after=%d&limit=200", u.conv, after), nil, &page); err != nil {
			return stored, err
		}
		for _, m := range page.Messages {
			if _, twice := stored[m.CID]; twice {
				return stored, errors.New(m.CID + " is stored twice")
			}
			if m.From == u.name {
				stored[m.CID] = m.Seq
			}
			after = m.Seq
		}
		if !page.More {
			return stored, nil
		}
	}
}
