package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// What a client may put into one frame.
const (
	maxFrame = 128 << 10 // bytes
	maxLines = 64
	maxID    = 64 // bytes of a command's id
)

var errTooManyLines = errors.New("more than 64 lines in a frame")

// A command is one line from a client, decoded. At most one of the pointers is
// set; a pong has none and no id.
type command struct {
	id   json.RawMessage // integer or string as it was sent; nil: no answer is wanted
	pong bool

	Connect       *connectCommand `json:"connect"`
	Send          *sendCommand    `json:"send"`
	Mark          *markCommand    `json:"mark"`
	History       *historyCommand `json:"history"`
	Conversations *listCommand    `json:"conversations"`
	Create        *createCommand  `json:"create"`
	Edit          *editCommand    `json:"edit"`
	Delete        *deleteCommand  `json:"delete"`
	React         *reactCommand   `json:"react"`
	Typing        *typingCommand  `json:"typing"`
	Watch         *watchCommand   `json:"watch"`
}

type connectCommand struct {
	Token  string         `json:"token"`
	Device string         `json:"device"`
	Resume *resumeCommand `json:"resume"`
}

type resumeCommand struct {
	Epoch  string `json:"epoch"`
	Cursor int64  `json:"cursor"`
}

type sendCommand struct {
	Conv        string   `json:"conv"`
	CID         string   `json:"cid"`
	Text        string   `json:"text"`
	ReplyTo     int64    `json:"reply_to"`
	Attachments []string `json:"attachments"`
}

type markCommand struct {
	Conv string `json:"conv"`
	Recv int64  `json:"recv"`
	Read int64  `json:"read"`
}

type historyCommand struct {
	Conv   string `json:"conv"`
	Before *int64 `json:"before"`
	After  *int64 `json:"after"`
	Around *int64 `json:"around"`
	Limit  *int   `json:"limit"`
}

type listCommand struct {
	After string `json:"after"`
	Limit *int   `json:"limit"`
}

// createCommand is a direct conversation with somebody, or a group.
type createCommand struct {
	Kind    string   `json:"kind"`
	With    string   `json:"with"`
	CID     string   `json:"cid"`
	Title   string   `json:"title"`
	Avatar  string   `json:"avatar"`
	Members []string `json:"members"`
}

type editCommand struct {
	Conv string `json:"conv"`
	Seq  int64  `json:"seq"`
	Text string `json:"text"`
}

type deleteCommand struct {
	Conv string `json:"conv"`
	Seq  int64  `json:"seq"`
	For  string `json:"for"` // "me", or empty: everybody
}

type reactCommand struct {
	Conv  string `json:"conv"`
	Seq   int64  `json:"seq"`
	Emoji string `json:"emoji"`
	On    *bool  `json:"on"` // absent: true
}

type typingCommand struct {
	Conv string `json:"conv"`
	On   *bool  `json:"on"` // absent: true
}

type watchCommand struct {
	Users []string `json:"users"`
}

func isOn(on *bool) bool { return on == nil || *on }

// A lineError is a line that is no command. Malformed ones count towards 4501;
// unknown commands do not, because a newer client may well send one.
type lineError struct {
	id        json.RawMessage
	malformed bool
	msg       string
}

func (e *lineError) Error() string { return e.msg }

// splitFrame cuts a frame into its lines; empty ones are left out.
func splitFrame(frame []byte) ([][]byte, error) {
	frame = bytes.TrimRight(frame, "\r\n")
	if bytes.Count(frame, []byte{'\n'}) >= maxLines {
		return nil, errTooManyLines
	}
	var lines [][]byte
	for line := range bytes.SplitSeq(frame, []byte{'\n'}) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// decodeLine decodes one line. The error is nil or a *lineError.
func decodeLine(line []byte) (command, *lineError) {
	if len(line) == 2 && line[0] == '{' && line[1] == '}' { // nearly all that idle clients send
		return command{pong: true}, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil || fields == nil {
		return command{}, &lineError{malformed: true, msg: "a line must be one JSON object"}
	}
	if len(fields) == 0 {
		return command{pong: true}, nil
	}
	id, ok := commandID(fields["id"])
	if !ok {
		return command{}, &lineError{malformed: true, msg: "id must be an integer or a string of at most 64 bytes"}
	}
	delete(fields, "id")
	cmd := command{id: id}
	name, err := cmd.decode(fields)
	if err != nil {
		return command{}, &lineError{id: id, malformed: true, msg: "cannot read " + name + ": " + jsonProblem(err)}
	}
	switch {
	case name == "":
		return command{}, &lineError{id: id, msg: "unknown command"}
	case id == nil && needsID[name]:
		return command{}, &lineError{malformed: true, msg: name + " needs an id"}
	}
	return cmd, nil
}

// needsID lists the commands that nobody could make sense of without the answer.
var needsID = map[string]bool{
	"connect": true, "send": true, "history": true, "conversations": true, "create": true,
	"edit": true, "delete": true, "react": true,
}

// decode fills the one command that fields hold and returns its name, empty
// where there is none that is known. Fields beside it are ignored.
func (c *command) decode(fields map[string]json.RawMessage) (name string, err error) {
	for _, known := range []struct {
		name string
		into func(json.RawMessage) error
	}{
		{"connect", into(&c.Connect)},
		{"send", into(&c.Send)},
		{"mark", into(&c.Mark)},
		{"history", into(&c.History)},
		{"conversations", into(&c.Conversations)},
		{"create", into(&c.Create)},
		{"edit", into(&c.Edit)},
		{"delete", into(&c.Delete)},
		{"react", into(&c.React)},
		{"typing", into(&c.Typing)},
		{"watch", into(&c.Watch)},
	} {
		raw, ok := fields[known.name]
		if !ok {
			continue
		}
		if name != "" {
			return known.name, errors.New("a line holds one command")
		}
		name = known.name
		if err := known.into(raw); err != nil {
			return name, err
		}
	}
	return name, nil
}

func into[T any](p **T) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if err := json.Unmarshal(raw, p); err != nil {
			return err
		}
		if *p == nil {
			return errors.New("it is null")
		}
		return nil
	}
}

// commandID accepts an absent id, an integer, or a string.
func commandID(raw json.RawMessage) (json.RawMessage, bool) {
	if len(raw) == 0 {
		return nil, true
	}
	if len(raw) > maxID+2 {
		return nil, false
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil || len(s) > maxID {
			return nil, false
		}
		return raw, true
	}
	if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
		return nil, false
	}
	return raw, true
}

// jsonProblem says what is wrong without naming Go types.
func jsonProblem(err error) string {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		if typ.Field == "" {
			return "it must not be a JSON " + typ.Value
		}
		return typ.Field + " must not be a JSON " + typ.Value
	}
	var syn *json.SyntaxError
	if errors.As(err, &syn) {
		return "it is not valid JSON"
	}
	return err.Error()
}
