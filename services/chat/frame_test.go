package chat

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzFrame: whatever a frame holds, every line is a command, a pong or an
// error that says why, in bounded numbers, and what is read can be answered.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		"{}", "{}\n{}", "", "\n\n", " { } ", "null", "[]", "{", `{"id":1}`, `{"id":"x","connect":{"token":"t","resume":{"epoch":"e","cursor":9007199254740993}}}`,
		`{"id":2,"send":{"conv":"c_1","cid":"a","text":"h\u00e9\ud800","reply_to":1}}` + "\n" + `{"mark":{"conv":"c_1","read":3}}`,
		`{"id":3,"history":{"conv":"c_1","before":1,"limit":2}}`, `{"id":4,"conversations":{"after":"x"}}`, `{"id":5,"create":{"kind":"direct","with":"bob"}}`,
		`{"id":1e3,"send":{}}`, `{"id":-9223372036854775808,"send":{}}`, `{"id":"` + strings.Repeat("x", 65) + `","send":{}}`,
		`{"id":6,"send":{},"mark":{}}`, `{"id":8,"edit":{"conv":"c_1","seq":1,"text":"x"}}`, `{"id":9,"delete":{},"react":{}}`, `{"typing":{"conv":"c_1"}}`, `{"watch":{"users":["a"]}}`, `{"id":1,"react":{"emoji":"x","on":false}}`, `{"id":7,"send":null}`, `{"SEND":{}}`, strings.Repeat("{}\n", 64), strings.Repeat("\n", 200), strings.Repeat("[", 20000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := bytes.Clone(frame)
		lines, err := splitFrame(frame)
		if err != nil {
			if bytes.Count(frame, []byte("\n")) < maxLines {
				t.Fatal("too many lines, it says")
			}
			return
		}
		if len(lines) > maxLines {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines {
			cmd, bad := decodeLine(line)
			id := cmd.id
			if bad != nil {
				if bad.msg == "" || len(bad.msg) > 512+len(line) {
					t.Fatalf("the error says %q", bad.msg)
				}
				id = bad.id
			} else if n := cmd.count(); n > 1 || n == 0 && !cmd.pong {
				t.Fatalf("%d commands in %q", n, line)
			}
			if len(id) > maxID*6+2 {
				t.Fatalf("an id of %d bytes", len(id))
			}
			if answer := encodeAnswer(id, "error", badRequest("x")); !json.Valid(answer) || bytes.Contains(answer, []byte("\n")) {
				t.Fatalf("the answer to %q is %q", line, answer)
			}
			if cmd.Send != nil {
				checkDraftNeverPanics(cmd.Send)
			}
		}
		if !bytes.Equal(frame, before) {
			t.Fatal("the frame was changed")
		}
	})
}

func (c *command) count() (n int) {
	for _, set := range []bool{c.Connect != nil, c.Send != nil, c.Mark != nil, c.History != nil, c.Conversations != nil, c.Create != nil,
		c.Edit != nil, c.Delete != nil, c.React != nil, c.Typing != nil, c.Watch != nil} {
		if set {
			n++
		}
	}
	return n
}

func checkDraftNeverPanics(cmd *sendCommand) {
	_, _ = parseConv(cmd.Conv)
	_ = checkCID(cmd.CID)
	_ = checkText(cmd.Text, 16<<10)
}

func TestConversationNamesHaveOneForm(t *testing.T) {
	for name, ok := range map[string]bool{
		"c_1": true, "c_9223372036854775807": true, "c_9223372036854775808": false, "c_0": false, "c_01": false,
		"c_+1": false, "c_-1": false, "c_": false, "1": false, "C_1": false, "c_1 ": false, "c_1_000": false,
	} {
		id, err := parseConv(name)
		if (err == nil) != ok || ok && convName(id) != name {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}
