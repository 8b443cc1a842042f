package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// AdminAPI is what administrators do with accounts: the same calls whether the
// daemon runs (RemoteAdmin) or not (LocalAdmin). Users are named by username.
// It trusts its caller.
type AdminAPI struct {
	call func(ctx context.Context, op string, in []byte) (out []byte, err error)
}

// What the calls take, as it travels.
type (
	// AddUser makes an account whoever may sign up.
	AddUser struct {
		Username string `json:"username"`
		Password string `json:"password"`
		Name     string `json:"name,omitempty"`
		Admin    bool   `json:"admin,omitempty"`
	}
	// ListUsers asks for up to Limit users (50 by default, at most 500) after
	// a username.
	ListUsers struct {
		After string `json:"after,omitempty"`
		Limit int    `json:"limit,omitempty"`
	}
	// EditUser names a user and, depending on the call, what becomes of it.
	EditUser struct {
		Username  string `json:"username"`
		Password  string `json:"password,omitempty"`
		Role      Role   `json:"role,omitempty"`
		Suspended bool   `json:"suspended,omitempty"`
		Session   string `json:"session,omitempty"`
	}
	// MakeInvite asks for a code for Uses people, good for that many seconds;
	// 0: for ever.
	MakeInvite struct {
		Uses    int   `json:"uses"`
		Seconds int64 `json:"seconds,omitempty"`
	}
	// ListErasures asks for up to Limit (50 by default, at most 500) after a
	// position.
	ListErasures struct {
		After int64 `json:"after,omitempty"`
		Limit int   `json:"limit,omitempty"`
	}
	// Follower names a service.
	Follower struct {
		Service string `json:"service"`
	}
)

// Add makes an account.
func (a *AdminAPI) Add(ctx context.Context, u AddUser) (out User, err error) {
	return out, a.do(ctx, "add", u, &out)
}

// List returns users by username.
func (a *AdminAPI) List(ctx context.Context, l ListUsers) (out []User, err error) {
	return out, a.do(ctx, "list", l, &out)
}

// SetPassword sets a password and ends the user's sessions.
func (a *AdminAPI) SetPassword(ctx context.Context, username, password string) error {
	return a.do(ctx, "passwd", EditUser{Username: username, Password: password}, nil)
}

// Delete erases an account.
func (a *AdminAPI) Delete(ctx context.Context, username string) error {
	return a.do(ctx, "delete", EditUser{Username: username}, nil)
}

// SetRole makes a user an administrator, or not.
func (a *AdminAPI) SetRole(ctx context.Context, username string, role Role) error {
	return a.do(ctx, "role", EditUser{Username: username, Role: role}, nil)
}

// Suspend suspends a user or ends the suspension.
func (a *AdminAPI) Suspend(ctx context.Context, username string, suspended bool) error {
	return a.do(ctx, "suspend", EditUser{Username: username, Suspended: suspended}, nil)
}

// Sessions returns a user's sessions at all services, the last seen first.
func (a *AdminAPI) Sessions(ctx context.Context, username string) (out []Session, err error) {
	return out, a.do(ctx, "sessions", EditUser{Username: username}, &out)
}

// EndSession ends one session of a user, or all of them where id is empty.
func (a *AdminAPI) EndSession(ctx context.Context, username, id string) error {
	return a.do(ctx, "end-session", EditUser{Username: username, Session: id}, nil)
}

// Invite makes a code that uses people can sign up with until it is ttl old; 0:
// for ever.
func (a *AdminAPI) Invite(ctx context.Context, uses int, ttl time.Duration) (out Invite, err error) {
	return out, a.do(ctx, "invite", MakeInvite{uses, int64(ttl / time.Second)}, &out)
}

// Erasures returns deletions that some service has not acted on.
func (a *AdminAPI) Erasures(ctx context.Context, l ListErasures) (out []Erasure, err error) {
	return out, a.do(ctx, "erasures", l, &out)
}

// Unfollow has erasures not wait for a service, kind.name, that is gone for good.
func (a *AdminAPI) Unfollow(ctx context.Context, service string) error {
	return a.do(ctx, "unfollow", Follower{service}, nil)
}

func (a *AdminAPI) do(ctx context.Context, op string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s user: %w", op, err)
	}
	answer, err := a.call(ctx, op, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s user: read answer: %w", op, err)
	}
	return nil
}

