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

// User is a person with an account. Usernames never change and are never given
// again.
type User struct {
	ID        int64 // grows with creation; (unix ms << 16) | counter
	Username  string
	Name      string // for display; empty: none
	About     string
	Role      Role
	CreatedAt time.Time
	Suspended bool
}

// Session is one signed-in device or app. Its token is shown once, when it is
// made, and kept only as a hash.
type Session struct {
	ID        string // random, not secret
	UserID    int64  // 0: an app without a user (OAuth client_credentials)
	Service   string // kind.name that the token opens; it opens no other
	Device    string
	Scopes    string // space separated; empty: everything the service offers
	AppID     int64  // OAuth app that it was made through; 0: none
	CreatedAt time.Time
	SeenAt    time.Time
}

// The errors that callers branch on. Their texts are fit for people.
var (
	ErrTaken        = errors.New("this username is taken")
	ErrClosed       = errors.New("sign-up is closed here")
	ErrInvite       = errors.New("a valid invite is needed to sign up")
	ErrCredentials  = errors.New("wrong username or password")
	ErrToken        = errors.New("the token is not valid")
	ErrNotFound     = errors.New("there is no such account")
	ErrSuspended    = errors.New("this account is suspended")
	ErrTooManyTries = errors.New("too many tries; wait a while")
)

// Invalid is a username, password or field that breaks a rule. Its text says
// which rule.
type Invalid struct{ Field, Reason string }

func (e *Invalid) Error() string { return e.Field + " " + e.Reason }
