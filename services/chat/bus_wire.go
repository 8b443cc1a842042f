package chat

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/services/chat/store"
)

// wireVersion is that of messages to other nodes. Who gets another one knows only
// that something happened, and reads the store.
const wireVersion = 1

// wireBytes is roughly how much goes into one message of several notices.
const wireBytes = 128 << 10

// A wireMessage is notices that came together. Audiences stand in a list of their
// own, because many events have the same, of up to a thousand people.
type wireMessage struct {
	Version   int          `json:"v"`
	Notices   []wireNotice `json:"n,omitempty"`
	Audiences [][]byte     `json:"a,omitempty"` // as packed makes them
}

type wireNotice struct {
	Prev     int64           `json:"p,omitempty"`
	Cursor   int64           `json:"c,omitempty"`
	Bare     bool            `json:"b,omitempty"`
	Events   []wireEvent     `json:"e,omitempty"`
	Signal   json.RawMessage `json:"s,omitempty"`
	Audience int             `json:"a,omitempty"` // of Signal: number in the list
}

// A wireEvent is an event whose audience stands in the list.
type wireEvent struct {
	Fields   *wireFields `json:"f"`
	Audience int         `json:"a"`
}

// wireFields are those of store.Event, in short: most are not set in most events.
type wireFields struct {
	Cursor  int64           `json:"c"`
	Type    store.EventType `json:"t"`
	Conv    store.ConvID    `json:"o"`
	Seq     int64           `json:"s,omitzero"`
	From    store.Person    `json:"f,omitzero"`
	At      int64           `json:"at,omitzero"`
	Target  int64           `json:"g,omitzero"`
	Text    string          `json:"x,omitzero"`
	CID     string          `json:"i,omitzero"`
	ReplyTo int64           `json:"r,omitzero"`

	EditedAt    int64                 `json:"ed,omitzero"`
	Deleted     bool                  `json:"d,omitzero"`
	Attachments []store.Blob          `json:"b,omitzero"`
	Reactions   []store.ReactionCount `json:"rc,omitzero"`

	Emoji string `json:"m,omitzero"`
	On    bool   `json:"on,omitzero"`

	User   store.Person `json:"u,omitzero"`
	Action string       `json:"ac,omitzero"`
	Role   string       `json:"ro,omitzero"`

	Recv int64 `json:"rv,omitzero"`
	Read int64 `json:"rd,omitzero"`

	Summary *store.Summary `json:"su,omitzero"`

	Audience []int64 `json:"-"`
}

// encodeNotices makes messages of notices, in their order. One that would be too
// large says only that something happened, or is left out where nothing did.
func encodeNotices(ns []Notice) ([][]byte, error) {
	var messages [][]byte
	for len(ns) > 0 {
		n, size := 0, 0
		for n < len(ns) && (n == 0 || size < wireBytes) {
			size += ns[n].size()
			n++
		}
		b, err := encodeSome(ns[:n])
		if err == nil && len(b) > bus.MaxMessage {
			if n > 1 { // estimates are no more than that
				half, herr := encodeNotices(ns[:n/2])
				rest, rerr := encodeNotices(ns[n/2 : n])
				messages, b, err = append(append(messages, half...), rest...), nil, errors.Join(herr, rerr)
			} else {
				b, err = encodeSome([]Notice{{Prev: ns[0].Prev, Cursor: ns[0].Cursor, Bare: true}})
			}
		}
		if err != nil {
			return messages, err
		}
		if b != nil {
			messages = append(messages, b)
		}
		ns = ns[n:]
	}
	return messages, nil
}

func encodeSome(ns []Notice) ([]byte, error) {
	m := wireMessage{Version: wireVersion, Notices: make([]wireNotice, len(ns))}
	var last []int64
	audience := func(ids []int64) int {
		if len(m.Audiences) == 0 || !slices.Equal(ids, last) {
			m.Audiences, last = append(m.Audiences, packed(ids)), ids
		}
		return len(m.Audiences) - 1
	}
	for i := range ns {
		n := &ns[i]
		w := wireNotice{Prev: n.Prev, Cursor: n.Cursor, Bare: n.Bare, Signal: n.Signal}
		if n.Signal != nil {
			w.Audience = audience(n.Audience)
		}
		for j := range n.Events {
			w.Events = append(w.Events, wireEvent{(*wireFields)(&n.Events[j]), audience(n.Events[j].Audience)})
		}
		m.Notices[i] = w
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode notices: %w", err)
	}
	return b, nil
}

// decodeNotices reads what another node sent.
func decodeNotices(data []byte) ([]Notice, error) {
	var m wireMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode notices: %w", err)
	}
	if m.Version != wireVersion {
		return nil, fmt.Errorf("decode notices: version %d", m.Version)
	}
	audiences := make([][]int64, len(m.Audiences))
	for i, b := range m.Audiences {
		var ok bool
		if audiences[i], ok = unpacked(b); !ok {
			return nil, errors.New("decode notices: an audience is broken")
		}
	}
	audience := func(i int) ([]int64, error) {
		if i < 0 || i >= len(audiences) {
			return nil, errors.New("decode notices: an audience is missing")
		}
		return audiences[i], nil
	}
	ns := make([]Notice, len(m.Notices))
	for i, w := range m.Notices {
		n := Notice{Prev: w.Prev, Cursor: w.Cursor, Bare: w.Bare, Signal: w.Signal}
		var err error
		if n.Signal != nil {
			if n.Audience, err = audience(w.Audience); err != nil {
				return nil, err
			}
		}
		for _, e := range w.Events {
			if e.Fields == nil {
				return nil, errors.New("decode notices: an event is empty")
			}
			ev := store.Event(*e.Fields)
			if ev.Audience, err = audience(e.Audience); err != nil {
				return nil, err
			}
			n.Events = append(n.Events, ev)
		}
		ns[i] = n
	}
	return ns, nil
}

// packed are ids as differences, which are small where they ascend.
func packed(ids []int64) []byte {
	b, last := make([]byte, 0, 2*len(ids)), int64(0)
	for _, id := range ids {
		b = binary.AppendVarint(b, id-last)
		last = id
	}
	return b
}

func unpacked(b []byte) (ids []int64, ok bool) {
	last := int64(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return nil, false
		}
		last += d
		ids, b = append(ids, last), b[n:]
	}
	return ids, true
}
