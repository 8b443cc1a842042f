package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// The cost of a password: RFC 9106 says how to choose, OWASP names these.
const (
	argonTime   = 2
	argonMemory = 19 * 1024 // KiB
	argonLanes  = 1
	saltLen     = 16
	keyLen      = 32
)

const (
	hashesAtOnce = 2  // 19 MiB each
	hashesQueued = 64 // more get ErrBusy: some 3 s of waiting
)

// hasher derives keys from passwords, a few at a time.
type hasher struct {
	cost   phc // of new hashes; without salt and key
	key    func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
	slots  chan struct{}
	queued atomic.Int64
	calls  atomic.Int64 // derivations so far
}

func newHasher() *hasher {
	return &hasher{
		cost: phc{time: argonTime, memory: argonMemory, lanes: argonLanes},
		key:  argon2.IDKey, slots: make(chan struct{}, hashesAtOnce),
	}
}

// derive waits for its turn until ctx ends.
func (h *hasher) derive(ctx context.Context, password string, p phc) ([]byte, error) {
	if h.queued.Add(1) > hashesQueued {
		h.queued.Add(-1)
		return nil, &RetryError{ErrBusy, time.Second}
	}
	defer h.queued.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("check password: %w", context.Cause(ctx))
	}
	defer func() { <-h.slots }()
	h.calls.Add(1)
	return h.key([]byte(password), p.salt, p.time, p.memory, p.lanes, keyLen), nil
}

// hash returns the hash to keep of a new password, in PHC string format.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLen)
	rand.Read(salt) // never fails
	p := h.cost
	p.salt = salt
	key, err := h.derive(ctx, password, p)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.memory, p.time, p.lanes, enc(salt), enc(key)), nil
}

// current reports whether hash has the cost of new ones.
func (h *hasher) current(hash string) bool {
	p, ok := parsePHC(hash)
	return ok && p.time == h.cost.time && p.memory == h.cost.memory && p.lanes == h.cost.lanes
}

// matches reports whether password belongs to hash. An empty hash, of nobody,
// takes as long as that of somebody and never matches.
func (h *hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	p, ok := parsePHC(hash)
	if len(password) > MaxPassword {
		// It cannot be right; hash as much as for one that might be.
		password, ok = password[:MaxPassword], false
	}
	key, err := h.derive(ctx, password, p)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1 && ok, nil
}

type phc struct {
	time, memory uint32
	lanes        uint8
	salt, key    []byte
}

// parsePHC parses what hash returned. Where it cannot, it returns parameters
// that cost as much, and false.
func parsePHC(s string) (phc, bool) {
	none := phc{argonTime, argonMemory, argonLanes, make([]byte, saltLen), make([]byte, keyLen)}
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return none, false
	}
	var p phc
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil {
		return none, false
	}
	var err1, err2 error
	p.salt, err1 = base64.RawStdEncoding.DecodeString(f[4])
	p.key, err2 = base64.RawStdEncoding.DecodeString(f[5])
	if err1 != nil || err2 != nil || len(p.key) != keyLen || p.time == 0 || p.lanes == 0 || p.memory > 1<<20 || p.time > 100 {
		return none, false
	}
	return p, true
}
