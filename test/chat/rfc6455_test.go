package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
)

// A target is a service with WebSockets.
type target struct {
	name, addr, path string
	limit            int // bytes of a message
	// say makes a message that carries s, and heard finds what was carried in the
	// answer to it.
	say   func(s string) string
	heard func(answer string) string
}

// sized is a message of n bytes that carries some of them.
func (x *target) sized(n int) string {
	if x.name == "echo" {
		return strings.Repeat("x", n)
	}
	m := x.say("sized")
	return m + strings.Repeat(" ", n-len(m))
}

// sizedBack is what comes back for it.
func (x *target) sizedBack(n int) string {
	if x.name == "echo" {
		return strings.Repeat("x", n)
	}
	return "sized"
}

// The chat is asked for something that needs a token: the refusal repeats the id
// of the command, whatever its letters.
func targets(t *testing.T) []*target {
	d := testkit.StartBinary(t, program(t), config)
	same := func(s string) string { return s }
	return []*target{
		{"echo", d.Addr("echo"), "/", 1 << 20, same, same},
		{"chat", d.Addr("chat"), "/v1/ws", 128 << 10,
			func(s string) string { return fmt.Sprintf(`{"id":%q,"history":{}}`, s) },
			func(answer string) string {
				var l struct{ ID string }
				_ = json.Unmarshal([]byte(answer), &l)
				return l.ID
			}},
	}
}

// A step is a case of the table: frames, and what comes back for them.
type step struct {
	name string
	send []frame
	// want lists "text:…", "binary:…", "pong:…" and, as the last one, "close:CODE";
	// without a close the connection must still be good, and is closed.
	want []string
	chop int // bytes written at a time; 0: all at once
}

func TestRFC6455(t *testing.T) {
	for _, x := range targets(t) {
		t.Run(x.name, func(t *testing.T) {
			t.Run("handshake", func(t *testing.T) { handshakes(t, x) })
			for _, table := range []struct {
				name  string
				steps []step
			}{
				{"framing", framing(x)}, {"reserved", reserved(x)}, {"fragments", fragments(x)}, {"control", control(x)},
				{"utf8", utf8Steps(x)}, {"close", closeSteps(x)}, {"limits", limits(x)},
			} {
				t.Run(table.name, func(t *testing.T) {
					for _, s := range table.steps {
						if err := x.try(s); err != nil {
							t.Errorf("%s: %v", s.name, err)
						}
					}
				})
			}
		})
	}
}

