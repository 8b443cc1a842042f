// Package entity has the JSON entities of the Mastodon client API, as
// docs.joinmastodon.org documents them: every documented key is always there,
// with null, [] or "" where there is nothing. It has no behaviour beyond that.
package entity

import (
	"strconv"
	"time"
)

// ID is an id. It is a number below 2^63 and a string in JSON.
type ID int64

func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// MarshalJSON writes the id as a string.
func (id ID) MarshalJSON() ([]byte, error) {
	return append(strconv.AppendInt([]byte{'"'}, int64(id), 10), '"'), nil
}

// Time is a time in UTC with exactly three decimals. The zero Time is null.
type Time time.Time

// MarshalJSON writes the time as 2006-01-02T15:04:05.000Z.
func (t Time) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// Date is a day in UTC. The zero Date is null.
type Date time.Time

// MarshalJSON writes the day as 2006-01-02.
func (d Date) MarshalJSON() ([]byte, error) {
	if time.Time(d).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(d).UTC().AppendFormat(nil, `"2006-01-02"`), nil
}

// None is a list of something that is not offered: always [] in JSON.
type None struct{}

// MarshalJSON writes [].
func (None) MarshalJSON() ([]byte, error) { return []byte("[]"), nil }

// Null is an entity that is not offered: always null in JSON.
type Null struct{}

// MarshalJSON writes null.
func (Null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// Error is the form of every error below /api and /oauth.
type Error struct {
	Error       string              `json:"error"`
	Description string              `json:"error_description,omitempty"`
	Details     map[string][]Detail `json:"details,omitempty"` // by field, at sign-up
}

// Detail is what is wrong with one field.
type Detail struct {
	Error       string `json:"error"` // ERR_TAKEN, ERR_INVALID, ...
	Description string `json:"description"`
}

// Account is a person as others see them.
type Account struct {
	ID             ID      `json:"id"`
	Username       string  `json:"username"`
	Acct           string  `json:"acct"`
	URL            string  `json:"url"`
	URI            string  `json:"uri"`
	DisplayName    string  `json:"display_name"`
	Note           string  `json:"note"` // HTML
	Avatar         string  `json:"avatar"`
	AvatarStatic   string  `json:"avatar_static"`
	Header         string  `json:"header"`
	HeaderStatic   string  `json:"header_static"`
	Locked         bool    `json:"locked"`
	Fields         []Field `json:"fields"`
	Emojis         None    `json:"emojis"`
	Roles          None    `json:"roles"`
	Bot            bool    `json:"bot"`
	Group          bool    `json:"group"`
	Discoverable   bool    `json:"discoverable"`
	NoIndex        bool    `json:"noindex"`
	Indexable      bool    `json:"indexable"`
	HideCollection bool    `json:"hide_collections"`
	Moved          Null    `json:"moved"`
	Suspended      bool    `json:"suspended"`
	Limited        bool    `json:"limited"`
	CreatedAt      Time    `json:"created_at"`
	LastStatusAt   Date    `json:"last_status_at"`
	StatusesCount  int64   `json:"statuses_count"`
	FollowersCount int64   `json:"followers_count"`
	FollowingCount int64   `json:"following_count"`

	Source *Source `json:"source,omitempty"` // of oneself only
	Role   *Role   `json:"role,omitempty"`   // of oneself only
}

// Status is a post.
type Status struct {
	ID                 ID             `json:"id"`
	URI                string         `json:"uri"`
	URL                string         `json:"url"`
	CreatedAt          Time           `json:"created_at"`
	EditedAt           Time           `json:"edited_at"`
	Account            Account        `json:"account"`
	Content            string         `json:"content"` // HTML
	Text               *string        `json:"text,omitempty"`
	SpoilerText        string         `json:"spoiler_text"`
	Visibility         string         `json:"visibility"`
	Sensitive          bool           `json:"sensitive"`
	Language           *string        `json:"language"`
	Media              []Media        `json:"media_attachments"`
	Application        *Application   `json:"application"`
	Mentions           []Mention      `json:"mentions"`
	Tags               []StatusTag    `json:"tags"`
	Emojis             None           `json:"emojis"`
	Filtered           []FilterResult `json:"filtered"`
	ReblogsCount       int64          `json:"reblogs_count"`
	FavouritesCount    int64          `json:"favourites_count"`
	RepliesCount       int64          `json:"replies_count"`
	InReplyToID        OptionalID     `json:"in_reply_to_id"`
	InReplyToAccountID OptionalID     `json:"in_reply_to_account_id"`
	Reblog             Null           `json:"reblog"`
	Poll               Null           `json:"poll"`
	Card               Null           `json:"card"`
	Favourited         bool           `json:"favourited"`
	Reblogged          bool           `json:"reblogged"`
	Muted              bool           `json:"muted"`
	Bookmarked         bool           `json:"bookmarked"`
	Pinned             bool           `json:"pinned"`
}

// Media is a picture, attached to a post or about to be.
type Media struct {
	ID               ID        `json:"id"`
	Type             string    `json:"type"` // image
	URL              *string   `json:"url"`  // the original without its metadata
	PreviewURL       *string   `json:"preview_url"`
	RemoteURL        Null      `json:"remote_url"`
	PreviewRemoteURL Null      `json:"preview_remote_url"`
	TextURL          Null      `json:"text_url"`
	Meta             MediaMeta `json:"meta"`
	Description      *string   `json:"description"`
	Blurhash         *string   `json:"blurhash"`
	// Sizes are the ladder as far as it is made, smallest first, and Progress
	// says how far that is: not Mastodon's.
	Sizes    []MediaSize `json:"sizes"`
	Progress Progress    `json:"progress"`
}

// Progress says how many sizes of a picture are made, of how many.
type Progress struct {
	Made int `json:"made"`
	Of   int `json:"of"`
}

// MediaMeta has the sizes after orientation.
type MediaMeta struct {
	Original Dimensions `json:"original"`
	Small    Dimensions `json:"small"` // of preview_url
	Focus    Focus      `json:"focus"`
}

// Dimensions are in pixels.
type Dimensions struct {
	Width  int     `json:"width"`
	Height int     `json:"height"`
	Size   string  `json:"size"` // 640x480
	Aspect float64 `json:"aspect"`
}

// DimensionsOf fills in what follows from width and height.
func DimensionsOf(width, height int) Dimensions {
	return Dimensions{
		Width: width, Height: height,
		Size:   strconv.Itoa(width) + "x" + strconv.Itoa(height),
		Aspect: float64(width) / float64(max(height, 1)),
	}
}

// Focus is the point that a crop should keep, from -1 to 1.
type Focus struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// MediaSize is one step of the ladder.
type MediaSize struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	URL    string `json:"url"`
}

// Application is an OAuth app as posts name it.
type Application struct {
	Name    string `json:"name"`
	Website Null   `json:"website"`
}

// Empty is the answer where there is nothing to say.
type Empty struct{}
