package photos

import (
	"maps"
	"slices"
	"strings"
)

// A scopeText tells people what a scope lets an app do.
type scopeText struct{ Scope, Text string }

// scopeTexts are of the scopes that apps ask for; parts are named by the whole.
var scopeTexts = map[string]string{
	"read":    "read everything that you can see, your own data included",
	"write":   "post, comment, change your profile and delete in your name",
	"follow":  "change whom you follow, mute and block",
	"push":    "send you notifications",
	"profile": "read your profile",

	"read:accounts": "read profiles", "read:blocks": "see whom you block", "read:bookmarks": "see your bookmarks",
	"read:favourites": "see what you like", "read:filters": "see your filters", "read:follows": "see whom you follow",
	"read:lists": "see your lists", "read:me": "read your profile", "read:mutes": "see whom you mute",
	"read:notifications": "read your notifications", "read:search": "search in your name", "read:statuses": "read posts",
	"write:accounts": "change your profile", "write:blocks": "block people", "write:bookmarks": "bookmark posts",
	"write:conversations": "mute and delete conversations", "write:favourites": "like posts", "write:filters": "change your filters",
	"write:follows": "follow people", "write:lists": "change your lists", "write:media": "upload pictures", "write:mutes": "mute people",
	"write:notifications": "clear your notifications", "write:reports": "report people", "write:statuses": "post and delete in your name",
	"admin:read": "read what only operators see", "admin:write": "do what only operators may",
}

// explain lists what scopes mean. One that is not known by name is part of one
// that is.
func explain(scopes string) (out []scopeText) {
	for _, s := range strings.Fields(scopes) {
		text, ok := scopeTexts[s]
		for top := s; !ok && strings.Contains(top, ":"); {
			top = top[:strings.LastIndex(top, ":")]
			text, ok = scopeTexts[top]
		}
		out = append(out, scopeText{Scope: s, Text: text})
	}
	return out
}

// allScopes are those that apps may ask for, in order.
func allScopes() []string { return slices.Sorted(maps.Keys(scopeTexts)) }
