package photos

import (
	"html"
	"strconv"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
)

// rules is GET /api/v1/instance/rules.
func (p *Photos) rules(c *call) (any, error) { return c.cfg.ruleList(), nil }

const (
	week  = 7 * 24 * time.Hour
	weeks = 12 // of activity
)

// activity is GET /api/v1/instance/activity: the last twelve weeks, the newest
// first. Sign-ins and sign-ups are the daemon's and not counted by service.
func (p *Photos) activity(c *call) (any, error) {
	now := time.Now().UTC()
	begin := now.Truncate(24*time.Hour).AddDate(0, 0, -int(now.Weekday()+6)%7) // Monday
	out := make([]entity.Activity, weeks)
	for i := range out {
		n, err := p.store.Posted(c.r.Context(), begin, begin.Add(week))
		if err != nil {
			return nil, err
		}
		out[i] = entity.Activity{Week: strconv.FormatInt(begin.Unix(), 10), Statuses: strconv.FormatInt(n, 10), Logins: "0", Registrations: "0"}
		begin = begin.Add(-week)
	}
	return out, nil
}

// extendedDescription is GET /api/v1/instance/extended_description.
func (p *Photos) extendedDescription(c *call) (any, error) {
	return entity.Document{UpdatedAt: entity.Time(p.opened), Content: "<p>" + html.EscapeString(c.cfg.describe()) + "</p>"}, nil
}

// privacyPolicy is GET /api/v1/instance/privacy_policy: what is true of every
// portico.
func (p *Photos) privacyPolicy(*call) (any, error) {
	return entity.Document{UpdatedAt: entity.Time(p.opened), Content: "<p>This service keeps what you post, upload and set, until you delete it. " +
		"Places and other metadata are taken out of pictures. What you delete, or delete your account with, is removed from the disk. " +
		"Nothing is given to other servers.</p>"}, nil
}

// authorizationServer is GET /.well-known/oauth-authorization-server.
func (p *Photos) authorizationServer(c *call) (any, error) {
	grants := []string{"authorization_code", "client_credentials"}
	if c.cfg.PasswordGrant {
		grants = append(grants, "password")
	}
	return entity.AuthorizationServer{
		Issuer: c.base + "/", ServiceDocumentation: "https://docs.joinmastodon.org/", Authorization: c.base + authorizePath,
		Token: c.base + "/oauth/token", Revocation: c.base + "/oauth/revoke", AppRegistration: c.base + "/api/v1/apps",
		Scopes: allScopes(), ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, GrantTypes: grants,
		TokenAuthMethods: []string{"client_secret_basic", "client_secret_post", "none"}, ChallengeMethods: []string{"S256"},
	}, nil
}

// nodeInfoLinks is GET /.well-known/nodeinfo.
func (p *Photos) nodeInfoLinks(c *call) (any, error) {
	return entity.NodeInfoLinks{Links: []entity.NodeInfoLink{
		{Rel: "http://nodeinfo.diaspora.software/ns/schema/2.0", Href: c.base + "/nodeinfo/2.0"},
	}}, nil
}

// nodeInfo is GET /nodeinfo/2.0.
func (p *Photos) nodeInfo(c *call) (any, error) {
	have, err := p.census.counts(c.r.Context())
	if err != nil {
		return nil, err
	}
	n := entity.NodeInfo{Version: "2.0", OpenRegistrations: p.people.Registration() == account.Open}
	n.Software.Name, n.Software.Version = "portico", version()
	n.Metadata = entity.NodeMetadata{Name: c.cfg.Title, Description: c.cfg.describe()}
	n.Usage.LocalPosts, n.Usage.Users.Total = have.Statuses, have.Authors
	n.Usage.Users.ActiveMonth, n.Usage.Users.ActiveHalfyear = have.month, have.halfYear
	return n, nil
}
