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
	var uris []string
	for _, lines := range c.params.Strings("redirect_uris") { // a string has one on each line
		uris = append(uris, strings.Fields(lines)...)
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

func appInfo(a account.App) entity.AppInfo {
	e := entity.AppInfo{
		ID: entity.ID(a.ID), Name: a.Name, Scopes: strings.Fields(a.Scopes), RedirectURIs: a.RedirectURIs,
		RedirectURI: strings.Join(a.RedirectURIs, "\n"),
	}
	if a.Website != "" {
		e.Website = &a.Website
	}
	return e
}

func appEntity(a account.App, secret string) entity.CredentialApplication {
	return entity.CredentialApplication{AppInfo: appInfo(a), ClientID: a.ClientID, ClientSecret: secret}
}

// verifyApp is GET /api/v1/apps/verify_credentials.
func (p *Photos) verifyApp(c *call) (any, error) {
	s := c.viewer.session
	if s.AppID == 0 { // a token of the service's own
		return appInfo(account.App{Name: s.Device, Scopes: s.Scopes, RedirectURIs: []string{}}), nil
	}
	a, err := p.people.AppByID(c.r.Context(), s.AppID)
	if errors.Is(err, account.ErrApp) {
		return nil, errToken
	}
	return appInfo(a), err
}

// errClient is the answer where the app is not who it says (RFC 6749, section
// 5.2).
var errClient = oauthError(http.StatusUnauthorized, "invalid_client",
	"Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method.")

// client is the app that a request to /oauth names, with its secret in the body
// or in the header (RFC 6749, section 2.3.1).
func (p *Photos) client(c *call) (account.App, error) {
	id, secret := c.clientCredentials()
	a, err := p.people.AppWithSecret(c.r.Context(), p.label, id, secret)
	if errors.Is(err, account.ErrApp) {
		err = errClient
	}
	return a, err
}

func (c *call) clientCredentials() (id, secret string) {
	if user, pass, ok := c.r.BasicAuth(); ok {
		return user, pass
	}
	return c.params.String("client_id"), c.params.String("client_secret")
}

// token is POST /oauth/token.
func (p *Photos) token(c *call) (any, error) {
	switch grant := c.params.String("grant_type"); {
	case grant == "":
		return nil, oauthError(http.StatusBadRequest, "invalid_request", "grant_type is missing")
	case grant == "authorization_code":
		return p.redeemCode(c)
	case grant == "password" && c.cfg.PasswordGrant:
		return p.passwordToken(c)
	case grant == "client_credentials":
		a, scopes, err := p.clientScopes(c)
		if err != nil {
			return nil, err
		}
		return p.newToken(c, account.User{}, account.Session{Device: a.Name, Scopes: scopes, AppID: a.ID})
	}
	return nil, oauthError(http.StatusBadRequest, "unsupported_grant_type", "The authorization grant type is not supported here.")
}

// clientScopes are the app that asks for a token and what the token is to allow.
func (p *Photos) clientScopes(c *call) (a account.App, scopes string, err error) {
	if a, err = p.client(c); err == nil {
		scopes, err = grantedScopes(c.params.String("scope"), a.Scopes)
	}
	return a, scopes, err
}

// passwordToken is the grant that command line clients like (RFC 6749, section
// 4.3).
func (p *Photos) passwordToken(c *call) (any, error) {
	a, scopes, err := p.clientScopes(c)
	if err != nil {
		return nil, err
	}
	u, err := p.people.SignIn(c.r.Context(), c.params.String("username"), c.params.String("password"), peer(c.r))
	if errors.Is(err, account.ErrCredentials) || errors.Is(err, account.ErrSuspended) {
		return nil, oauthError(http.StatusBadRequest, "invalid_grant", err.Error())
	}
	if err != nil {
		return nil, err
	}
	return p.newToken(c, u, account.Session{Device: a.Name, Scopes: scopes, AppID: a.ID})
}

// redeemCode makes the token that a code stands for. An app that cannot keep a
// secret names itself and has a verifier (RFC 7636): codes without a challenge
// are not for it.
func (p *Photos) redeemCode(c *call) (any, error) {
	id, secret := c.clientCredentials()
	verifier := c.params.String("code_verifier")
	a, err := p.people.AppWithSecret(c.r.Context(), p.label, id, secret)
	if secret == "" && verifier != "" {
		a, err = p.people.App(c.r.Context(), p.label, id)
	}
	if errors.Is(err, account.ErrApp) {
		return nil, errClient
	}
	if err != nil {
		return nil, err
	}
	token, s, err := p.people.RedeemCode(c.r.Context(), a, c.params.String("code"), c.params.String("redirect_uri"), verifier)
	if errors.Is(err, account.ErrCode) || errors.Is(err, account.ErrSuspended) {
		return nil, oauthError(http.StatusBadRequest, "invalid_grant",
			"The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.")
	}
	if err != nil {
		return nil, err
	}
	return tokenEntity(token, s), nil
}

func tokenEntity(token string, s account.Session) entity.Token {
	return entity.Token{AccessToken: token, TokenType: "Bearer", Scope: s.Scopes, CreatedAt: s.CreatedAt.Unix()}
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
	return tokenEntity(token, s), nil
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
