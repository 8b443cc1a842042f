package photos

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
)

// createApp is POST /api/v1/apps.
func (p *Photos) createApp(c *call) (any, error) {
	scopes := c.params.String("scopes")
	if scopes == "" {
		scopes = "read"
	}
	for _, s := range strings.Fields(scopes) {
		if !knownScope(s) {
			return nil, invalid("scopes has %q, which is not known", s)
		}
	}
	uris := c.params.Strings("redirect_uris")
	if len(uris) == 1 {
		uris = strings.Fields(uris[0]) // a string has one on each line
	}
	a, secret, err := p.people.RegisterApp(c.r.Context(), account.App{
		Service: p.label, Name: c.params.String("client_name"), Website: c.params.String("website"),
		RedirectURIs: uris, Scopes: strings.Join(strings.Fields(scopes), " "),
	}, peer(c.r))
	if err != nil {
		return nil, formError(err)
	}
	return appEntity(a, secret), nil
}

func appEntity(a account.App, secret string) entity.CredentialApplication {
	e := entity.CredentialApplication{
		ID: entity.ID(a.ID), Name: a.Name, Scopes: strings.Fields(a.Scopes), RedirectURIs: a.RedirectURIs,
		RedirectURI: strings.Join(a.RedirectURIs, "\n"), ClientID: a.ClientID, ClientSecret: secret,
	}
	if a.Website != "" {
		e.Website = &a.Website
	}
	return e
}

// client is the app that a request to /oauth names, with its secret in the body
// or in the header (RFC 6749, section 2.3.1).
func (p *Photos) client(c *call) (account.App, error) {
	id, secret := c.params.String("client_id"), c.params.String("client_secret")
	if user, pass, ok := c.r.BasicAuth(); ok {
		id, secret = user, pass
	}
	a, err := p.people.AppWithSecret(c.r.Context(), p.label, id, secret)
	if errors.Is(err, account.ErrApp) {
		return a, oauthError(http.StatusUnauthorized, "invalid_client",
			"Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method.")
	}
	return a, err
}

// token is POST /oauth/token.
func (p *Photos) token(c *call) (any, error) {
	grant := c.params.String("grant_type")
	switch {
	case grant == "":
		return nil, oauthError(http.StatusBadRequest, "invalid_request", "grant_type is missing")
	case grant == "password" && !c.cfg.PasswordGrant, grant != "password" && grant != "client_credentials":
		return nil, oauthError(http.StatusBadRequest, "unsupported_grant_type", "The authorization grant type is not supported here.")
	}
	a, err := p.client(c)
	if err != nil {
		return nil, err
	}
	scopes, err := grantedScopes(c.params.String("scope"), a.Scopes)
	if err != nil {
		return nil, err
	}
	var u account.User
	if grant == "password" {
		u, err = p.people.SignIn(c.r.Context(), c.params.String("username"), c.params.String("password"), peer(c.r))
		if errors.Is(err, account.ErrCredentials) || errors.Is(err, account.ErrSuspended) {
			return nil, oauthError(http.StatusBadRequest, "invalid_grant", err.Error())
		}
		if err != nil {
			return nil, err
		}
	}
	return p.newToken(c, u, account.Session{Device: a.Name, Scopes: scopes, AppID: a.ID})
}

// grantedScopes are those that were asked for, which the app must have said it
// would ask for; read where it asks for none.
func grantedScopes(asked, registered string) (string, error) {
	if asked == "" {
		asked = "read"
	}
	for _, s := range strings.Fields(asked) {
		if !knownScope(s) || !allows(registered, s) {
			return "", oauthError(http.StatusBadRequest, "invalid_scope", "The requested scope is invalid, unknown, or more than the app was registered with.")
		}
	}
	return strings.Join(strings.Fields(asked), " "), nil
}

// newToken makes a token of u, who has just signed in or up; of the app alone
// where u is nobody.
func (p *Photos) newToken(c *call, u account.User, s account.Session) (any, error) {
	start := func(ctx context.Context, s account.Session) (string, account.Session, error) {
		return p.people.StartSession(ctx, u, s)
	}
	if u.ID == 0 {
		start = p.people.NewSession
	}
	s.Service = p.label
	token, s, err := start(c.r.Context(), s)
	if errors.Is(err, account.ErrCredentials) { // changed in between
		return nil, oauthError(http.StatusBadRequest, "invalid_grant", err.Error())
	}
	if err != nil {
		return nil, err
	}
	return entity.Token{AccessToken: token, TokenType: "Bearer", Scope: s.Scopes, CreatedAt: s.CreatedAt.Unix()}, nil
}

// revoke is POST /oauth/revoke. A token that is not valid (any more) is fine:
// what was asked for is so (RFC 7009, section 2.2).
func (p *Photos) revoke(c *call) (any, error) {
	a, err := p.client(c)
	if err != nil {
		return nil, err
	}
	v, err := p.verify(c.r.Context(), c.params.String("token"))
	if errors.Is(err, account.ErrToken) || errors.Is(err, account.ErrSuspended) {
		return entity.Empty{}, nil
	}
	if err != nil {
		return nil, err
	}
	if v.session.AppID != a.ID {
		return nil, oauthError(http.StatusForbidden, "unauthorized_client", "You are not authorized to revoke this token")
	}
	err = p.people.EndSession(c.r.Context(), v.user.ID, p.label, v.session.ID)
	if err != nil && !errors.Is(err, account.ErrToken) {
		return nil, err
	}
	return entity.Empty{}, nil
}
