package chat

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/chat/store"
)

// An identity is who makes a request, and the token that says so.
type identity struct {
	user    account.User
	session account.Session
	token   string
}

func (i *identity) person() store.Person {
	return store.Person{ID: i.user.ID, Username: i.user.Username}
}

// authenticate returns whose token it is. A token names its service: those of
// other services are as good as none here.
func (c *Chat) authenticate(ctx context.Context, token string) (*identity, error) {
	if token == "" {
		return nil, errToken
	}
	user, session, err := c.accounts.Verify(ctx, c.env.Label(), token)
	if err != nil {
		return nil, err
	}
	if user.ID == 0 { // an app that acts for nobody
		return nil, account.ErrToken
	}
	return &identity{user: user, session: session, token: token}, nil
}

// bearer is the token of the Authorization header (RFC 6750, section 2.1).
func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// watchAccounts ends connections the moment that their session, or its user's
// right to have one, ends.
func (c *Chat) watchAccounts() (stop func()) {
	return c.accounts.Watch(func(ch account.Change) {
		c.profiles.forget(ch.UserID)
		switch ch.Kind {
		case account.Deleted, account.Suspended:
			c.hub.revoke(ch.UserID, func(string) bool { return true })
			c.wakeWorker()
		case account.SessionEnded:
			c.hub.revoke(ch.UserID, func(id string) bool { return id == ch.SessionID })
		}
	})
}

// peer is the address that a request comes from; invalid where it is no IP
// address, as over a unix socket.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