// try runs one case over a connection of its own.
func (x *target) try(s step) error {
	w, _, err := open(x.addr, x.path, nil)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	c := &talk{x: x, w: w, want: s.want}
	for _, f := range s.send {
		if err := c.send(f, s.chop); err != nil {
			return err
		}
	}
	if err := c.expect(len(c.want)); err != nil {
		return err
	}
	if ended := len(s.want) > 0 && strings.HasPrefix(s.want[len(s.want)-1], "close:"); !ended {
		c.want = []string{"close:1000"}
		if err := c.send(closing(1000, ""), 0); err != nil {
			return err
		}
		if err := c.expect(1); err != nil {
			return err
		}
	}
	if f, err := w.read(patience); err == nil {
		return fmt.Errorf("after the close came another frame: %+v", f)
	} else if isTimeout(err) {
		return errors.New("the connection stays open after the close")
	}
	return nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// A talk is one case under way.
type talk struct {
	x     *target
	w     *wire
	want  []string
	lines []string // that came and were not looked at
}

// send writes a frame. The chat answers commands while it reads on, so that it may
// notice what is wrong with the next frame before it has answered: there a
// message's answer is waited for.
func (c *talk) send(f frame, chop int) error {
	b := f.append(nil)
	if chop == 0 {
		chop = len(b)
	}
	for part := range slices.Chunk(b, chop) {
		if _, err := c.w.conn.Write(part); err != nil {
			return nil // what the server refuses it need not read; it says why
		}
	}
	if c.x.name != "chat" || !f.fin || f.op > opText {
		return nil
	}
	return c.expect(1 + slices.IndexFunc(c.want, func(w string) bool { return strings.HasPrefix(w, "text:") }))
}

// expect reads the next n of what is wanted.
func (c *talk) expect(n int) error {
	for range n {
		want := c.want[0]
		c.want = c.want[1:]
		got, err := c.next()
		if err != nil {
			return fmt.Errorf("%w instead of %.60q", err, want)
		}
		if got != want {
			return fmt.Errorf("%.60q (%d bytes) instead of %.60q (%d bytes)", got, len(got), want, len(want))
		}
	}
	return nil
}

// next reads a frame and names it as the tables do. A server may fragment, but
// these do not.
func (c *talk) next() (string, error) {
	for len(c.lines) == 0 {
		f, err := c.w.read(patience)
		if err != nil {
			return "", err
		}
		switch f.op {
		case opText:
			c.lines = c.x.lines(string(f.payload))
		case opBinary:
			return "binary:" + string(f.payload), nil
		case opPing:
			return "ping:" + string(f.payload), nil
		case opPong:
			return "pong:" + string(f.payload), nil
		case opClose:
			return fmt.Sprintf("close:%d", int(closedWith(f))), nil
		default:
			return "", fmt.Errorf("opcode %d", f.op)
		}
	}
	said := c.lines[0]
	c.lines = c.lines[1:]
	return "text:" + c.x.heard(said), nil
}

// lines are the answers in a message: the chat puts several into one, and says
// why it closes.
func (x *target) lines(message string) []string {
	if x.name == "echo" {
		return []string{message}
	}
	return slices.DeleteFunc(strings.Split(message, "\n"), func(l string) bool { return strings.HasPrefix(l, `{"close":`) })
}

// RFC 6455, section 4.2.
func handshakes(t *testing.T, x *target) {
	for _, c := range []struct {
		name   string
		header http.Header
		want   int // 101, or 400 for any refusal
	}{
		{"plain", nil, 101},
		{"names in another case", http.Header{"Connection": {"keep-alive, UPGRADE"}, "Upgrade": {"WebSocket"}}, 101},
		{"an extension nobody knows", http.Header{"Sec-Websocket-Extensions": {"x-unheard-of; a=1"}}, 101},
		{"compression", http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"}}, 101},
		{"POST", http.Header{":method": {"POST"}, "Content-Length": {"0"}}, 400},
		{"HTTP/1.0", http.Header{":proto": {"HTTP/1.0"}}, 400},
		{"version 8", http.Header{"Sec-Websocket-Version": {"8"}}, 400},
		{"version 14", http.Header{"Sec-Websocket-Version": {"14"}}, 400},
		{"no version", http.Header{"Sec-Websocket-Version": nil}, 400},
		{"no key", http.Header{"Sec-Websocket-Key": nil}, 400},
		{"empty key", http.Header{"Sec-Websocket-Key": {""}}, 400},
		{"no Connection", http.Header{"Connection": nil}, 400},
		{"another Connection", http.Header{"Connection": {"keep-alive"}}, 400},
		{"another Upgrade", http.Header{"Upgrade": {"h2c"}}, 400},
		{"no Host", http.Header{"Host": nil}, 400},
	} {
		w, res, err := open(x.addr, x.path, c.header)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		// What is no upgrade at all may be answered as any request: the echo does.
		refused := res.StatusCode != 101 && (res.StatusCode >= 400 || x.name == "echo")
		if c.want == 101 && res.StatusCode != 101 || c.want != 101 && !refused {
			t.Errorf("%s: %s", c.name, res.Status)
		}
		if e := res.Header.Get("Sec-Websocket-Extensions"); e != "" {
			t.Errorf("%s: extensions %q", c.name, e)
		}
		if w != nil {
			_ = w.conn.Close()
		}
	}
	for offered, want := range map[string]string{"chat.v1.json": "chat.v1.json", "other, chat.v1.json": "chat.v1.json", "other": ""} {
		w, res, err := open(x.addr, x.path, http.Header{"Sec-Websocket-Protocol": {offered}})
		if err != nil {
			t.Errorf("subprotocol %s: %v", offered, err)
			continue
		}
		if w != nil {
			_ = w.conn.Close()
		}
		if x.name == "echo" {
			want = ""
		}
		if got := res.Header.Get("Sec-Websocket-Protocol"); got != want || x.name == "chat" && (want == "") != (res.StatusCode == 400) {
			t.Errorf("subprotocol %s: %s, %q", offered, res.Status, got)
		}
	}
}

// Section 5.2: lengths and masks.
func framing(x *target) []step {
	var steps []step
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 1000, 65535, 65536, 65537} {
		if x.name == "chat" && n < 100 {
			continue
		}
		steps = append(steps, step{name: fmt.Sprintf("text of %d bytes", n), send: []frame{text(x.sized(n))}, want: []string{"text:" + x.sizedBack(n)}})
	}
	hello := x.say("hello")
	steps = append(steps,
		step{name: "two frames in a packet", send: []frame{text(hello), text(x.say("world"))}, want: []string{"text:hello", "text:world"}},
		step{name: "a byte at a time", send: []frame{text(hello), ping("p"), text(x.say("ü"))}, want: []string{"text:hello", "pong:p", "text:ü"}, chop: 1},
		step{name: "a long one in pieces", send: []frame{text(x.sized(70_000))}, want: []string{"text:" + x.sizedBack(70_000)}, chop: 997},
		step{name: "text without a mask", send: []frame{{fin: true, op: opText, bare: true, payload: []byte(hello)}}, want: []string{"close:1002"}},
		step{name: "ping without a mask", send: []frame{{fin: true, op: opPing, bare: true}}, want: []string{"close:1002"}},
		step{name: "close without a mask", send: []frame{{fin: true, op: opClose, bare: true}}, want: []string{"close:1002"}},
		step{name: "a length with its highest bit", send: []frame{{fin: true, op: opText, length: 1 << 63}}, want: []string{"close:1002"}},
		step{name: "the greatest length", send: []frame{{fin: true, op: opText, length: 1<<64 - 1}}, want: []string{"close:1002"}},
		step{name: "a fragment with a length that has its highest bit", send: []frame{begin(hello), {fin: true, op: opContinuation, length: 1<<64 - 4}}, want: []string{"close:1002"}},
	)
	if x.name == "echo" {
		for _, n := range []int{0, 125, 126, 65536} {
			steps = append(steps, step{name: fmt.Sprintf("binary of %d bytes", n), send: []frame{binaryOf(n)}, want: []string{"binary:" + string(make([]byte, n))}})
		}
	} else {
		steps = append(steps, step{name: "binary", send: []frame{binaryOf(3)}, want: []string{"close:1003"}})
	}
	return steps
}

// Section 5.2: reserved bits and opcodes.
func reserved(x *target) []step {
	var steps []step
	for rsv := byte(1); rsv < 8; rsv++ {
		steps = append(steps,
			step{name: fmt.Sprintf("text with reserved bits %03b", rsv), send: []frame{text(x.say("first")), {fin: true, op: opText, rsv: rsv, payload: []byte(x.say("bits"))}}, want: []string{"text:first", "close:1002"}},
			step{name: fmt.Sprintf("ping with reserved bits %03b", rsv), send: []frame{{fin: true, op: opPing, rsv: rsv}}, want: []string{"close:1002"}})
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		steps = append(steps,
			step{name: fmt.Sprintf("opcode %d", op), send: []frame{{fin: true, op: op}}, want: []string{"close:1002"}},
			step{name: fmt.Sprintf("opcode %d with a payload, after a message", op), send: []frame{text(x.say("first")), {fin: true, op: op, payload: []byte("x")}}, want: []string{"text:first", "close:1002"}},
			step{name: fmt.Sprintf("opcode %d, not final", op), send: []frame{{op: op, payload: []byte("x")}}, want: []string{"close:1002"}})
	}
	return steps
}

// Section 5.4.
func fragments(x *target) []step {
	m := x.say("a message in fragments")
	want := []string{"text:a message in fragments"}
	single := []frame{begin("")}
	for i := range len(m) {
		single = append(single, middle(m[i:i+1]))
	}
	single = append(single, last(""))
	return []step{
		{name: "two", send: []frame{begin(m[:9]), last(m[9:])}, want: want},
		{name: "three", send: []frame{begin(m[:3]), middle(m[3:9]), last(m[9:])}, want: want},
		{name: "empty first and last", send: []frame{begin(""), middle(m), last("")}, want: want},
		{name: "a byte each", send: single, want: want},
		{name: "a byte each, and each byte alone", send: single, want: want, chop: 1},
		{name: "ping between", send: []frame{begin(m[:9]), ping("still here"), last(m[9:])}, want: []string{"pong:still here", want[0]}},
		{name: "pong between", send: []frame{begin(m[:9]), {fin: true, op: opPong}, last(m[9:])}, want: want},
		{name: "pings between, a byte at a time", send: []frame{begin(m[:9]), ping("1"), middle(m[9:12]), ping("2"), last(m[12:])}, want: []string{"pong:1", "pong:2", want[0]}, chop: 1},
		{name: "two messages", send: []frame{begin(m[:9]), last(m[9:]), begin(m[:4]), last(m[4:])}, want: []string{want[0], want[0]}},
		{name: "close between", send: []frame{begin(m[:9]), closing(1000, "enough")}, want: []string{"close:1000"}},
		{name: "a continuation of nothing", send: []frame{last(m)}, want: []string{"close:1002"}},
		{name: "an unfinished continuation of nothing", send: []frame{middle(m)}, want: []string{"close:1002"}},
		{name: "a continuation after a whole message", send: []frame{text(m), last(m)}, want: []string{want[0], "close:1002"}},
		{name: "text amid a message", send: []frame{begin(m[:9]), text(m)}, want: []string{"close:1002"}},
		{name: "a second beginning", send: []frame{begin(m[:9]), begin(m[:9])}, want: []string{"close:1002"}},
		{name: "binary amid a message", send: []frame{begin(m[:9]), binaryOf(1)}, want: []string{"close:1002"}},
	}
}

// Section 5.5.
func control(x *target) []step {
	full := strings.Repeat("p", 125)
	steps := []step{
		{name: "empty ping", send: []frame{ping("")}, want: []string{"pong:"}},
		{name: "ping", send: []frame{ping("hello")}, want: []string{"pong:hello"}},
		{name: "ping of bytes", send: []frame{ping("\x00\xff\xfe\xfd")}, want: []string{"pong:\x00\xff\xfe\xfd"}},
		{name: "the longest ping", send: []frame{ping(full)}, want: []string{"pong:" + full}},
		{name: "the longest ping a byte at a time", send: []frame{ping(full)}, want: []string{"pong:" + full}, chop: 1},
		{name: "too long a ping", send: []frame{ping(full + "p")}, want: []string{"close:1002"}},
		{name: "too long a pong", send: []frame{{fin: true, op: opPong, payload: []byte(full + "p")}}, want: []string{"close:1002"}},
		{name: "too long a close", send: []frame{closing(1000, full)}, want: []string{"close:1002"}},
		{name: "a ping in fragments", send: []frame{{op: opPing, payload: []byte("a")}, last("b")}, want: []string{"close:1002"}},
		{name: "a close in fragments", send: []frame{{op: opClose}, last("")}, want: []string{"close:1002"}},
		{name: "a pong nobody asked for", send: []frame{{fin: true, op: opPong, payload: []byte("x")}, ping("after")}, want: []string{"pong:after"}},
	}
	ten := step{name: "ten pings"}
	for i := range 10 {
		ten.send = append(ten.send, ping(fmt.Sprint(i)))
		ten.want = append(ten.want, fmt.Sprintf("pong:%d", i))
	}
	return append(steps, ten)
}

// Section 8.1. Messages are judged when they are whole: that is gws's way, and
// allowed; see TestInvalidUTF8IsNoticedAtTheEnd.
func utf8Steps(x *target) []step {
	var steps []step
	for _, s := range []string{"κόσμε", "ÿ", "߿", "ࠀ", "\uffff", "\ufffe", "\U00010000", "\U0010ffff", "👍🏽", "\ufeffbom"} {
		steps = append(steps, step{name: fmt.Sprintf("%+q", s), send: []frame{text(rawSay(x, s))}, want: []string{"text:" + s}})
		m := rawSay(x, s)
		var parts []frame
		for i := range len(m) {
			parts = append(parts, middle(m[i:i+1]))
		}
		parts[0].op, parts[len(parts)-1].fin = opText, true
		steps = append(steps, step{name: fmt.Sprintf("%+q, split", s), send: parts, want: []string{"text:" + s}})
	}
	for name, s := range map[string]string{
		"no beginning": "\x80", "never used": "\xff", "five bytes": "\xf8\x88\x80\x80\x80", "overlong": "\xc0\xaf", "overlong zero": "\xe0\x80\x80",
		"half a surrogate": "\xed\xa0\x80", "a pair of surrogates": "\xed\xa0\x80\xed\xb0\x80", "above U+10FFFF": "\xf4\x90\x80\x80", "broken": "κ\xe1\xbd", "in the middle": "a\xceb",
	} {
		m := rawSay(x, s)
		steps = append(steps,
			step{name: name, send: []frame{text(m)}, want: []string{"close:1007"}},
			step{name: name + ", in fragments", send: []frame{begin(m[:len(m)/2]), middle(""), last(m[len(m)/2:])}, want: []string{"close:1007"}},
			step{name: name + ", in a close", send: []frame{closing(1000, s)}, want: []string{"close:1007"}})
	}
	return append(steps, step{name: "cut off at the end of the message", send: []frame{begin(rawSay(x, "x")), last("\xe2\x82")}, want: []string{"close:1007"}})
}

// rawSay is say for text that fmt would escape.
func rawSay(x *target, s string) string {
	before, after, _ := strings.Cut(x.say("@"), "@")
	return before + s + after
}

// Section 7.4.
func closeSteps(x *target) []step {
	steps := []step{
		{name: "without a code", send: []frame{{fin: true, op: opClose}}, want: []string{"close:1005"}},
		{name: "half a code", send: []frame{{fin: true, op: opClose, payload: []byte{3}}}, want: []string{"close:1002"}},
		{name: "the longest reason", send: []frame{closing(1000, strings.Repeat("r", 123))}, want: []string{"close:1000"}},
		{name: "twice", send: []frame{closing(1000, ""), closing(1000, "")}, want: []string{"close:1000"}},
		{name: "a message after it", send: []frame{closing(1000, ""), text(x.say("late"))}, want: []string{"close:1000"}},
		{name: "a ping after it", send: []frame{closing(1000, ""), ping("late")}, want: []string{"close:1000"}},
		{name: "after a message", send: []frame{text(x.say("bye")), closing(1000, "")}, want: []string{"text:bye", "close:1000"}},
	}
	// gws answers what is registered with 1000 and what is private with itself.
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013} {
		steps = append(steps, step{name: fmt.Sprint(code), send: []frame{closing(code, "reason")}, want: []string{"close:1000"}})
	}
	for _, code := range []int{3000, 3999, 4000, 4999} {
		steps = append(steps, step{name: fmt.Sprint(code), send: []frame{closing(code, "reason")}, want: []string{fmt.Sprintf("close:%d", code)}})
	}
	// 1014 is in IANA's registry; gws does not know it. Nobody sends it to a server.
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		steps = append(steps, step{name: fmt.Sprint(code), send: []frame{closing(code, "")}, want: []string{"close:1002"}})
	}
	return steps
}

