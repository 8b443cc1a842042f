package entity

import (
	"encoding/json"
	"strconv"
	"time"
)

// OptionalID is an id, or null where it is 0.
type OptionalID int64

// MarshalJSON writes the id as a string, or null.
func (id OptionalID) MarshalJSON() ([]byte, error) {
	if id == 0 {
		return []byte("null"), nil
	}
	return ID(id).MarshalJSON()
}

// Mention is somebody whom a post names.
type Mention struct {
	ID       ID     `json:"id"`
	Username string `json:"username"`
	URL      string `json:"url"`
	Acct     string `json:"acct"`
}

// StatusTag is a tag as posts have it.
type StatusTag struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Tag is a hashtag and how it was used in the last days.
type Tag struct {
	ID        ID       `json:"id"`
	Name      string   `json:"name"`
	URL       string   `json:"url"`
	History   []TagDay `json:"history"` // today first
	Following *bool    `json:"following,omitempty"`
}

// TagDay is one day of a tag's history. Mastodon has texts here.
type TagDay struct {
	Day      string `json:"day"` // seconds since 1970 at midnight UTC
	Accounts string `json:"accounts"`
	Uses     string `json:"uses"`
}

// TagDayOf makes the texts.
func TagDayOf(day time.Time, uses, accounts int64) TagDay {
	return TagDay{strconv.FormatInt(day.Unix(), 10), strconv.FormatInt(accounts, 10), strconv.FormatInt(uses, 10)}
}

// Context is what is around a post.
type Context struct {
	Ancestors   []Status `json:"ancestors"`
	Descendants []Status `json:"descendants"`
}

// StatusSource is a post as it was written.
type StatusSource struct {
	ID          ID     `json:"id"`
	Text        string `json:"text"`
	SpoilerText string `json:"spoiler_text"`
}

// StatusEdit is what a post was from some time on.
type StatusEdit struct {
	Content     string  `json:"content"` // HTML
	SpoilerText string  `json:"spoiler_text"`
	Sensitive   bool    `json:"sensitive"`
	CreatedAt   Time    `json:"created_at"`
	Account     Account `json:"account"`
	Media       []Media `json:"media_attachments"`
	Emojis      None    `json:"emojis"`
}

// Conversation is one of direct posts.
type Conversation struct {
	ID         ID        `json:"id"`
	Unread     bool      `json:"unread"`
	Accounts   []Account `json:"accounts"`
	LastStatus *Status   `json:"last_status"`
}

// Notification tells somebody about something.
type Notification struct {
	ID        ID      `json:"id"`
	Type      string  `json:"type"`
	GroupKey  string  `json:"group_key"`
	CreatedAt Time    `json:"created_at"`
	Account   Account `json:"account"`
	Status    *Status `json:"status,omitempty"`
}

// Count is how much there is of something.
type Count struct {
	Count int64 `json:"count"`
}

// Search is what was found.
type Search struct {
	Accounts []Account `json:"accounts"`
	Statuses []Status  `json:"statuses"`
	Hashtags []Tag     `json:"hashtags"`
}

// SearchV1 is Search, with the names of tags only.
type SearchV1 struct {
	Accounts []Account `json:"accounts"`
	Statuses []Status  `json:"statuses"`
	Hashtags []string  `json:"hashtags"`
}

// StreamFrame is what a WebSocket of the streaming API sends.
type StreamFrame struct {
	Stream  []string `json:"stream"`
	Event   string   `json:"event"`
	Payload *string  `json:"payload,omitempty"` // JSON, or an id
}

// StreamError is the answer to a frame that asks for what is not to be had.
type StreamError struct {
	Error  string `json:"error"`
	Status int    `json:"status"`
}

// StreamCommand is a frame that a client sends.
type StreamCommand struct {
	Type   string `json:"type"` // subscribe, unsubscribe
	Stream string `json:"stream"`
	List   ListID `json:"list"`
	Tag    string `json:"tag"`
}

// ListID is an id that clients send as a text or as a number.
type ListID string

// UnmarshalJSON takes both.
func (l *ListID) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return json.Unmarshal(b, (*string)(l))
	}
	*l = ListID(n)
	return nil
}
