package photos

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

const (
	limitTime = 5 * time.Minute
	maxCounts = 20_000
	maxTold   = 2_000 // callers that other nodes are told of at a time
)

// A caller is who is counted: a person or an app by their id, or an address.
type caller struct {
	user int64
	app  int64
	from netip.Prefix
}

// quota counts calls in windows of limitTime, which begin with a caller's first
// call. The zero quota is ready.
type quota struct {
	mu     sync.Mutex
	counts map[caller]count         // guarded by mu; at most maxCounts
	told   *ratelimit.Tally[caller] // what other nodes have to count, too; nil: there are none; guarded by mu
}

// calls are some of a caller, as other nodes are told of them.
type calls struct {
	User int64        `json:"user,omitempty"`
	App  int64        `json:"app,omitempty"`
	From netip.Prefix `json:"from"`
	N    int          `json:"n"`
}

type count struct {
	calls int
	until time.Time
}

// take counts a call and returns how many are left of limit, below 0 where it
// was one too many, and when the window ends.
func (q *quota) take(c caller, limit int, now time.Time) (left int, until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.counts[c]
	if !now.Before(n.until) {
		q.makeRoom(now)
		n = count{until: now.Add(limitTime)}
	}
	n.calls = max(n.calls, min(n.calls+1, limit+1))
	q.counts[c] = n
	q.told.Add(c)
	return limit - n.calls, n.until
}

// share has calls kept for tell, which is called often from then on.
func (q *quota) share() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.told = ratelimit.NewTally[caller](maxTold)
}

// tell returns the calls since it was called last.
func (q *quota) tell() (list []calls) {
	q.mu.Lock()
	told := q.told
	q.mu.Unlock()
	for c, n := range told.Take() {
		list = append(list, calls{c.user, c.app, c.from, n})
	}
	return list
}

// hear counts what other nodes told, in windows that begin here.
func (q *quota) hear(list []calls, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, of := range list {
		c := caller{of.User, of.App, of.From}
		n := q.counts[c]
		if !now.Before(n.until) {
			q.makeRoom(now)
			n = count{until: now.Add(limitTime)}
		}
		n.calls += min(max(of.N, 0), maxCounts)
		q.counts[c] = n
	}
}

// makeRoom forgets windows that have ended, or any where that is not enough: a
// flood of callers weakens the limit, it costs no memory.
func (q *quota) makeRoom(now time.Time) {
	if q.counts == nil {
		q.counts = map[caller]count{}
	}
	if len(q.counts) < maxCounts {
		return
	}
	for c, n := range q.counts {
		if !now.Before(n.until) {
			delete(q.counts, c)
		}
	}
	for c := range q.counts {
		if len(q.counts) <= maxCounts*7/8 {
			return
		}
		delete(q.counts, c)
	}
}

// limited counts a call of v and says in the headers how many are left. Calls
// without a token from this machine are not counted.
func (p *Photos) limited(w http.ResponseWriter, r *http.Request, cfg *Config, v viewer) error {
	c, limit := caller{user: v.user.ID}, cfg.Limits.Requests
	left, until := limit, time.Now().Add(limitTime)
	switch from := peer(r); {
	case v.signedIn():
	case v.session.AppID != 0:
		c.app = v.session.AppID
	default:
		limit = cfg.Limits.RequestsFrom
		left, c.from = limit, ratelimit.Prefix(from)
	}
	if c.from.IsValid() && !c.from.Addr().IsLoopback() || c.user != 0 || c.app != 0 {
		left, until = p.quota.take(c, limit, time.Now())
	}
	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(left, 0)))
	h.Set("X-RateLimit-Reset", until.UTC().Format("2006-01-02T15:04:05.000Z"))
	if left >= 0 {
		return nil
	}
	wait := max(time.Until(until), time.Second)
	pr := fail(http.StatusTooManyRequests, "Too many requests; try again in %d seconds", int(math.Ceil(wait.Seconds()))).(*problem)
	pr.retry = wait
	return pr
}
