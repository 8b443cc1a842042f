package chat

import (
	"errors"
	"net/http"

	"github.com/porticod/portico/pkg/account"
)

type signUpJSON struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Name     string `json:"name"`   // to sign up
	Invite   string `json:"invite"` // to sign up where that is needed
	Device   string `json:"device"`
}

type signedInJSON struct {
	User  userJSON `json:"user"`
	Token string   `json:"token"`
}

func (c *Chat) getHealth(w http.ResponseWriter, r *http.Request) error {
	if err := c.Check(r.Context()); err != nil {
		w.Header().Set("Retry-After", errUnavailable.retrySeconds())
		respond(w, http.StatusServiceUnavailable, map[string]string{"status": "failing", "reason": err.Error()})
		return nil
	}
	respond(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

func (c *Chat) postAccounts(w http.ResponseWriter, r *http.Request) error {
	var body signUpJSON
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	done, err := c.strangers.signUp(peer(r))
	if err != nil {
		return err
	}
	user, err := c.accounts.SignUp(r.Context(), account.NewUser{
		Username: body.Username, Password: body.Password, Name: body.Name, Invite: body.Invite, From: peer(r),
	})
	if done(err == nil); err != nil {
		return err
	}
	return c.startSession(w, r, user, body.Device)
}

func (c *Chat) postSessions(w http.ResponseWriter, r *http.Request) error {
	var body signUpJSON
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	done, err := c.strangers.signIn(body.Username, peer(r))
	if err != nil {
		return err
	}
	user, err := c.accounts.SignIn(r.Context(), body.Username, body.Password, peer(r))
	if done(errors.Is(err, account.ErrCredentials)); err != nil {
		return err
	}
	return c.startSession(w, r, user, body.Device)
}

// startSession makes a token for this service and answers with it.
func (c *Chat) startSession(w http.ResponseWriter, r *http.Request, user account.User, device string) error {
	token, _, err := c.accounts.StartSession(r.Context(), user, account.Session{Service: c.env.Label(), Device: device})
	if err != nil {
		return err
	}
	respond(w, http.StatusCreated, signedInJSON{c.selfOf(user), token})
	return nil
}

func (c *Chat) getSessions(w http.ResponseWriter, r *http.Request, who *identity) error {
	sessions, err := c.accounts.Sessions(r.Context(), who.user.ID, c.env.Label())
	if err != nil {
		return err
	}
	list := make([]sessionJSON, len(sessions))
	for i, s := range sessions {
		list[i] = sessionOf(s, who)
	}
	respond(w, http.StatusOK, map[string]any{"sessions": list})
	return nil
}

func sessionOf(s account.Session, who *identity) sessionJSON {
	return sessionJSON{
		ID: s.ID, Device: s.Device, Current: s.ID == who.session.ID,
		CreatedAt: formatTime(s.CreatedAt.UnixMilli()), SeenAt: formatTime(s.SeenAt.UnixMilli()),
	}
}

func (c *Chat) deleteSession(w http.ResponseWriter, r *http.Request, who *identity) error {
	id := r.PathValue("session")
	if id == "current" {
		id = who.session.ID
	}
	err := c.accounts.EndSession(r.Context(), who.user.ID, c.env.Label(), id)
	if errors.Is(err, account.ErrToken) {
		return notFound("there is no such session")
	} else if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) getMe(w http.ResponseWriter, _ *http.Request, who *identity) error {
	respond(w, http.StatusOK, c.selfOf(who.user))
	return nil
}

// postPassword ends all sessions of the user, at every service, but this one.
func (c *Chat) postPassword(w http.ResponseWriter, r *http.Request, who *identity) error {
	var body struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	err := c.accounts.SetPassword(r.Context(), who.user.ID, body.Old, body.New, who.session.ID)
	if errors.Is(err, account.ErrCredentials) {
		return &Error{Code: CodeForbidden, Message: "the old password is wrong"}
	} else if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *Chat) getUsers(w http.ResponseWriter, r *http.Request, who *identity) error {
	limit, err := checkedLimit(r)
	if err != nil {
		return err
	}
	users, err := c.accounts.SearchUsers(r.Context(), r.URL.Query().Get("q"), limit)
	if err != nil {
		return err
	}
	list := make([]userJSON, len(users))
	for i, u := range users {
		list[i] = c.userOf(u, who.user.ID)
	}
	respond(w, http.StatusOK, map[string]any{"users": list})
	return nil
}

func (c *Chat) getUser(w http.ResponseWriter, r *http.Request, who *identity) error {
	user, err := c.accounts.UserByName(r.Context(), r.PathValue("username"))
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, c.userOf(user, who.user.ID))
	return nil
}
