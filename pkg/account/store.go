package account

import (
	"context"
	"io"
	"time"
)

// Hash is the SHA-256 of a token, a secret or an invite's code.
type Hash [32]byte

// A Store keeps accounts. The Directory is its only caller. Stores of several
// nodes may have the same data. What a method changed is durable when it returns nil, and
// undone as a whole when it returns an error. Methods may be called
// concurrently. Package accounttest has the contract as a test.
//
// Users that were deleted are not found (ErrNotFound), but by UsersByID.
type Store interface {
	io.Closer
	// Notify is called once, before all others. fn is to be called with each
	// change once, after it is durable, in the order of the log, before the method
	// that made it returns; for changes that other nodes made, soon. Of theirs those
	// may be missing that the log has a later one for. fn does not block.
	Notify(fn func(Change))

	UserStore
	BlockStore
	SessionStore
	AppStore
	CodeStore
	FollowerStore

	// Changes returns up to limit entries of the log after position after, in
	// order.
	Changes(ctx context.Context, after int64, limit int) ([]Change, error)
	// LastChange is the position of the last entry ever made, 0 before the
	// first.
	LastChange(ctx context.Context) (int64, error)
}

// A Carrier is a Store that carries short messages between the nodes that have the
// same data. Any may be lost.
type Carrier interface {
	// Tell gives data to the other nodes. It does not block.
	Tell(data []byte)
	// Hear is called once, after Notify. fn is to be called with what other nodes
	// tell; it does not block.
	Hear(fn func(data []byte))
}

// UserStore is the part of a Store about people.
type UserStore interface {
	// AddUser stores u with an ID that is above all before and not below
	// NextID(0, u.CreatedAt). ErrTaken: the username was given before. With an
	// invite it takes one use of it, or returns ErrInvite.
	AddUser(ctx context.Context, u User, passwordHash string, invite *Hash) (User, error)
	AddInvite(ctx context.Context, code Hash, uses int, expires time.Time) error

	UserByID(ctx context.Context, id int64) (User, error)
	// Credentials returns a user by name, with the hash of the password.
	Credentials(ctx context.Context, username string) (u User, passwordHash string, err error)
	// UsersByID returns those that exist or were deleted, in any order.
	UsersByID(ctx context.Context, ids []int64) ([]User, error)
	// FindUsers returns users whose username starts with q, or whose name
	// holds it in any case, exact ones first; suspended ones not. q is in
	// lower case and not empty.
	FindUsers(ctx context.Context, q string, limit int) ([]User, error)
	// ListUsers returns users by username after the given one.
	ListUsers(ctx context.Context, after string, limit int) ([]User, error)

	// SetProfile changes what is not nil and logs Profile.
	SetProfile(ctx context.Context, id int64, e ProfileEdit) (User, error)
	// SetPassword stores the hash, ends the user's sessions but keep, begins
	// a generation, and logs a SessionEnded for each and PasswordSet.
	SetPassword(ctx context.Context, id int64, passwordHash, keep string) error
	// SetHash stores another hash of the same password, unless it is not old
	// any more: then it changes nothing and returns nil. It logs nothing.
	SetHash(ctx context.Context, id int64, old, passwordHash string) error
	// SetRole logs RoleSet where it changes something.
	SetRole(ctx context.Context, id int64, role Role) error
	// SetSuspended logs Suspended or Unsuspended where it changes something.
	SetSuspended(ctx context.Context, id int64, suspended bool) error
	// DeleteUser erases all but the id and the username, also the user's
	// sessions, codes, blocks both ways and changes, and logs Deleted.
	DeleteUser(ctx context.Context, id int64) error
}

// BlockStore is the part of a Store about who blocks whom.
type BlockStore interface {
	// Block logs Blocked where it changes something. ErrNotFound: one of the
	// two does not exist. ErrTooManyBlocks: user blocks limit others.
	Block(ctx context.Context, b Block, limit int) error
	// Unblock logs Unblocked where it changes something.
	Unblock(ctx context.Context, userID, otherID int64) error
	// Blocks returns up to limit blocks of a user, the newest first, with an ID
	// below after; from the newest where after is 0.
	Blocks(ctx context.Context, userID, after int64, limit int) ([]Block, error)
	// BlockedBoth returns whom a user blocks and who blocks the user, each in
	// ascending order.
	BlockedBoth(ctx context.Context, userID int64) (blocks, blockedBy []int64, err error)
}

