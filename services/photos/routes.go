package photos

import (
	"net/http"
	"slices"
	"strings"
)

// Short names for the tables of calls.
const (
	get   = http.MethodGet
	post  = http.MethodPost
	put   = http.MethodPut
	patch = http.MethodPatch
	del   = http.MethodDelete
)

// newAPI has all calls: what is in none of the tables answers 404.
func (p *Photos) newAPI() http.Handler {
	return p.newMux(slices.Concat(p.baseRoutes(), p.socialRoutes(), p.postRoutes(), p.ownRoutes()))
}

// baseRoutes are the instance, signing in, and pictures.
func (p *Photos) baseRoutes() []route {
	return []route{
		{get, "/api/v1/instance", anyone, "", false, p.instanceV1},
		{get, "/api/v2/instance", anyone, "", false, p.instanceV2},

		{post, "/api/v1/apps", anyone, "", false, p.createApp},
		{post, "/oauth/token", anyone, "", false, p.token},
		{post, "/oauth/revoke", anyone, "", false, p.revoke},

		{post, "/api/v1/accounts", anyone, "", false, p.signUp},
		{get, "/api/v1/accounts/verify_credentials", user, "read:me", false, p.verifyCredentials},
		{get, "/api/v1/accounts/lookup", anyone, "read:accounts", false, p.lookup},
		{get, "/api/v1/accounts/{id}", anyone, "read:accounts", false, p.account},
		{get, "/api/v1/accounts/{id}/statuses", anyone, "read:statuses", false, p.accountStatuses},

		{post, "/api/v1/media", user, "write:media", true, p.createMediaV1},
		{post, "/api/v2/media", user, "write:media", true, p.createMedia},
		{get, "/api/v1/media/{id}", user, "write:media", false, p.getMedia},
		{put, "/api/v1/media/{id}", user, "write:media", false, p.editMedia},
		{del, "/api/v1/media/{id}", user, "write:media", false, p.deleteMedia},

		{post, "/api/v1/statuses", user, "write:statuses", false, p.createStatus},
		{get, "/api/v1/statuses/{id}", anyone, "read:statuses", false, p.getStatus},
		{del, "/api/v1/statuses/{id}", user, "write:statuses", false, p.deleteStatus},

		{get, "/api/v1/timelines/public", anyone, "read:statuses", false, p.publicTimeline},
		{get, "/api/v1/timelines/home", user, "read:statuses", false, p.homeTimeline},
	}
}

// localName is the username that somebody meant with acct: ann, @ann or
// ann@this-host.
func (c *call) localName(acct string) string {
	acct = strings.TrimPrefix(acct, "@")
	if name, host, found := strings.Cut(acct, "@"); found && strings.EqualFold(host, hostOf(c.base)) {
		return name
	}
	return acct
}

func hostOf(base string) string {
	_, host, _ := strings.Cut(base, "://")
	return host
}
