package chat

import (
	"fmt"
	"strings"
)

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

// Section 8.1. When a message is judged is in TestWhenInvalidUTF8IsNoticed.
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
	registered := []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013}
	forbidden := []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}
	// 1014 is in IANA's registry; gws does not know it. Nobody sends it to a server.
	if x.own {
		registered = append(registered, 1014)
	} else {
		forbidden = append(forbidden, 1014)
	}
	for _, code := range registered {
		answer := 1000 // is gws's for all of them
		if x.own {
			answer = code
		}
		steps = append(steps, step{name: fmt.Sprint(code), send: []frame{closing(code, "reason")}, want: []string{fmt.Sprintf("close:%d", answer)}})
	}
	for _, code := range []int{3000, 3999, 4000, 4999} {
		steps = append(steps, step{name: fmt.Sprint(code), send: []frame{closing(code, "reason")}, want: []string{fmt.Sprintf("close:%d", code)}})
	}
	for _, code := range forbidden {
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