// SessionStore is the part of a Store about sessions.
type SessionStore interface {
	// AddSession stores s. ErrNotFound, ErrSuspended: its user may have none.
	// ErrCredentials: generation is neither 0 nor the user's. Of more than
	// limit sessions with the same user, service and app the ones seen least
	// recently end.
	AddSession(ctx context.Context, s Session, token Hash, generation int64, limit int) error
	// SessionByToken returns ErrToken where there is none. A session without
	// a user has the zero User. Suspension is left to the caller.
	SessionByToken(ctx context.Context, token Hash) (User, Session, error)
	// SessionsOf returns the sessions of a user, the last seen first; all
	// services where service is empty.
	SessionsOf(ctx context.Context, userID int64, service string) ([]Session, error)
	// SetSeen notes when sessions were seen. Those that ended are passed over, and
	// those that were seen later, but for more than MaxAhead.
	SetSeen(ctx context.Context, seen map[string]time.Time) error
	// EndSession logs SessionEnded. It returns ErrToken where the user has no
	// such session at the service. The service is not checked where empty.
	EndSession(ctx context.Context, userID int64, service, id string) error
	// EndSessions ends those of a user at a service but keep, and logs it. An
	// empty service stands for all, begins a generation, and logs SessionsEnded
	// where there is such a user.
	EndSessions(ctx context.Context, userID int64, service, keep string) error
}

// AppStore is the part of a Store about OAuth apps.
type AppStore interface {
	// AddApp stores a with an ID as AddUser does. Where the service has limit
	// apps, those go that were made before idle and have no session of a user
	// and no code, with their own sessions. ErrTooManyApps: there are none such.
	AddApp(ctx context.Context, a App, secret Hash, limit int, idle time.Time) (App, error)
	// AppByClientID returns ErrApp where the service has none such.
	AppByClientID(ctx context.Context, service, clientID string) (App, Hash, error)
	// AppByID returns ErrApp where there is none.
	AppByID(ctx context.Context, id int64) (App, error)
}

// CodeStore is the part of a Store about OAuth authorization codes.
type CodeStore interface {
	// AddCode stores c. ErrNotFound, ErrSuspended, ErrCredentials as AddSession,
	// with the generation c.Generation. Codes from before old go, and of more
	// than limit codes of a user the oldest.
	AddCode(ctx context.Context, c Code, code Hash, old time.Time, limit int) error
	// CodeByHash returns ErrCode where there is none.
	CodeByHash(ctx context.Context, code Hash) (Code, error)
	// RedeemCode adds s, as AddSession does, and notes that the code was used
	// for it. Where it was used before, it ends the session made from it
	// instead, logs that, and returns ErrCode. ErrCode too where there is no
	// such code, or a generation of the user began since it was made.
	RedeemCode(ctx context.Context, code Hash, s Session, token Hash, limit int) error
}

// FollowerStore is the part of a Store about the services that follow the log.
type FollowerStore interface {
	// Follow notes that a service follows the log, and returns up to which
	// position it has acted: 0 for a new one.
	Follow(ctx context.Context, service string) (cursor int64, err error)
	// Ack moves the position of a service that follows forward, at most to the
	// last change.
	Ack(ctx context.Context, service string, cursor int64) error
	// Unfollow forgets a service.
	Unfollow(ctx context.Context, service string) error
	// Erasure returns ErrNotFound where the user was not deleted.
	Erasure(ctx context.Context, userID int64) (Erasure, error)
	// Erasures returns up to limit deletions after position after that
	// services have not acted on, in order.
	Erasures(ctx context.Context, after int64, limit int) ([]Erasure, error)
}

// MaxAhead is how far ahead of now a time of the past may be, because the clock
// was set back a little. One that is further ahead was written by a wrong clock.
const MaxAhead = 24 * time.Hour

// NextID is the ID for what is made at now, where last is the highest given so
// far: the time, unless that would not be above last.
func NextID(last int64, now time.Time) int64 {
	return max(last+1, now.UnixMilli()<<16)
}
