package chat

import "github.com/porticod/portico/services/chat/store"

// headJSON begins every event that is stored.
type headJSON struct {
	Cursor int64  `json:"cursor,omitempty"` // 0: in history
	Type   string `json:"type"`
}

// changeJSON is an edit, a deletion or a reaction.
type changeJSON struct {
	headJSON
	Conv     string  `json:"conv"`
	Seq      int64   `json:"seq"`
	Target   int64   `json:"target"`
	From     string  `json:"from"`
	At       string  `json:"at,omitempty"`
	Text     *string `json:"text,omitempty"`
	EditedAt string  `json:"edited_at,omitempty"`
	Deleted  bool    `json:"deleted,omitempty"` // an edit of what was deleted since
	Emoji    string  `json:"emoji,omitempty"`
	On       *bool   `json:"on,omitempty"`
	For      string  `json:"for,omitempty"` // "me": a deletion that is one's own affair
}

type membershipJSON struct {
	headJSON
	Conv   string `json:"conv"`
	Seq    int64  `json:"seq"`
	User   string `json:"user"`
	Action string `json:"action"`
	Role   string `json:"role,omitempty"`
	From   string `json:"from"`
	At     string `json:"at"`
}

type markJSON struct {
	headJSON
	Conv string `json:"conv"`
	From string `json:"from"`
	Recv int64  `json:"recv"`
	Read int64  `json:"read"`
}

type conversationEventJSON struct {
	headJSON
	Conv         string `json:"conv"`
	Seq          int64  `json:"seq"`
	From         string `json:"from,omitempty"`   // of a change, like
	At           string `json:"at,omitempty"`     // what
	Action       string `json:"action,omitempty"` // follows
	Title        string `json:"title,omitempty"`  // as it was given; conversation has the present one
	Conversation any    `json:"conversation,omitempty"`
}

type goneJSON struct {
	ID   string `json:"id"`
	Gone bool   `json:"gone"`
}

// isPersonal says that an event reads differently for each viewer, because
// addresses in it are signed for them.
func isPersonal(e *store.Event) bool {
	if s := e.Summary; s != nil {
		return s.Avatar != "" || s.Last != nil && len(s.Last.Attachments) > 0
	}
	return len(e.Attachments) > 0
}

// encodeEvent writes the object that {"ev":...}, SSE and long polls carry, for
// one viewer, or for all where it is not personal.
func (c *Chat) encodeEvent(e *store.Event, viewer int64) []byte {
	conv := convName(e.Conv)
	change := changeJSON{headJSON: headJSON{Cursor: e.Cursor}, Conv: conv, Seq: e.Seq, Target: e.Target, From: e.From.Username, At: timeOrNone(e.At)}
	switch e.Type {
	case store.Message:
		return encode(struct {
			headJSON
			messageJSON
		}{headJSON{e.Cursor, "message"}, c.messageOf(e, viewer)})
	case store.Edit:
		change.Type, change.Deleted = "edit", e.Deleted
		if !e.Deleted {
			change.Text, change.EditedAt = &e.Text, timeOrNone(e.EditedAt)
		}
		return encode(change)
	case store.Delete:
		change.Type = "delete"
		return encode(change)
	case store.Hidden:
		change.Type, change.For = "delete", "me"
		return encode(change)
	case store.Reaction:
		change.Type, change.Emoji, change.On = "reaction", e.Emoji, &e.On
		return encode(change)
	case store.Membership:
		return encode(membershipJSON{headJSON{e.Cursor, "member"}, conv, e.Seq, e.User.Username, e.Action, e.Role, e.From.Username, formatTime(e.At)})
	case store.Mark:
		return encode(markJSON{headJSON{e.Cursor, "mark"}, conv, e.From.Username, e.Recv, e.Read})
	}
	out := conversationEventJSON{headJSON: headJSON{e.Cursor, "conversation"}, Conv: conv, Seq: e.Seq}
	if e.Type == store.Change {
		out.From, out.At, out.Action, out.Title = e.From.Username, formatTime(e.At), e.Action, e.Text
	}
	switch {
	case e.Summary == nil && e.Type == store.Change: // in history
	case e.Type == store.Gone:
		out.Conversation = goneJSON{conv, true}
	case e.Summary.Shared:
		out.Conversation = c.groupOf(e.Summary, viewer)
	default:
		out.Conversation = c.conversationOf(e.Summary, viewer)
	}
	return encode(out)
}

// typingJSON and presenceJSON have no position: they are not stored.
type typingJSON struct {
	Type string `json:"type"`
	Conv string `json:"conv"`
	From string `json:"from"`
	On   bool   `json:"on"`
}

type presenceJSON struct {
	Type     string `json:"type,omitempty"`
	User     string `json:"user,omitempty"`
	Online   bool   `json:"online"`
	LastSeen string `json:"last_seen,omitempty"`
}
