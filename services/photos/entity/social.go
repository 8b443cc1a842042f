package entity

// Source is one's own account as one wrote it.
type Source struct {
	Note                string  `json:"note"` // plain text
	Fields              []Field `json:"fields"`
	Privacy             string  `json:"privacy"`
	Sensitive           bool    `json:"sensitive"`
	Language            string  `json:"language"`
	FollowRequestsCount int64   `json:"follow_requests_count"`
	HideCollections     bool    `json:"hide_collections"`
	Discoverable        bool    `json:"discoverable"`
	Indexable           bool    `json:"indexable"`
	AttributionDomains  None    `json:"attribution_domains"`
}

// Field is a line of a profile. Nothing verifies links.
type Field struct {
	Name       string `json:"name"`
	Value      string `json:"value"` // HTML, in a Source plain text
	VerifiedAt Null   `json:"verified_at"`
}

// Role is what somebody may do beyond using the service.
type Role struct {
	ID          ID     `json:"id"`
	Name        string `json:"name"`
	Color       string `json:"color"`
	Permissions string `json:"permissions"`
	Highlighted bool   `json:"highlighted"`
}

// MutedAccount is an account in the list of those that one has muted.
type MutedAccount struct {
	Account
	MuteExpiresAt Time `json:"mute_expires_at"`
}

// Relationship is what one is to another.
type Relationship struct {
	ID                  ID       `json:"id"` // of the other
	Following           bool     `json:"following"`
	ShowingReblogs      bool     `json:"showing_reblogs"`
	Notifying           bool     `json:"notifying"`
	Languages           []string `json:"languages"` // null: all
	FollowedBy          bool     `json:"followed_by"`
	Blocking            bool     `json:"blocking"`
	BlockedBy           bool     `json:"blocked_by"`
	Muting              bool     `json:"muting"`
	MutingNotifications bool     `json:"muting_notifications"`
	MutingExpiresAt     Time     `json:"muting_expires_at"`
	Requested           bool     `json:"requested"`
	RequestedBy         bool     `json:"requested_by"`
	DomainBlocking      bool     `json:"domain_blocking"`
	Endorsed            bool     `json:"endorsed"`
	Note                string   `json:"note"`
}

// FamiliarFollowers are those one follows who follow another.
type FamiliarFollowers struct {
	ID       ID        `json:"id"` // of the other
	Accounts []Account `json:"accounts"`
}

// Suggestion is somebody who may be interesting.
type Suggestion struct {
	Source  string   `json:"source"`
	Sources []string `json:"sources"`
	Account Account  `json:"account"`
}

// List is a selection of the people one follows.
type List struct {
	ID            ID     `json:"id"`
	Title         string `json:"title"`
	RepliesPolicy string `json:"replies_policy"`
	Exclusive     bool   `json:"exclusive"`
}

// FeaturedTag is a tag on a profile.
type FeaturedTag struct {
	ID            ID     `json:"id"`
	Name          string `json:"name"`
	URL           string `json:"url"`
	StatusesCount string `json:"statuses_count"`
	LastStatusAt  Date   `json:"last_status_at"`
}

// Filter is what one does not want to read.
type Filter struct {
	ID        ID              `json:"id"`
	Title     string          `json:"title"`
	Context   []string        `json:"context"`
	ExpiresAt Time            `json:"expires_at"`
	Action    string          `json:"filter_action"`
	Keywords  []FilterKeyword `json:"keywords"`
	Statuses  []FilterStatus  `json:"statuses"`
}

// FilterKeyword is a word of a filter.
type FilterKeyword struct {
	ID        ID     `json:"id"`
	Keyword   string `json:"keyword"`
	WholeWord bool   `json:"whole_word"`
}

// FilterStatus is a post of a filter.
type FilterStatus struct {
	ID       ID `json:"id"`
	StatusID ID `json:"status_id"`
}

// FilterResult is why a post is filtered.
type FilterResult struct {
	Filter         Filter   `json:"filter"`
	KeywordMatches []string `json:"keyword_matches"`
	StatusMatches  []ID     `json:"status_matches"`
}

// FilterV1 is a keyword of a filter, in the first version of filters.
type FilterV1 struct {
	ID           ID       `json:"id"` // of the keyword
	Phrase       string   `json:"phrase"`
	Context      []string `json:"context"`
	WholeWord    bool     `json:"whole_word"`
	ExpiresAt    Time     `json:"expires_at"`
	Irreversible bool     `json:"irreversible"`
}

// Marker is up to where one has read.
type Marker struct {
	LastReadID ID    `json:"last_read_id"`
	Version    int64 `json:"version"`
	UpdatedAt  Time  `json:"updated_at"`
}

// Preferences are what one set for all apps.
type Preferences struct {
	Visibility     string  `json:"posting:default:visibility"`
	Sensitive      bool    `json:"posting:default:sensitive"`
	Language       *string `json:"posting:default:language"`
	ExpandMedia    string  `json:"reading:expand:media"`
	ExpandSpoilers bool    `json:"reading:expand:spoilers"`
	AutoplayGIFs   bool    `json:"reading:autoplay:gifs"`
}

// AppInfo is an OAuth app, for those with a token of it.
type AppInfo struct {
	ID           ID       `json:"id"`
	Name         string   `json:"name"`
	Website      *string  `json:"website"`
	Scopes       []string `json:"scopes"`
	RedirectURIs []string `json:"redirect_uris"`
	RedirectURI  string   `json:"redirect_uri"` // all of them, a line each
	VapidKey     string   `json:"vapid_key"`
}

// CredentialApplication is an OAuth app as it was registered.
type CredentialApplication struct {
	AppInfo
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	SecretExpiry int    `json:"client_secret_expires_at"` // 0: never
}

// Token is an OAuth token.
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope"`
	CreatedAt   int64  `json:"created_at"` // seconds since 1970
}
