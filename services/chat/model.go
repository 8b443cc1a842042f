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
	Username string `json:"username"`
	Name     string `json:"name"`
	About    string `json:"about"`
}

func userOf(u account.User) userJSON { return userJSON{u.Username, u.Name, u.About} }

type sessionJSON struct {
	ID        string `json:"id"`
	Device    string `json:"device,omitempty"`
	CreatedAt string `json:"created_at"`
	SeenAt    string `json:"seen_at"`
	Current   bool   `json:"current"`
}

type messageJSON struct {
	Conv    string `json:"conv"`
	Seq     int64  `json:"seq"`
	CID     string `json:"cid"`
	From    string `json:"from"`
	At      string `json:"at"`
	Text    string `json:"text"`
	ReplyTo int64  `json:"reply_to,omitempty"`
}

func messageOf(e *store.Event) messageJSON {
	return messageJSON{
		Conv: convName(e.Conv), Seq: e.Seq, CID: e.CID, From: e.From.Username, At: formatTime(e.At),
		Text: e.Text, ReplyTo: e.ReplyTo,
	}
}

type conversationJSON struct {
	ID           string       `json:"id"`
	Kind         string       `json:"kind"`
	Title        string       `json:"title,omitempty"`
	Members      []string     `json:"members"`
	MembersCount int          `json:"members_count"`
	Role         string       `json:"role"`
	FromSeq      int64        `json:"from_seq"`
	LastSeq      int64        `json:"last_seq"`
	Read         int64        `json:"read"`
	Recv         int64        `json:"recv"`
	Unread       int64        `json:"unread"`
	Last         *messageJSON `json:"last,omitempty"`
	MutedUntil   string       `json:"muted_until,omitempty"`
	Archived     bool         `json:"archived"`
	Pinned       bool         `json:"pinned"`
}

func conversationOf(s *store.Summary) conversationJSON {
	c := conversationJSON{
		ID: convName(s.ID), Kind: s.Kind, Title: s.Title, Members: s.Members, MembersCount: s.MembersCount,
		Role: s.Role, FromSeq: s.FromSeq, LastSeq: s.LastSeq, Read: s.Read, Recv: s.Recv, Unread: s.Unread,
		Archived: s.Archived, Pinned: s.Pinned,
	}
	if s.Last != nil {
		m := messageOf(s.Last)
		c.Last = &m
	}
	if s.MutedUntil != 0 {
		c.MutedUntil = formatTime(s.MutedUntil)
	}
	return c
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

type historyJSON struct {
	Messages []messageJSON `json:"messages"`
	More     bool          `json:"more"`
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

// encodeEvent writes the object that {"ev":...}, SSE and long polls carry.
func encodeEvent(e *store.Event) []byte {
	type head struct {
		Cursor int64  `json:"cursor"`
		Type   string `json:"type"`
	}
	switch e.Type {
	case store.Message:
		return encode(struct {
			head
			messageJSON
		}{head{e.Cursor, "message"}, messageOf(e)})
	case store.Mark:
		return encode(struct {
			head
			Conv string `json:"conv"`
			From string `json:"from"`
			Recv int64  `json:"recv"`
			Read int64  `json:"read"`
		}{head{e.Cursor, "mark"}, convName(e.Conv), e.From.Username, e.Recv, e.Read})
	default:
		return encode(struct {
			head
			Conv         string           `json:"conv"`
			Seq          int64            `json:"seq"`
			Conversation conversationJSON `json:"conversation"`
		}{head{e.Cursor, "conversation"}, convName(e.Conv), e.Summary.LastSeq, conversationOf(e.Summary)})
	}
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
