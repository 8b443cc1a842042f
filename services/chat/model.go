package chat

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/chat/store"
)

// The objects of the wire. Fields that do not apply are left out.

type userJSON struct {
	Username  string `json:"username"`
	Name      string `json:"name"`
	About     string `json:"about"`
	Avatar    string `json:"avatar,omitempty"`
	AvatarURL string `json:"avatar_url,omitempty"`
	// One's own only.
	LastSeen string `json:"last_seen,omitempty"`
	Receipts *bool  `json:"receipts,omitempty"`
}

// userOf is a user as somebody else sees him.
func (c *Chat) userOf(u account.User, viewer int64) userJSON {
	avatar := u.AvatarAt(c.env.Label())
	return userJSON{Username: u.Username, Name: u.Name, About: u.About, Avatar: avatar, AvatarURL: c.blobURL(avatar, viewer)}
}

// selfOf is a user as he sees himself.
func (c *Chat) selfOf(u account.User) userJSON {
	self := c.userOf(u, u.ID)
	self.LastSeen, self.Receipts = string(u.LastSeen), &u.Receipts
	return self
}

type sessionJSON struct {
	ID        string `json:"id"`
	Device    string `json:"device,omitempty"`
	CreatedAt string `json:"created_at"`
	SeenAt    string `json:"seen_at"`
	Current   bool   `json:"current"`
}

