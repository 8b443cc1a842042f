package chat

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimiters is how many users' allowances are kept. Beyond it those that are
// full again are forgotten, which changes nothing for them.
const maxLimiters = 10_000

// sendLimits is how much each user may send.
type sendLimits struct {
	mu    sync.Mutex
	users map[int64]*rate.Limiter
	rate  rate.Limit
	burst int
}

func newSendLimits() *sendLimits { return &sendLimits{users: map[int64]*rate.Limiter{}} }

// set changes the limits for everybody.
func (l *sendLimits) set(perSecond, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate, l.burst = rate.Limit(perSecond), burst
	for _, u := range l.users {
		u.SetLimit(l.rate)
		u.SetBurst(l.burst)
	}
}

// allow takes one message off a user's allowance, or says when there is one.
func (l *sendLimits) allow(user int64) (after time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[user]
	if u == nil {
		if len(l.users) >= maxLimiters {
			l.sweep()
		}
		u = rate.NewLimiter(l.rate, l.burst)
		l.users[user] = u
	}
	if u.Allow() {
		return 0, true
	}
	missing := 1 - u.Tokens()
	return max(time.Millisecond, time.Duration(missing/float64(l.rate)*float64(time.Second))), false
}

// sweep needs mu.
func (l *sendLimits) sweep() {
	for id, u := range l.users {
		if u.Tokens() >= float64(l.burst) {
			delete(l.users, id)
		}
	}
}