// Section 10.4.
func limits(x *target) []step {
	steps := []step{
		{name: "the largest message", send: []frame{text(x.sized(x.limit))}, want: []string{"text:" + x.sizedBack(x.limit)}},
		{name: "a byte more", send: []frame{text(x.sized(x.limit + 1))}, want: []string{"close:1009"}},
		{name: "announced only", send: []frame{{fin: true, op: opText, length: 1 << 40}}, want: []string{"close:1009"}},
		{name: "the largest in fragments", send: []frame{begin(x.sized(x.limit - 1)), last(" ")}, want: []string{"text:" + x.sizedBack(x.limit-1)}},
		{name: "a byte more in fragments", send: []frame{begin(x.sized(x.limit)), last(" ")}, want: []string{"close:1009"}},
		{name: "too much, and no end", send: []frame{begin(x.sized(x.limit)), middle("  ")}, want: []string{"close:1009"}},
	}
	if x.name == "echo" {
		steps[3].want[0] += " "
	}
	return steps
}

// TestInvalidUTF8IsNoticedAtTheEnd is where gws is not as strict as it could be: a
// message of which a fragment cannot be UTF-8 is refused when its last one came,
// not at once. RFC 6455, section 8.1, leaves that open. Should this fail, gws
// has become stricter: delete it, and the line in docs/chat.md.
func TestInvalidUTF8IsNoticedAtTheEnd(t *testing.T) {
	for _, x := range targets(t) {
		w, _, err := open(x.addr, x.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.conn.Close()
		c := &talk{x: x, w: w, want: []string{"pong:read", "close:1007"}}
		// The pong tells that the fragment before was read.
		for _, f := range []frame{begin("\xff"), ping("read"), last("")} {
			_ = c.send(f, 0)
		}
		if err := c.expect(2); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// TestPrematureEnds: who breaks off amid a frame is noticed, and let go.
func TestPrematureEnds(t *testing.T) {
	for _, x := range targets(t) {
		for cut, b := range map[string][]byte{
			"in a head": {0x81}, "in a length": {0x81, 0xfe, 0}, "in a mask": {0x81, 0x85, 1, 2}, "in a payload": {0x81, 0x85, 1, 2, 3, 4, 5},
			"after a fragment": begin("x").append(nil),
		} {
			w, _, err := open(x.addr, x.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.conn.Write(b); err != nil {
				t.Fatal(err)
			}
			_ = w.conn.(interface{ CloseWrite() error }).CloseWrite()
			for {
				f, err := w.read(5 * time.Second)
				if isTimeout(err) {
					t.Errorf("%s: an end %s is not noticed", x.name, cut)
				}
				if err != nil {
					break
				}
				if f.op != opClose {
					t.Errorf("%s: an end %s is answered with %+v", x.name, cut, f)
				}
			}
			_ = w.conn.Close()
		}
	}
}
