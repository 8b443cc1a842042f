package entity

// InstanceV1 is GET /api/v1/instance.
type InstanceV1 struct {
	URI              string        `json:"uri"` // the host
	Title            string        `json:"title"`
	ShortDescription string        `json:"short_description"`
	Description      string        `json:"description"`
	Email            string        `json:"email"`
	Version          string        `json:"version"`
	URLs             StreamingURLs `json:"urls"`
	Stats            InstanceStats `json:"stats"`
	Thumbnail        string        `json:"thumbnail"`
	Languages        []string      `json:"languages"`
	Registrations    bool          `json:"registrations"`
	ApprovalRequired bool          `json:"approval_required"`
	InvitesEnabled   bool          `json:"invites_enabled"`
	Configuration    Configuration `json:"configuration"`
	ContactAccount   Null          `json:"contact_account"`
	Rules            []Rule        `json:"rules"`
}

// StreamingURLs is where streaming is.
type StreamingURLs struct {
	StreamingAPI string `json:"streaming_api"`
}

// InstanceStats counts.
type InstanceStats struct {
	Users    int64 `json:"user_count"`
	Statuses int64 `json:"status_count"`
	Domains  int64 `json:"domain_count"`
}

// InstanceV2 is GET /api/v2/instance.
type InstanceV2 struct {
	Domain        string          `json:"domain"`
	Title         string          `json:"title"`
	Version       string          `json:"version"`
	SourceURL     string          `json:"source_url"`
	Description   string          `json:"description"`
	Usage         Usage           `json:"usage"`
	Thumbnail     Thumbnail       `json:"thumbnail"`
	Icon          None            `json:"icon"`
	Languages     []string        `json:"languages"`
	Configuration ConfigurationV2 `json:"configuration"`
	Registrations Registrations   `json:"registrations"`
	Contact       Contact         `json:"contact"`
	Rules         []Rule          `json:"rules"`
}

// Usage is how many people come by.
type Usage struct {
	Users struct {
		ActiveMonth int64 `json:"active_month"`
	} `json:"users"`
}

// Thumbnail is the picture that stands for the instance.
type Thumbnail struct {
	URL      string   `json:"url"`
	Blurhash *string  `json:"blurhash"`
	Versions struct{} `json:"versions"`
}

// Registrations are the rules of signing up.
type Registrations struct {
	Enabled          bool    `json:"enabled"`
	ApprovalRequired bool    `json:"approval_required"`
	Message          *string `json:"message"`
	URL              *string `json:"url"`
}

// Contact is whom to turn to.
type Contact struct {
	Email   string `json:"email"`
	Account Null   `json:"account"`
}

// Configuration has the limits that clients respect.
type Configuration struct {
	Accounts AccountLimits `json:"accounts"`
	Statuses StatusLimits  `json:"statuses"`
	Media    MediaLimits   `json:"media_attachments"`
	Polls    PollLimits    `json:"polls"`
}

// ConfigurationV2 is Configuration and what v2 adds.
type ConfigurationV2 struct {
	Configuration
	URLs struct {
		Streaming string `json:"streaming"`
	} `json:"urls"`
	Vapid struct {
		PublicKey string `json:"public_key"`
	} `json:"vapid"`
	Translation struct {
		Enabled bool `json:"enabled"`
	} `json:"translation"`
}

// AccountLimits bound what an account has.
type AccountLimits struct {
	MaxFeaturedTags   int `json:"max_featured_tags"`
	MaxPinnedStatuses int `json:"max_pinned_statuses"`
	MaxProfileFields  int `json:"max_profile_fields"`
	FieldNameLimit    int `json:"profile_field_name_limit"`
	FieldValueLimit   int `json:"profile_field_value_limit"`
}

// StatusLimits bound a post.
type StatusLimits struct {
	MaxCharacters         int `json:"max_characters"`
	MaxMedia              int `json:"max_media_attachments"`
	CharactersReservedURL int `json:"characters_reserved_per_url"`
}

// MediaLimits bound an upload; what is about video is 0.
type MediaLimits struct {
	MimeTypes        []string `json:"supported_mime_types"`
	DescriptionLimit int      `json:"description_limit"` // characters
	ImageSizeLimit   int64    `json:"image_size_limit"`  // bytes
	ImageMatrixLimit int64    `json:"image_matrix_limit"`
	VideoSizeLimit   int64    `json:"video_size_limit"`
	VideoFrameRate   int      `json:"video_frame_rate_limit"`
	VideoMatrixLimit int64    `json:"video_matrix_limit"`
}

// PollLimits are there because clients read them; polls are not offered.
type PollLimits struct {
	MaxOptions             int `json:"max_options"`
	MaxCharactersPerOption int `json:"max_characters_per_option"`
	MinExpiration          int `json:"min_expiration"`
	MaxExpiration          int `json:"max_expiration"`
}

// Rule is what people agree to.
type Rule struct {
	ID   ID     `json:"id"`
	Text string `json:"text"`
	Hint string `json:"hint"`
}

// Activity is what happened in a week.
type Activity struct {
	Week          string `json:"week"` // seconds since 1970 at its begin
	Statuses      string `json:"statuses"`
	Logins        string `json:"logins"`
	Registrations string `json:"registrations"`
}

// Document is a text about the instance.
type Document struct {
	UpdatedAt Time   `json:"updated_at"`
	Content   string `json:"content"` // HTML
}

// AuthorizationServer tells how to sign in (RFC 8414).
type AuthorizationServer struct {
	Issuer               string   `json:"issuer"`
	ServiceDocumentation string   `json:"service_documentation"`
	Authorization        string   `json:"authorization_endpoint"`
	Token                string   `json:"token_endpoint"`
	Revocation           string   `json:"revocation_endpoint"`
	AppRegistration      string   `json:"app_registration_endpoint"` // Mastodon's
	Scopes               []string `json:"scopes_supported"`
	ResponseTypes        []string `json:"response_types_supported"`
	ResponseModes        []string `json:"response_modes_supported"`
	GrantTypes           []string `json:"grant_types_supported"`
	TokenAuthMethods     []string `json:"token_endpoint_auth_methods_supported"`
	ChallengeMethods     []string `json:"code_challenge_methods_supported"`
}

// NodeInfoLinks is where NodeInfo is.
type NodeInfoLinks struct {
	Links []NodeInfoLink `json:"links"`
}

// NodeInfoLink is one version of it.
type NodeInfoLink struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// NodeInfo is what runs here, in the form of nodeinfo.diaspora.software 2.0.
type NodeInfo struct {
	Version  string `json:"version"`
	Software struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"software"`
	Protocols None `json:"protocols"` // with other servers
	Services  struct {
		Inbound  None `json:"inbound"`
		Outbound None `json:"outbound"`
	} `json:"services"`
	OpenRegistrations bool `json:"openRegistrations"`
	Usage             struct {
		Users struct {
			Total          int64 `json:"total"`
			ActiveMonth    int64 `json:"activeMonth"`
			ActiveHalfyear int64 `json:"activeHalfyear"`
		} `json:"users"`
		LocalPosts int64 `json:"localPosts"`
	} `json:"usage"`
	Metadata NodeMetadata `json:"metadata"`
}

// NodeMetadata is what NodeInfo leaves to the software.
type NodeMetadata struct {
	Name        string `json:"nodeName"`
	Description string `json:"nodeDescription"`
}