type blobJSON struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Type   string `json:"type"`
	SHA256 string `json:"sha256"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	URL    string `json:"url"`
}

func (c *Chat) blobOf(b store.Blob, viewer int64) blobJSON {
	return blobJSON{b.ID, b.Name, b.Size, b.Type, b.Hash, b.Width, b.Height, c.blobURL(b.ID, viewer)}
}

type reactionJSON struct {
	Emoji string   `json:"emoji"`
	Count int      `json:"count"`
	Users []string `json:"users"`
	Mine  bool     `json:"mine"`
}

type messageJSON struct {
	Conv        string         `json:"conv"`
	Seq         int64          `json:"seq"`
	CID         string         `json:"cid"`
	From        string         `json:"from"`
	At          string         `json:"at"`
	Text        *string        `json:"text,omitempty"`
	ReplyTo     int64          `json:"reply_to,omitempty"`
	Attachments []blobJSON     `json:"attachments,omitempty"`
	EditedAt    string         `json:"edited_at,omitempty"`
	Deleted     bool           `json:"deleted,omitempty"`
	Reactions   []reactionJSON `json:"reactions,omitempty"`
}

func (c *Chat) messageOf(e *store.Event, viewer int64) messageJSON {
	m := messageJSON{Conv: convName(e.Conv), Seq: e.Seq, CID: e.CID, From: e.From.Username, At: formatTime(e.At)}
	if e.Deleted {
		m.Deleted = true
		return m
	}
	m.Text, m.ReplyTo, m.EditedAt = &e.Text, e.ReplyTo, timeOrNone(e.EditedAt)
	for _, b := range e.Attachments {
		m.Attachments = append(m.Attachments, c.blobOf(b, viewer))
	}
	for _, r := range e.Reactions {
		m.Reactions = append(m.Reactions, reactionJSON(r))
	}
	return m
}

func (c *Chat) messagesOf(events []store.Event, viewer int64) []messageJSON {
	msgs := make([]messageJSON, len(events))
	for i := range events {
		msgs[i] = c.messageOf(&events[i], viewer)
	}
	return msgs
}

// groupJSON is what all members see of a conversation.
type groupJSON struct {
	ID           string   `json:"id"`
	Kind         string   `json:"kind"`
	Title        string   `json:"title,omitempty"`
	Avatar       string   `json:"avatar,omitempty"`
	AvatarURL    string   `json:"avatar_url,omitempty"`
	Members      []string `json:"members"`
	MembersCount int      `json:"members_count"`
	LastSeq      int64    `json:"last_seq"`
	CreatedBy    string   `json:"created_by"`
	CreatedAt    string   `json:"created_at"`
}

func (c *Chat) groupOf(s *store.Summary, viewer int64) groupJSON {
	return groupJSON{
		ID: convName(s.ID), Kind: s.Kind, Title: s.Title, Avatar: s.Avatar, AvatarURL: c.blobURL(s.Avatar, viewer),
		Members: s.Members, MembersCount: s.MembersCount, LastSeq: s.LastSeq,
		CreatedBy: s.CreatedBy, CreatedAt: formatTime(s.CreatedAt),
	}
}

type conversationJSON struct {
	groupJSON
	Role         string       `json:"role"`
	Left         bool         `json:"left,omitempty"`
	FromSeq      int64        `json:"from_seq"`
	Read         int64        `json:"read"`
	Recv         int64        `json:"recv"`
	Unread       int64        `json:"unread"`
	MarkedUnread bool         `json:"marked_unread,omitempty"`
	Last         *messageJSON `json:"last,omitempty"`
	MutedUntil   string       `json:"muted_until,omitempty"`
	Archived     bool         `json:"archived"`
	Pinned       bool         `json:"pinned"`
}

func (c *Chat) conversationOf(s *store.Summary, viewer int64) conversationJSON {
	conv := conversationJSON{
		groupJSON: c.groupOf(s, viewer), Role: s.Role, Left: s.Role == "", FromSeq: s.FromSeq, Read: s.Read, Recv: s.Recv,
		Unread: s.Unread, MarkedUnread: s.MarkedUnread, Archived: s.Archived, Pinned: s.Pinned, MutedUntil: timeOrNone(s.MutedUntil),
	}
	if s.Last != nil {
		m := c.messageOf(s.Last, viewer)
		conv.Last = &m
	}
	return conv
}

type memberJSON struct {
	Username string `json:"username"`
	Role     string `json:"role"`
	Recv     int64  `json:"recv"`
	Read     int64  `json:"read"`
}

type ackJSON struct {
	Conv string `json:"conv"`
	Seq  int64  `json:"seq"`
	CID  string `json:"cid"`
	At   string `json:"at"`
	Dup  bool   `json:"dup"`
}

// didJSON acknowledges what is no message.
type didJSON struct {
	Conv string `json:"conv"`
	Seq  int64  `json:"seq"`
	At   string `json:"at,omitempty"` // not of what is only one's own affair
}

type historyJSON struct {
	Messages []messageJSON     `json:"messages"`
	Events   []json.RawMessage `json:"events,omitempty"` // memberships and changes, without cursor
	More     bool              `json:"more"`
}

type conversationsJSON struct {
	Conversations []conversationJSON `json:"conversations"`
	Next          string             `json:"next,omitempty"`
}

type connectJSON struct {
	User    string         `json:"user"`
	Session string         `json:"session"`
	Epoch   string         `json:"epoch"`
	Cursor  int64          `json:"cursor"`
	Resumed bool           `json:"resumed"`
	Reset   bool           `json:"reset,omitempty"`
	Ping    float64        `json:"ping"` // seconds
	Time    string         `json:"time"`
	Limits  map[string]int `json:"limits"`
}

type reconnect struct {
	MinMS int64 `json:"min_ms"`
	MaxMS int64 `json:"max_ms"`
}

// encode writes v on one line. It does not escape HTML: nobody pastes these
// bytes into a page, and < and & are common in chats.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// Plain structs of strings and numbers; a failure is a mistake in them.
		panic(fmt.Sprintf("chat: encode %T: %v", v, err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// encodeAnswer writes {"id":...,"name":v}; without an id only {"name":v}.
func encodeAnswer(id json.RawMessage, name string, v any) []byte {
	b := []byte{'{'}
	if id != nil {
		b = append(append(append(b, `"id":`...), id...), ',')
	}
	b = append(append(append(b, '"'), name...), `":`...)
	return append(append(b, encode(v)...), '}')
}

func encodeClose(code int, reason string, back *reconnect) []byte {
	return encode(map[string]any{"close": struct {
		Code      int        `json:"code"`
		Reason    string     `json:"reason"`
		Reconnect *reconnect `json:"reconnect,omitempty"`
	}{code, reason, back}})
}