// LocalAdmin works on d itself.
func LocalAdmin(d *Directory) *AdminAPI {
	ops := adminOps(d)
	return &AdminAPI{func(ctx context.Context, op string, in []byte) ([]byte, error) {
		out, err := ops[op](ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}}
}

type adminOp func(ctx context.Context, in []byte) (out any, err error)

// adminOps are the calls by the name that they travel under.
func adminOps(d *Directory) map[string]adminOp {
	return map[string]adminOp{
		"add": decoded(func(ctx context.Context, in AddUser) (any, error) {
			role := RoleUser
			if in.Admin {
				role = RoleAdmin
			}
			return d.AddUser(ctx, NewUser{Username: in.Username, Password: in.Password, Name: in.Name}, role)
		}),
		"list": decoded(func(ctx context.Context, in ListUsers) (any, error) {
			return d.List(ctx, in.After, in.Limit)
		}),
		"invite": decoded(func(ctx context.Context, in MakeInvite) (any, error) {
			return d.CreateInvite(ctx, in.Uses, time.Duration(min(in.Seconds, 1e9))*time.Second)
		}),
		"erasures": decoded(func(ctx context.Context, in ListErasures) (any, error) {
			return d.Erasures(ctx, in.After, in.Limit)
		}),
		"unfollow": decoded(func(ctx context.Context, in Follower) (any, error) {
			return nil, d.Unfollow(ctx, in.Service)
		}),
		"passwd": named(d, func(ctx context.Context, id int64, in EditUser) (any, error) {
			return nil, d.ResetPassword(ctx, id, in.Password)
		}),
		"delete": named(d, func(ctx context.Context, id int64, _ EditUser) (any, error) {
			return nil, d.Delete(ctx, id)
		}),
		"role": named(d, func(ctx context.Context, id int64, in EditUser) (any, error) {
			return nil, d.SetRole(ctx, id, in.Role)
		}),
		"suspend": named(d, func(ctx context.Context, id int64, in EditUser) (any, error) {
			return nil, d.setSuspended(ctx, id, in.Suspended)
		}),
		"sessions": named(d, func(ctx context.Context, id int64, _ EditUser) (any, error) {
			return d.Sessions(ctx, id, "")
		}),
		"end-session": named(d, func(ctx context.Context, id int64, in EditUser) (any, error) {
			if in.Session == "" {
				return nil, d.EndSessions(ctx, id, "", "")
			}
			return nil, d.EndSession(ctx, id, "", in.Session)
		}),
	}
}

// decoded parses what a call takes.
func decoded[In any](fn func(context.Context, In) (any, error)) adminOp {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields() // a misspelled "suspended" would do the opposite
		if err := dec.Decode(&in); err != nil {
			return nil, &Invalid{"body", "is not what the call takes: " + err.Error()}
		}
		return fn(ctx, in)
	}
}

// named looks up the user that a call is about.
func named(d *Directory, fn func(ctx context.Context, id int64, in EditUser) (any, error)) adminOp {
	return decoded(func(ctx context.Context, in EditUser) (any, error) {
		u, err := d.UserByName(ctx, in.Username)
		if err != nil {
			return nil, err
		}
		return fn(ctx, u.ID, in)
	})
}

// maxAdminBody bounds requests and answers: 500 users are some 500 KB.
const maxAdminBody = 4 << 20

// AdminHandler serves the calls as POST /<call> with JSON bodies. It belongs on
// the admin socket only: it asks nobody who they are.
func AdminHandler(d *Directory) http.Handler {
	mux := http.NewServeMux()
	for name, op := range adminOps(d) {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
			if err != nil {
				writeAdmin(w, nil, &Invalid{"body", "cannot be read or is larger than 64 KiB"})
				return
			}
			out, err := op(r.Context(), body)
			writeAdmin(w, out, err)
		})
	}
	return mux
}

func writeAdmin(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		e := toWire(err)
		w.WriteHeader(e.status)
		out = struct {
			Error wireError `json:"error"`
		}{e}
	}
	// What cannot be written cannot be reported either.
	_ = json.NewEncoder(w).Encode(out)
}

// RemoteAdmin works on the daemon that c reaches at base, the address that its
// AdminHandler is mounted at: "http://portico/users".
func RemoteAdmin(c *http.Client, base string) *AdminAPI {
	return &AdminAPI{func(ctx context.Context, op string, in []byte) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/"+op, bytes.NewReader(in))
		if err != nil {
			return nil, fmt.Errorf("%s user: %w", op, err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			return nil, fmt.Errorf("%s user: %w", op, err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAdminBody))
		if err != nil {
			return nil, fmt.Errorf("%s user: %w", op, err)
		}
		if resp.StatusCode == http.StatusOK {
			return body, nil
		}
		var answer struct {
			Error wireError `json:"error"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || answer.Error.Code == "" {
			return nil, fmt.Errorf("%s user: the daemon answered %s", op, resp.Status)
		}
		return nil, answer.Error.err()
	}}
}

// wireError is an error as it travels.
type wireError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
	After   int64  `json:"retry_after_ms,omitempty"`
	status  int
}

// A sentinel is an error that keeps its identity on the way.
type sentinel struct {
	code   string
	status int
	err    error
}

func sentinels() []sentinel {
	return []sentinel{
		{"taken", http.StatusConflict, ErrTaken},
		{"not_found", http.StatusNotFound, ErrNotFound},
		{"session", http.StatusNotFound, ErrToken},
		{"busy", http.StatusServiceUnavailable, ErrBusy},
		{"not_open", http.StatusServiceUnavailable, ErrNotOpen},
	}
}

func toWire(err error) wireError {
	var inv *Invalid
	if errors.As(err, &inv) {
		return wireError{Code: "invalid", Message: inv.Reason, Field: inv.Field, status: http.StatusUnprocessableEntity}
	}
	for _, s := range sentinels() {
		if errors.Is(err, s.err) {
			return wireError{Code: s.code, Message: err.Error(), After: RetryAfter(err).Milliseconds(), status: s.status}
		}
	}
	return wireError{Code: "internal", Message: err.Error(), status: http.StatusInternalServerError}
}

func (e wireError) err() error {
	if e.Code == "invalid" {
		return &Invalid{e.Field, e.Message}
	}
	for _, s := range sentinels() {
		switch {
		case s.code != e.Code:
		case e.After > 0:
			return &RetryError{s.err, time.Duration(e.After) * time.Millisecond}
		default:
			return s.err
		}
	}
	return errors.New(e.Message)
}
