package chat

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// newEventItem makes the one frame of an event that all receivers are sent. An
// item of a position is pushed where the hub hands it out.
func newEventItem(cursor int64, data []byte) *item {
	const before, after = `{"ev":`, `}`
	n := len(before) + len(data) + len(after)
	frame := appendFrameHead(make([]byte, 0, maxFrameHead+n), opText, n)
	frame = append(append(append(frame, before...), data...), after...)
	end := len(frame) - len(after)
	return &item{kind: itemEvent, cursor: cursor, data: frame[end-len(data) : end : end], frame: frame}
}

// newPushItem is newEventItem for what nobody asked for.
func newPushItem(cursor int64, data []byte) *item {
	it := newEventItem(cursor, data)
	it.pushed = true
	return it
}

func (t *wsConn) keepalive() (time.Duration, bool) { return 0, true }

// writeBuffers are for batches; a session that is idle has none.
var writeBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// offer implements transport. All frames of a batch go out in one call.
func (t *wsConn) offer(batch []*item) (all bool, err error) {
	if len(batch) == 1 && batch[0].frame != nil {
		return t.offerBytes(batch[0].frame)
	}
	buf := writeBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	for _, it := range batch {
		writeItem(buf, it)
	}
	all, err = t.offerBytes(buf.Bytes())
	if buf.Cap() <= 2*batchBytes {
		writeBuffers.Put(buf)
	}
	return all, err
}

func (t *wsConn) offerBytes(b []byte) (all bool, err error) {
	n := 0
	switch {
	case t.raw == nil:
	case t.secure:
		if all, err = t.offerRecords(b); all || err != nil {
			return all, err
		}
	default:
		if n, err = writeNow(t.raw, b); err != nil && !errors.Is(err, syscall.EAGAIN) {
			return false, err
		}
	}
	if n < len(b) {
		t.left = bytes.Clone(b[n:])
	}
	return n == len(b), nil
}

// rest implements transport.
func (t *wsConn) rest() error {
	left := t.left
	t.left = nil
	if err := t.unlimited(time.Now().Add(drainTimeout)); err != nil {
		return err
	}
	if _, err := t.Write(left); err != nil {
		return err
	}
	return t.unlimited(time.Time{})
}

func writeItem(buf *bytes.Buffer, it *item) {
	line := it.data
	switch {
	case it.frame != nil:
		buf.Write(it.frame)
		return
	case it.kind == itemSynced:
		line = fmt.Appendf(nil, `{"synced":{"cursor":%d}}`, it.cursor)
	case it.kind == itemPing:
		line = []byte("{}")
	}
	var head [maxFrameHead]byte
	buf.Write(appendFrameHead(head[:0], opText, len(line)))
	buf.Write(line)
}
