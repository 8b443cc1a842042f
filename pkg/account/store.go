package account

import (
	"context"
	"io"
	"time"
)

// Hash is the SHA-256 of a token, a secret or an invite's code.
type Hash [32]byte

// A Store keeps accounts. The Directory is its only caller; one Store has its
// data for itself. What a method changed is durable when it returns nil, and
// undone as a whole when it returns an error. Methods may be called
// concurrently. Package accounttest has the contract as a test.
//
// Users that were deleted are not found (ErrNotFound), but by UsersByID.
type Store interface {
	io.Closer
	// Notify is called once, before all others. fn is to be called with each
	// change after it is durable, in the order of the log, before the method
	// that made it returns; it does not block.
	Notify(fn func(Change))

	UserStore
	SessionStore
	AppStore

	// Changes returns up to limit entries of the log after position after, in
	// order.
	Changes(ctx context.Context, after int64, limit int) ([]Change, error)
	// LastChange is the position of the last entry ever made, 0 before the
	// first.
	LastChange(ctx context.Context) (int64, error)
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
	SetProfile(ctx context.Context, id int64, name, about *string) (User, error)
	// SetPassword stores the hash, ends the user's sessions but keep, and logs
	// a SessionEnded for each and PasswordSet.
	SetPassword(ctx context.Context, id int64, passwordHash, keep string) error
	// SetRole logs RoleSet where it changes something.
	SetRole(ctx context.Context, id int64, role Role) error
	// SetSuspended logs Suspended or Unsuspended where it changes something.
	SetSuspended(ctx context.Context, id int64, suspended bool) error
	// DeleteUser erases all but the id and the username, ends the sessions and
	// logs Deleted.
	DeleteUser(ctx context.Context, id int64) error
}

// SessionStore is the part of a Store about sessions.
type SessionStore interface {
	// AddSession stores s. ErrNotFound, ErrSuspended: its user may have none.
	// Of more than limit sessions with the same user, service and app the
	// ones seen least recently end.
	AddSession(ctx context.Context, s Session, token Hash, limit int) error
	// SessionByToken returns ErrToken where there is none. A session without
	// a user has the zero User. Suspension is left to the caller.
	SessionByToken(ctx context.Context, token Hash) (User, Session, error)
	// SessionsOf returns the sessions of a user, the last seen first; all
	// services where service is empty.
	SessionsOf(ctx context.Context, userID int64, service string) ([]Session, error)
	// SetSeen notes when sessions were seen. Those that ended are passed over.
	SetSeen(ctx context.Context, seen map[string]time.Time) error
	// EndSession logs SessionEnded. It returns ErrToken where the user has no
	// such session at the service. The service is not checked where empty.
	EndSession(ctx context.Context, userID int64, service, id string) error
	// EndSessions ends those of a user at a service but keep, and logs it.
	EndSessions(ctx context.Context, userID int64, service, keep string) error
}

// AppStore is the part of a Store about OAuth apps.
type AppStore interface {
	// AddApp stores a with an ID as AddUser does.
	AddApp(ctx context.Context, a App, secret Hash) (App, error)
	// AppByClientID returns ErrApp where the service has none such.
	AppByClientID(ctx context.Context, service, clientID string) (App, Hash, error)
	// AppByID returns ErrApp where there is none.
	AppByID(ctx context.Context, id int64) (App, error)
}

// NextID is the ID for what is made at now, where last is the highest given so
// far: the time, unless that would not be above last.
func NextID(last int64, now time.Time) int64 {
	return max(last+1, now.UnixMilli()<<16)
}
