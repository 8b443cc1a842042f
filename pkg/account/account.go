// Package account is about the people who use portico's services: who they are,
// how they prove it, and which sessions they have. It has the types, the errors
// and the Directory that services use; where accounts are kept is a Store.
package account

import (
	"errors"
	"time"
)

// Role says what a person may do beyond using services.
type Role string

const (
	RoleUser  Role = "user"
	RoleAdmin Role = "admin"
)

// Audience says to whom something about a person is shown. The zero Audience is
// nobody.
type Audience string

const (
	Everyone Audience = "everyone"
	Contacts Audience = "contacts" // what that is, is up to the service
	Nobody   Audience = "nobody"
)

// User is a person with an account. Usernames never change and are never given
// again.
type User struct {
	ID            int64     `json:"id,string"` // grows with creation; (unix ms << 16) | counter
	Username      string    `json:"username"`
	Name          string    `json:"name"` // for display; empty: none
	About         string    `json:"about"`
	Avatar        string    `json:"avatar,omitempty"`         // empty: none; see AvatarAt
	AvatarService string    `json:"avatar_service,omitempty"` // kind.name whose blob the avatar is
	LastSeen      Audience  `json:"last_seen,omitempty"`      // who may see when the user was online
	Receipts      bool      `json:"receipts,omitempty"`       // whether others learn what the user has read
	Role          Role      `json:"role"`
	CreatedAt     time.Time `json:"created_at"`
	Suspended     bool      `json:"suspended"`
	Deleted       bool      `json:"deleted,omitempty"` // only its username is left, and only Directory.Users returns it
	// Generation grows with everything that ends all sessions: StartSession
	// refuses a User from before.
	Generation int64 `json:"generation,omitempty"`
}

// AvatarAt returns the blob that the avatar is at service, kind.name; empty where
// there is none or another service has it. A service drops its blob when it
// learns of a Profile after which it is not the user's avatar any more.
func (u User) AvatarAt(service string) string {
	if u.AvatarService != service {
		return ""
	}
	return u.Avatar
}

// Session is one signed-in device or app. Its token is shown once, when it is
// made, and kept only as a hash.
type Session struct {
	ID        string    `json:"id"`             // random, not secret
	UserID    int64     `json:"user_id,string"` // 0: an app without a user (OAuth client_credentials)
	Service   string    `json:"service"`        // kind.name that the token opens; it opens no other
	Device    string    `json:"device"`
	Scopes    string    `json:"scopes"`        // space separated; empty: everything the service offers
	AppID     int64     `json:"app_id,string"` // OAuth app that it was made through; 0: none
	CreatedAt time.Time `json:"created_at"`
	SeenAt    time.Time `json:"seen_at"`
}

// App is a program that asks people for access with OAuth. Its secret is shown
// once, when it is made, and kept only as a hash.
type App struct {
	ID           int64
	Service      string // kind.name that it was registered at
	ClientID     string // random, not secret
	Name         string
	Website      string
	RedirectURIs []string
	Scopes       string // space separated
	CreatedAt    time.Time
}

// Invite lets people sign up where registration is by invite. Its code is shown
// once, when it is made, and kept only as a hash.
type Invite struct {
	Code      string    `json:"code"`
	Uses      int       `json:"uses"`                // how many people may use it
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
}

// ChangeKind says what happened to an account.
type ChangeKind string

const (
	Deleted      ChangeKind = "deleted" // its sessions and blocks too; services erase what they keep of it
	Suspended    ChangeKind = "suspended"
	Unsuspended  ChangeKind = "unsuspended"
	PasswordSet  ChangeKind = "password" // a SessionEnded for each session that it ended comes before
	SessionEnded ChangeKind = "session"
	Profile      ChangeKind = "profile"
	RoleSet      ChangeKind = "role"
	Blocked      ChangeKind = "blocked" // UserID blocks OtherID
	Unblocked    ChangeKind = "unblocked"
	// SessionsEnded: all of a user's but perhaps one, at all services, and what was
	// granted for others. A SessionEnded for each comes before.
	SessionsEnded ChangeKind = "sessions"
	// Lost is told and not logged: the database has gone back behind what it said
	// (a standby took over that had not got everything), so that anything may be
	// otherwise. What it lost does not come again.
	Lost ChangeKind = "lost"
)

// Change is an entry of the durable log of what happened to accounts. Of the
// entries of one kind for one user (two users for blocks) the log keeps the last;
// a SessionEnded is kept for a week, and nothing from before a Deleted.
type Change struct {
	Seq       int64 // position in the log; grows, not dense
	Kind      ChangeKind
	UserID    int64  // 0: a session of an app
	OtherID   int64  // of Blocked and Unblocked: who is blocked, or not any more
	SessionID string // of a SessionEnded
	Service   string // of a SessionEnded: kind.name
	At        time.Time
}

// The errors that callers branch on. Their texts are fit for people.
var (
	ErrTaken         = errors.New("this username is taken")
	ErrClosed        = errors.New("sign-up is closed here")
	ErrInvite        = errors.New("a valid invite is needed to sign up")
	ErrCredentials   = errors.New("wrong username or password")
	ErrToken         = errors.New("the token is not valid")
	ErrNotFound      = errors.New("there is no such account")
	ErrSuspended     = errors.New("this account is suspended")
	ErrTooManyTries  = errors.New("too many tries; wait a while")
	ErrTooManyBlocks = errors.New("too many people are blocked")
	ErrTooManyApps   = errors.New("too many apps are registered here")
	ErrBusy          = errors.New("too many people sign in right now; try again")
	ErrApp           = errors.New("this app is not known here")
	ErrCode          = errors.New("the code is not valid")
	ErrNotOpen       = errors.New("the accounts are not open")
)

// RetryError is an ErrTooManyTries, ErrTooManyApps or ErrBusy with the time after which another
// try makes sense.
type RetryError struct {
	Err   error
	After time.Duration
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// RetryAfter is the time after which another try makes sense; 0 where err does
// not say.
func RetryAfter(err error) time.Duration {
	var e *RetryError
	if errors.As(err, &e) {
		return e.After
	}
	return 0
}

// Invalid is a username, password or field that breaks a rule. Its text says
// which rule.
type Invalid struct{ Field, Reason string }

func (e *Invalid) Error() string { return e.Field + " " + e.Reason }
