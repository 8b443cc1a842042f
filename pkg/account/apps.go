package account

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/ratelimit"
)

// Bounds of what an app says about itself.
const (
	maxRedirects = 10
	maxURL       = 2000
)

// idleApp is how old an app without sessions must be to make room for another.
const idleApp = 24 * time.Hour

// CreateApp is RegisterApp without the limit per address.
func (d *Directory) CreateApp(ctx context.Context, a App) (_ App, secret string, err error) {
	return d.RegisterApp(ctx, a, netip.Addr{})
}

// RegisterApp registers an app with a.Service, a.Name, a.Website, a.RedirectURIs
// and a.Scopes, for a program at the address from. The secret is the only copy.
// The error may be an *Invalid, or a *RetryError after too many from that address
// or where the service has as many apps in use as Limits.Apps. Apps that nobody
// uses make room.
func (d *Directory) RegisterApp(ctx context.Context, a App, from netip.Addr) (_ App, secret string, err error) {
	if err := validateApp(&a); err != nil {
		return App{}, "", err
	}
	giveBack, err := d.take(d.appsFrom, from)
	if err != nil {
		return App{}, "", err
	}
	s, err := d.open(ctx)
	if err != nil {
		giveBack()
		return App{}, "", err
	}
	secret = newSecret("", 32)
	a.ClientID, a.CreatedAt = newSecret("", 32), now()
	a, err = s.AddApp(ctx, a, hashOf(secret), d.limits().Apps, a.CreatedAt.Add(-idleApp))
	if err != nil {
		giveBack()
		if errors.Is(err, ErrTooManyApps) {
			err = &RetryError{ErrTooManyApps, time.Hour}
		}
		return App{}, "", err
	}
	d.tell(s, counted{What: appFrom, From: ratelimit.Prefix(from)})
	return a, secret, nil
}

func validateApp(a *App) (err error) {
	if a.Service == "" {
		return &Invalid{"service", "is missing"}
	}
	if a.Name, err = cleanText("client_name", a.Name, 200, false); err != nil {
		return err
	}
	switch {
	case a.Name == "":
		return &Invalid{"client_name", "is missing"}
	case len(a.RedirectURIs) == 0:
		return &Invalid{"redirect_uris", "is missing"}
	case len(a.RedirectURIs) > maxRedirects:
		return &Invalid{"redirect_uris", "has more than 10 addresses"}
	case len(a.Website) > maxURL:
		return &Invalid{"website", "is too long"}
	case len(a.Scopes) > maxScopes:
		return &Invalid{"scopes", "is too long"}
	}
	if a.Website != "" {
		if u, err := url.Parse(a.Website); err != nil || u.Scheme != "http" && u.Scheme != "https" {
			return &Invalid{"website", "is not a web address"}
		}
	}
	for _, r := range a.RedirectURIs {
		if err := validateRedirect(r); err != nil {
			return err
		}
	}
	return nil
}

// validateRedirect allows any scheme (apps have their own) but those that a
// browser would run.
func validateRedirect(r string) error {
	if len(r) > maxURL || r != cut(r, maxURL) {
		return &Invalid{"redirect_uris", "has one that is too long or has control characters"}
	}
	u, err := url.Parse(r)
	if err != nil || u.Scheme == "" || u.Fragment != "" { // RFC 6749 section 3.1.2
		return &Invalid{"redirect_uris", "must be absolute addresses without a fragment"}
	}
	switch strings.ToLower(u.Scheme) {
	case "javascript", "data", "vbscript", "file", "blob":
		return &Invalid{"redirect_uris", "may not be " + u.Scheme + ": addresses"}
	}
	return nil
}

// App returns the app with this client id, or ErrApp where the service has none.
func (d *Directory) App(ctx context.Context, service, clientID string) (App, error) {
	s, err := d.open(ctx)
	if err != nil {
		return App{}, err
	}
	a, _, err := s.AppByClientID(ctx, service, clientID)
	return a, err
}

// AppByID returns the app that a session was made through, or ErrApp.
func (d *Directory) AppByID(ctx context.Context, id int64) (App, error) {
	s, err := d.open(ctx)
	if err != nil {
		return App{}, err
	}
	return s.AppByID(ctx, id)
}

// AppWithSecret is App for one that proves that it is the app: a wrong secret is
// ErrApp too.
func (d *Directory) AppWithSecret(ctx context.Context, service, clientID, secret string) (App, error) {
	s, err := d.open(ctx)
	if err != nil {
		return App{}, err
	}
	a, want, err := s.AppByClientID(ctx, service, clientID)
	if err != nil {
		return App{}, err
	}
	if got := hashOf(secret); subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return App{}, ErrApp
	}
	return a, nil
}

// CreateInvite makes a code that uses people can sign up with, until it is ttl
// old; 0: for ever.
func (d *Directory) CreateInvite(ctx context.Context, uses int, ttl time.Duration) (Invite, error) {
	if uses < 1 || uses > 100_000 {
		return Invite{}, &Invalid{"uses", "is not between 1 and 100000"}
	}
	if ttl < 0 {
		return Invite{}, &Invalid{"expiry", "lies in the past"}
	}
	s, err := d.open(ctx)
	if err != nil {
		return Invite{}, err
	}
	i := Invite{Code: newSecret("", 16), Uses: uses}
	if ttl > 0 {
		i.ExpiresAt = now().Add(ttl)
	}
	if err := s.AddInvite(ctx, hashOf(i.Code), i.Uses, i.ExpiresAt); err != nil {
		return Invite{}, err
	}
	return i, nil
}
