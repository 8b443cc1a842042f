package account

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/porticod/portico/pkg/ratelimit"
)

// NewUser is what somebody enters to sign up.
type NewUser struct {
	Username string
	Password string
	Name     string // may be empty
	Invite   string // needed where registration is by invite
	From     netip.Addr
}

// SignUp makes an account. It returns an *Invalid, ErrClosed, ErrInvite,
// ErrTaken, or a *RetryError.
func (d *Directory) SignUp(ctx context.Context, n NewUser) (User, error) {
	var invite *Hash
	switch d.Registration() {
	case Open:
	case ByCode:
		if n.Invite == "" {
			return User{}, ErrInvite
		}
		h := hashOf(n.Invite)
		invite = &h
	default:
		return User{}, ErrClosed
	}
	giveBack, err := d.take(d.signUps, n.From)
	if err != nil {
		return User{}, err
	}
	u, err := d.add(ctx, n, RoleUser, invite)
	if err != nil {
		giveBack()
		return User{}, err
	}
	if s, err := d.open(ctx); err == nil {
		d.tell(s, counted{What: signUp, From: ratelimit.Prefix(n.From)})
	}
	return u, nil
}

// AddUser makes an account on behalf of an administrator: whoever may sign up,
// without limits.
func (d *Directory) AddUser(ctx context.Context, n NewUser, role Role) (User, error) {
	if role != RoleUser && role != RoleAdmin {
		return User{}, &Invalid{"role", "is not user or admin"}
	}
	return d.add(ctx, n, role, nil)
}

func (d *Directory) add(ctx context.Context, n NewUser, role Role, invite *Hash) (User, error) {
	username, err := ValidateUsername(n.Username)
	if err != nil {
		return User{}, err
	}
	if err := validatePassword("password", n.Password); err != nil {
		return User{}, err
	}
	name, err := cleanText("name", n.Name, MaxName, false)
	if err != nil {
		return User{}, err
	}
	s, err := d.open(ctx)
	if err != nil {
		return User{}, err
	}
	// Who asks for a name that is taken should not cost a hash. One that was
	// deleted is found out when it is stored.
	if _, _, err := s.Credentials(ctx, username); err == nil {
		return User{}, ErrTaken
	} else if !errors.Is(err, ErrNotFound) {
		return User{}, err
	}
	hash, err := d.hash.hash(ctx, n.Password)
	if err != nil {
		return User{}, err
	}
	return s.AddUser(ctx, User{
		Username: username, Name: name, Role: role, CreatedAt: now(), LastSeen: Everyone, Receipts: true, Generation: 1,
	}, hash, invite)
}

// SignIn returns the user whose password it is. It returns ErrCredentials for
// an unknown name as for a wrong password, and takes as long; ErrSuspended only
// with the right password; a *RetryError after too many failures.
func (d *Directory) SignIn(ctx context.Context, username, password string, from netip.Addr) (User, error) {
	username = strings.ToLower(cut(username, 2*MaxUsername))
	return d.signIn(ctx, username, password, ratelimit.Prefix(from))
}

func (d *Directory) signIn(ctx context.Context, username, password string, from netip.Prefix) (User, error) {
	s, err := d.open(ctx)
	if err != nil {
		return User{}, err
	}
	// Counted before the work is done, and given back afterwards: tries at the
	// same time cannot get past the limit.
	key := try{username, from}
	if wait := d.tries.Take(key); wait > 0 {
		return User{}, &RetryError{ErrTooManyTries, wait}
	}
	u, hash, err := s.Credentials(ctx, username)
	if err != nil && !errors.Is(err, ErrNotFound) {
		d.tries.Forget(key)
		return User{}, err
	}
	ok, err := d.hash.matches(ctx, hash, password)
	if err != nil {
		d.tries.Forget(key)
		return User{}, err
	}
	if !ok {
		d.tell(s, counted{failedSignIn, username, from})
		return User{}, ErrCredentials
	}
	d.tries.Forget(key)
	if u.Suspended {
		return User{}, ErrSuspended
	}
	d.rehash(ctx, s, u, hash, password)
	return u, nil
}

