package photos

import (
	"errors"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
)

// signUp is POST /api/v1/accounts. With an app's token the new one is the app's;
// without, it is a token of the service's own.
func (p *Photos) signUp(c *call) (any, error) {
	u, err := p.people.SignUp(c.r.Context(), account.NewUser{
		Username: c.params.String("username"), Password: c.params.String("password"),
		Name: c.params.String("display_name"), Invite: c.params.String("invite_code"), From: peer(c.r),
	})
	if err != nil {
		return nil, formError(err)
	}
	s := c.viewer.session
	if s.Device == "" {
		s.Device, s.Scopes = "API", "read write follow push"
	}
	return p.newToken(c, u, account.Session{Device: s.Device, Scopes: s.Scopes, AppID: s.AppID})
}

// formError is the answer to what people enter about themselves or their apps.
func formError(err error) error {
	inv := (*account.Invalid)(nil)
	switch {
	case errors.Is(err, account.ErrTaken):
		return fieldError("username", "ERR_TAKEN", err)
	case errors.As(err, &inv):
		return fieldError(inv.Field, codeOf(inv.Reason), err)
	case errors.Is(err, account.ErrClosed), errors.Is(err, account.ErrInvite):
		return fail(http.StatusForbidden, "%s", err)
	}
	return err
}

// codeOf is Mastodon's code for a reason. Where none fits better, the field is
// just invalid; the description says what people need.
func codeOf(reason string) string {
	for _, c := range []struct{ part, code string }{
		{"missing", "ERR_BLANK"}, {"reserved", "ERR_RESERVED"}, {"shorter", "ERR_TOO_SHORT"}, {"longer", "ERR_TOO_LONG"},
	} {
		if strings.Contains(reason, c.part) {
			return c.code
		}
	}
	return "ERR_INVALID"
}

func fieldError(field, code string, err error) error {
	return &problem{status: http.StatusUnprocessableEntity, body: entity.Error{
		Error:   "Validation failed: " + err.Error(),
		Details: map[string][]entity.Detail{field: {{Error: code, Description: err.Error()}}},
	}}
}

// verifyCredentials is GET /api/v1/accounts/verify_credentials.
func (p *Photos) verifyCredentials(c *call) (any, error) {
	return c.renderer(p).credentials(c.viewer.user)
}

// account is GET /api/v1/accounts/:id.
func (p *Photos) account(c *call) (any, error) {
	u, err := p.person(c)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).account(u)
}

// person is whom the id in the path names, as long as they are there.
func (p *Photos) person(c *call) (account.User, error) {
	id, err := c.id()
	if err != nil {
		return account.User{}, err
	}
	u, err := p.people.User(c.r.Context(), id)
	return present(u, err)
}

// present turns somebody who is gone into an error.
func present(u account.User, err error) (account.User, error) {
	if err == nil && (u.Suspended || u.Deleted) {
		err = errNotFound
	}
	return u, err
}

// lookup is GET /api/v1/accounts/lookup.
func (p *Photos) lookup(c *call) (any, error) {
	u, err := present(p.people.UserByName(c.r.Context(), c.localName(c.params.String("acct"))))
	if err != nil {
		return nil, err
	}
	return c.renderer(p).account(u)
}

// accountStatuses is GET /api/v1/accounts/:id/statuses.
func (p *Photos) accountStatuses(c *call) (any, error) {
	u, err := p.person(c)
	if err != nil {
		return nil, err
	}
	rel, err := p.relation(c.r.Context(), c.viewer, u)
	if err != nil {
		return nil, err
	}
	return p.feed(c, c.accountFeed(u.ID, rel))
}
