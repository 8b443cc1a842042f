package nodes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lxzan/gws"
)

// An ear listens to everybody's posts as they come, at one node after another. As
// apps do, it reads the timeline whenever it has connected: so a stream may end, but
// while it lasts nothing may be missing.
type ear struct {
	gws.BuiltinEventHandler
	c     *cluster
	token string
	quit  chan struct{}
	work  sync.WaitGroup

	mu    sync.Mutex // guards the rest
	at    int
	ended chan struct{}
	alive time.Time       // when there was a sign of the node
	known map[string]bool // ids of posts
	heard int             // of these, as they came
	ends  int
}

func newEar(c *cluster, token string, at int) *ear {
	e := &ear{c: c, token: token, at: at, quit: make(chan struct{}), known: map[string]bool{}}
	e.work.Go(e.run)
	return e
}

func (e *ear) leave() {
	close(e.quit)
	e.work.Wait()
}

func (e *ear) run() {
	for {
		e.mu.Lock()
		e.ended, e.alive = make(chan struct{}), time.Now()
		at := e.c.nodes[e.at%nodeCount].photos
		e.at++
		e.mu.Unlock()
		if conn, _, err := gws.NewClient(e, &gws.ClientOption{
			Addr: "ws" + strings.TrimPrefix(at, "http") + "/api/v1/streaming?stream=public&access_token=" + e.token, HandshakeTimeout: requestTime,
		}); err == nil {
			go conn.ReadLoop()
			if e.read(at) == nil {
				e.stay(conn)
			}
			_ = conn.NetConn().Close()
			<-e.ended
		}
		select {
		case <-e.quit:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// silence is how long an ear waits for a sign of a node.
const silence = 3 * time.Second

// stay returns when the connection has ended, or the node gives no sign.
func (e *ear) stay(conn *gws.Conn) {
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.ends++
	}()
	for {
		select {
		case <-e.ended:
			return
		case <-e.quit:
			return
		case <-time.After(silence / 6):
		}
		e.mu.Lock()
		dead := time.Since(e.alive) > silence
		e.mu.Unlock()
		if dead || conn.WritePing(nil) != nil {
			return
		}
	}
}

// read reads the timeline, as far back as it is not known.
func (e *ear) read(at string) error {
	before := ""
	for {
		var list []shown
		if err := call(http.MethodGet, at+"/api/v1/timelines/public?limit=40"+before, e.token, nil, &list); err != nil {
			return err
		}
		fresh := false
		e.mu.Lock()
		for _, s := range list {
			fresh = fresh || !e.known[s.ID]
			e.known[s.ID] = true
			before = "&max_id=" + s.ID
		}
		e.mu.Unlock()
		if !fresh {
			return nil
		}
	}
}

// OnClose is gws's.
func (e *ear) OnClose(*gws.Conn, error) { close(e.ended) }

// OnPong is gws's.
func (e *ear) OnPong(*gws.Conn, []byte) { e.sign() }

func (e *ear) sign() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.alive = time.Now()
}

// OnMessage is gws's.
func (e *ear) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	e.sign()
	var f struct{ Event, Payload string }
	var s shown
	if json.Unmarshal(bytes.TrimSpace(m.Bytes()), &f) != nil || f.Event != "update" || json.Unmarshal([]byte(f.Payload), &s) != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known[s.ID] {
		e.heard++
	}
	e.known[s.ID] = true
}

// missing are the posts of these that the ear does not know.
func (e *ear) missing(ids []string) (list []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		if !e.known[id] {
			list = append(list, id)
		}
	}
	return list
}

func (e *ear) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprintf("%d posts known, %d of them heard, %d streams ended", len(e.known), e.heard, e.ends)
}