// rehash keeps a password at the present cost, now that it is known. Signing in
// does not depend on it.
func (d *Directory) rehash(ctx context.Context, s Store, u User, hash, password string) {
	if d.hash.current(hash) {
		return
	}
	stronger, err := d.hash.hash(ctx, password)
	if err == nil {
		err = s.SetHash(ctx, u.ID, hash, stronger)
	}
	if err != nil {
		d.logger().Warn().Err(err).Int64("user", u.ID).Msg("a password keeps a hash of another cost until the next sign-in")
	}
}

// User returns ErrNotFound for one that does not exist or was deleted.
func (d *Directory) User(ctx context.Context, id int64) (User, error) {
	s, err := d.open(ctx)
	if err != nil {
		return User{}, err
	}
	return s.UserByID(ctx, id)
}

// UserByName returns ErrNotFound for one that does not exist or was deleted. The
// case of username does not matter.
func (d *Directory) UserByName(ctx context.Context, username string) (User, error) {
	s, err := d.open(ctx)
	if err != nil {
		return User{}, err
	}
	u, _, err := s.Credentials(ctx, strings.ToLower(cut(username, 2*MaxUsername)))
	return u, err
}

// Users returns the users with these ids; those that were deleted with their
// username only, and none for an id that was never given.
func (d *Directory) Users(ctx context.Context, ids []int64) (map[int64]User, error) {
	s, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	us, err := s.UsersByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	m := make(map[int64]User, len(us))
	for _, u := range us {
		m[u.ID] = u
	}
	return m, nil
}

// SearchUsers returns up to limit users whose username starts with q, or whose
// name holds it. An @ in front of q is ignored; an empty q finds nobody.
func (d *Directory) SearchUsers(ctx context.Context, q string, limit int) ([]User, error) {
	q = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(cut(q, 4*MaxName)), "@"))
	if q == "" {
		return nil, nil
	}
	s, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.FindUsers(ctx, q, clamp(limit))
}

// List returns up to limit users after the username after, by username.
func (d *Directory) List(ctx context.Context, after string, limit int) ([]User, error) {
	s, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.ListUsers(ctx, after, clamp(limit))
}

// SetPassword changes a password for one who knows the old one, and ends all
// sessions of the user but the one with the id keep. Wrong ones count as failed
// sign-ins.
func (d *Directory) SetPassword(ctx context.Context, id int64, old, new, keep string) error {
	if err := validatePassword("new password", new); err != nil {
		return err
	}
	if err := d.CheckPassword(ctx, id, old); err != nil {
		return err
	}
	return d.setPassword(ctx, id, new, keep)
}

// ResetPassword changes a password without the old one and ends all sessions of
// the user.
func (d *Directory) ResetPassword(ctx context.Context, id int64, new string) error {
	if err := validatePassword("password", new); err != nil {
		return err
	}
	return d.setPassword(ctx, id, new, "")
}

func (d *Directory) setPassword(ctx context.Context, id int64, new, keep string) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	hash, err := d.hash.hash(ctx, new)
	if err != nil {
		return err
	}
	return s.SetPassword(ctx, id, hash, keep)
}

// CheckPassword returns nil if it is the user's, else ErrCredentials. Wrong ones
// count as failed sign-ins.
func (d *Directory) CheckPassword(ctx context.Context, id int64, password string) error {
	u, err := d.User(ctx, id)
	if err != nil {
		return err
	}
	_, err = d.signIn(ctx, u.Username, password, netip.Prefix{})
	return err
}

// Delete erases an account: its sessions end and what the Directory has of it
// goes, but the username, which is never given again. Services erase what they
// keep of it when they learn of the change, now or when they are open again;
// Erasure says which have.
func (d *Directory) Delete(ctx context.Context, id int64) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.DeleteUser(ctx, id)
}

// SetRole changes what a user may do.
func (d *Directory) SetRole(ctx context.Context, id int64, role Role) error {
	if role != RoleUser && role != RoleAdmin {
		return &Invalid{"role", "is not user or admin"}
	}
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.SetRole(ctx, id, role)
}

// Suspend keeps a user from signing in and from using sessions until Unsuspend.
func (d *Directory) Suspend(ctx context.Context, id int64) error {
	return d.setSuspended(ctx, id, true)
}

// Unsuspend ends a suspension; sessions from before work again.
func (d *Directory) Unsuspend(ctx context.Context, id int64) error {
	return d.setSuspended(ctx, id, false)
}

func (d *Directory) setSuspended(ctx context.Context, id int64, suspended bool) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.SetSuspended(ctx, id, suspended)
}
