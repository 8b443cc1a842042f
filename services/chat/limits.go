package chat

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/ratelimit"
)

// maxLimiters is how many users' allowances are kept. Beyond it those that are
// full again are forgotten, which changes nothing for them.
const maxLimiters = 10_000

// userLimits is how much each user may do of something.
type userLimits struct {
	mu    sync.Mutex
	users map[int64]*rate.Limiter
	rate  rate.Limit
	burst int

	told *ratelimit.Tally[int64] // what other nodes have to count, too; nil: there are none
}

func newUserLimits() *userLimits { return &userLimits{users: map[int64]*rate.Limiter{}} }

// set changes the limits for everybody.
func (l *userLimits) set(perSecond, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate, l.burst = rate.Limit(perSecond), burst
	for _, u := range l.users {
		u.SetLimit(l.rate)
		u.SetBurst(l.burst)
	}
}

// allows says that allow would.
func (l *userLimits) allows(user int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(user).Tokens() >= 1
}

// allow takes one message off a user's allowance, or says when there is one.
func (l *userLimits) allow(user int64) (after time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.of(user)
	if u.Allow() {
		l.told.Add(user)
		return 0, true
	}
	missing := 1 - u.Tokens()
	return max(time.Millisecond, time.Duration(missing/float64(l.rate)*float64(time.Second))), false
}

// spend takes what a user did on another node off the allowance, also what is not
// there yet.
func (l *userLimits) spend(user int64, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n = min(n, l.burst); n > 0 {
		l.of(user).ReserveN(time.Now(), n)
	}
}

// of is a user's allowance. It needs mu.
func (l *userLimits) of(user int64) *rate.Limiter {
	u := l.users[user]
	if u == nil {
		if len(l.users) >= maxLimiters {
			l.sweep()
		}
		u = rate.NewLimiter(l.rate, l.burst)
		l.users[user] = u
	}
	return u
}

// sweep needs mu.
func (l *userLimits) sweep() {
	for id, u := range l.users {
		if u.Tokens() >= float64(l.burst) {
			delete(l.users, id)
		}
	}
}

// allowCall takes one call or command other than a send off a user's allowance.
func (c *Chat) allowCall(user int64) error {
	if after, ok := c.calls.allow(user); !ok {
		return &Error{Code: CodeRateLimited, Message: "too many calls at once; wait a moment", RetryAfter: after}
	}
	return nil
}

// allowExport takes one export off a user's allowance.
func (c *Chat) allowExport(user int64) error {
	if !c.exports.Allow(user, time.Now()) {
		return &Error{Code: CodeRateLimited, Message: "one export a minute is enough", RetryAfter: time.Minute}
	}
	c.toldExports.Add(user)
	return nil
}

// strangers limits what addresses may do before anybody has signed in. Peers on
// the same machine are exempt.
type strangers struct{ logins, signUps strangerLimit }

// A strangerLimit is one of them.
type strangerLimit struct {
	*ratelimit.Window[strangerKey]
	told *ratelimit.Tally[strangerKey] // as that of userLimits
}

type strangerKey struct {
	name string // empty: any
	from netip.Prefix
}

func newStrangers(l Limits) *strangers {
	return &strangers{
		logins:  strangerLimit{Window: ratelimit.NewWindow[strangerKey](l.FailedLogins, 10*time.Minute)},
		signUps: strangerLimit{Window: ratelimit.NewWindow[strangerKey](l.SignUps, time.Hour)},
	}
}

func (s *strangers) set(l Limits) {
	s.logins.SetLimit(l.FailedLogins)
	s.signUps.SetLimit(l.SignUps)
}

func (s *strangers) signIn(name string, from netip.Addr) (done func(counts bool), err error) {
	return s.logins.take(strings.ToLower(name), from)
}

func (s *strangers) signUp(from netip.Addr) (done func(counts bool), err error) {
	return s.signUps.take("", from)
}

// take counts a try before it is made, so that tries at the same time cannot get
// past the limit. done says whether it counts in the end.
func (l *strangerLimit) take(name string, from netip.Addr) (done func(counts bool), err error) {
	if !from.IsValid() || from.IsLoopback() {
		return func(bool) {}, nil
	}
	key := strangerKey{name, ratelimit.Prefix(from)}
	if wait := l.Take(key); wait > 0 {
		return nil, &Error{Code: CodeRateLimited, Message: accountText(account.ErrTooManyTries), RetryAfter: wait}
	}
	return func(counts bool) {
		if counts {
			l.told.Add(key)
		} else {
			l.Forget(key)
		}
	}, nil
}
