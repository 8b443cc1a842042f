package photos

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/account"
)

// A viewer is who asks. The zero viewer is anybody; an app without a person has
// a session and no user.
type viewer struct {
	user    account.User
	session account.Session
	blocks  *account.BlockedSet // whom the user blocks and who blocks them
}

func (v viewer) signedIn() bool { return v.user.ID != 0 }

// authorize finds out who asks by the token in the header, the only place where
// one is accepted. The viewer is who it is also where they may not.
func (p *Photos) authorize(r *http.Request, n need, scope string) (viewer, error) {
	token, ok := bearer(r.Header.Get("Authorization"))
	if !ok {
		if n != anyone {
			return viewer{}, errToken
		}
		return viewer{}, nil
	}
	v, err := p.verify(r.Context(), token)
	switch {
	case errors.Is(err, account.ErrToken):
		return viewer{}, errToken
	case err != nil:
		return viewer{}, err
	case n == user && !v.signedIn():
		return v, errUser
	case !allows(v.session.Scopes, scope):
		return v, errScope
	}
	return v, nil
}

// verify returns the viewer whose token it is.
func (p *Photos) verify(ctx context.Context, token string) (viewer, error) {
	u, s, err := p.people.Verify(ctx, p.label, token)
	if err != nil {
		return viewer{}, err
	}
	return p.viewer(ctx, u, s)
}

func (p *Photos) viewer(ctx context.Context, u account.User, s account.Session) (v viewer, err error) {
	v = viewer{user: u, session: s}
	if v.signedIn() {
		v.blocks, err = p.people.BlockedSet(ctx, u.ID)
	}
	return v, err
}

func bearer(header string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// The scopes that are known. Those with a colon are parts of the one before it.
var (
	topScopes   = []string{"read", "write", "follow", "push", "profile", "admin:read", "admin:write"}
	followParts = []string{"blocks", "follows", "mutes"}
)

// knownScope tells whether scope is one of Mastodon's.
func knownScope(scope string) bool {
	if slices.Contains(topScopes, scope) {
		return true
	}
	top, part, found := strings.Cut(scope, ":")
	return found && part != "" && (top == "read" || top == "write" || top == "admin")
}

// allows tells whether a token with scopes may do what needs scope. A token
// without scopes is one of the service's own and may do everything.
func allows(scopes, scope string) bool {
	if scopes == "" || scope == "" {
		return true
	}
	return slices.ContainsFunc(strings.Fields(scopes), func(have string) bool { return covers(have, scope) })
}

// covers tells whether have includes want: read covers read:media.
func covers(have, want string) bool {
	top, part, _ := strings.Cut(want, ":")
	return have == want || have == top ||
		have == "follow" && slices.Contains(followParts, part) ||
		have == "profile" && want == "read:me"
}

// peer is the client's address; the zero Addr where there is none.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
