package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/porticod/portico/pkg/ratelimit"
)

// Basic asks for a name and a password (RFC 7617).
type Basic struct {
	Realm string
	// Users are passwords by name, as they are or as bcrypt's hash of them.
	Users map[string]string
}

const (
	// Wrong passwords of one address: more are refused unread.
	wrongPasswords = 10
	wrongWithin    = time.Minute

	// A password that was right needs no bcrypt for a while.
	rightFor  = 10 * time.Minute
	rightSize = 1024 // bounds memory

	hashing = 4 // bcrypt at a time
)

type basicAuth struct {
	Basic
	key   [32]byte                        // of what is remembered; passwords are not
	wrong *ratelimit.Window[netip.Prefix] // IPv6: by /64, of which anybody has as many addresses as he likes
	slots chan struct{}

	mu    sync.Mutex
	right map[[32]byte]time.Time // guarded by mu; until when
}

func newBasicAuth(b Basic) *basicAuth {
	a := &basicAuth{
		Basic: b, right: map[[32]byte]time.Time{}, slots: make(chan struct{}, hashing),
		wrong: ratelimit.NewWindow[netip.Prefix](wrongPasswords, wrongWithin),
	}
	rand.Read(a.key[:]) // never fails
	return a
}

// admit lets in who knows a password, and takes the header away: it is nobody's
// business behind this door.
func (a *basicAuth) admit(w http.ResponseWriter, v Visit, now time.Time) bool {
	r := v.Request
	name, password, ok := r.BasicAuth()
	if ok {
		// Counted as wrong until it is known to be right, so that many at a time
		// cannot be more than allowed.
		client := ratelimit.Prefix(v.Client)
		if wait := a.wrong.Take(client); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			v.Fail(http.StatusTooManyRequests, "rate_limited", "Too many wrong passwords; try again later.")
			return false
		}
		if a.knows(r, name, password, now) {
			a.wrong.Forget(client)
			r.Header.Del("Authorization")
			return true
		}
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm=%q, charset="UTF-8"`, strings.ReplaceAll(a.Realm, `"`, `'`)))
	w.Header().Set("Cache-Control", "no-store")
	v.Fail(http.StatusUnauthorized, "unauthorized", "A name and a password are needed here.")
	return false
}

// nobody is a hash that no password has, for names that are not known: they
// shall take as long as others.
const nobody = "$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5lWlB4PpHNT1pVRDuM0l2Q7pQ3rqu"

func (a *basicAuth) knows(r *http.Request, name, password string, now time.Time) bool {
	want, known := a.Users[name]
	if !known {
		want = nobody
		if !a.hashes() {
			want = ""
		}
	}
	if !strings.HasPrefix(want, "$2") {
		x, y := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(password))
		return subtle.ConstantTimeCompare(x[:], y[:]) == 1 && known
	}
	mac := hmac.New(sha256.New, a.key[:])
	fmt.Fprintf(mac, "%d %s%s", len(name), name, password)
	id := [32]byte(mac.Sum(nil))
	a.mu.Lock()
	until, remembered := a.right[id]
	a.mu.Unlock()
	if remembered && now.Before(until) {
		return known
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-r.Context().Done():
		return false
	}
	if bcrypt.CompareHashAndPassword([]byte(want), []byte(password)) != nil || !known {
		return false
	}
	a.remember(id, now)
	return true
}

// hashes reports whether any password is kept as a hash.
func (a *basicAuth) hashes() bool {
	for _, p := range a.Users {
		if strings.HasPrefix(p, "$2") {
			return true
		}
	}
	return false
}

func (a *basicAuth) remember(id [32]byte, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.right) >= rightSize {
		clear(a.right)
	}
	a.right[id] = now.Add(rightFor)
}
