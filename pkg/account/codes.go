package account

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"time"
)

const (
	codeLife   = 10 * time.Minute // to be redeemed (RFC 6749 section 4.1.2)
	codeMemory = 24 * time.Hour   // to notice a second use
	maxCodes   = 100              // per user; the oldest goes
)

// Code is what a user grants to an app: an OAuth authorization code, which is
// shown once and kept only as a hash.
type Code struct {
	UserID      int64
	AppID       int64
	Service     string // kind.name that the app was registered at
	Scopes      string // space separated
	RedirectURI string // one of the app's, byte for byte
	Challenge   string // PKCE with S256 (RFC 7636 section 4.2); empty: none
	// Generation is that of the User who was asked. NewCode returns
	// ErrCredentials where all its sessions were ended since; 0: not checked.
	Generation int64

	// What the Directory fills in.
	CreatedAt time.Time
	Used      bool
}

// The syntax of RFC 7636, sections 4.1 and 4.2.
var (
	pkceChallenge = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	pkceVerifier  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
)

// NewCode makes an authorization code for c, which the service has checked the
// scopes of. It can be redeemed for 10 minutes. It returns an *Invalid, ErrApp
// where the service has no such app, and ErrNotFound or ErrSuspended.
func (d *Directory) NewCode(ctx context.Context, c Code) (string, error) {
	switch {
	case c.UserID == 0:
		return "", errors.New("an authorization code needs a user")
	case len(c.Scopes) > maxScopes:
		return "", &Invalid{"scope", "is too long"}
	case c.Challenge != "" && !pkceChallenge.MatchString(c.Challenge):
		return "", &Invalid{"code_challenge", "is not that of S256"}
	}
	s, err := d.open(ctx)
	if err != nil {
		return "", err
	}
	a, err := s.AppByID(ctx, c.AppID)
	switch {
	case err != nil:
		return "", err
	case a.Service != c.Service:
		return "", ErrApp
	case !slices.Contains(a.RedirectURIs, c.RedirectURI):
		return "", &Invalid{"redirect_uri", "is not registered for this app"}
	}
	code := newSecret("", 32)
	c.CreatedAt, c.Used = now(), false
	if err := s.AddCode(ctx, c, hashOf(code), c.CreatedAt.Add(-codeMemory), maxCodes); err != nil {
		return "", err
	}
	return code, nil
}

// RedeemCode makes the session that a code stands for, once, as NewSession does;
// code and session are stored together. The app is the one that asks: from
// AppWithSecret, or from App for one that cannot keep a secret, whose codes must
// have a challenge then (it is up to the service to refuse others). redirectURI
// must be the one of NewCode, byte for byte, and verifier belong to its challenge;
// both are empty or both are not.
//
// Everything else is ErrCode (ErrSuspended, where the user is), and leaves a code that was not used as it was. A
// code that comes a second time was stolen, the first time or now, so the session
// that was made from it ends (RFC 6749 section 4.1.2).
func (d *Directory) RedeemCode(ctx context.Context, app App, code, redirectURI, verifier string) (token string, _ Session, err error) {
	if len(code) > 128 || app.ID == 0 {
		return "", Session{}, ErrCode
	}
	st, err := d.open(ctx)
	if err != nil {
		return "", Session{}, err
	}
	h := hashOf(code)
	c, err := st.CodeByHash(ctx, h)
	switch {
	case err != nil:
		return "", Session{}, err
	case c.AppID != app.ID || c.Service != app.Service:
		return "", Session{}, ErrCode
	case c.Used: // whatever else is wrong: the session ends
	case now().Sub(c.CreatedAt).Abs() >= codeLife || c.RedirectURI != redirectURI || !verifies(verifier, c.Challenge):
		return "", Session{}, ErrCode
	}
	token, s := prepare(Session{UserID: c.UserID, Service: c.Service, Device: app.Name, Scopes: c.Scopes, AppID: c.AppID})
	if err := st.RedeemCode(ctx, h, s, hashOf(token), maxSessions); err != nil {
		return "", Session{}, err
	}
	return token, s, nil
}

// verifies checks a verifier (RFC 7636 section 4.6). One that was not announced
// is refused too: somebody may have taken the challenge away (RFC 9700 section
// 4.8.2).
func verifies(verifier, challenge string) bool {
	if challenge == "" || !pkceVerifier.MatchString(verifier) {
		return challenge == "" && verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	got := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) == 1
}
