package chat

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzBody: whatever a body holds, it is decoded or refused with bad_request or
// too_large, and what was decoded can be checked.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"cid":"1","text":"x","attachments":["a"],"reply_to":1}`, `{"kind":"group","cid":"g","title":" T ","members":["bob"]}`,
		`{"muted_until":"2030-01-01T00:00:00Z","pinned":true}`, `{"muted_until":null}`, `{"muted_until":1e999}`, `{"emoji":"👍🏽"}`, `{"text":"\ud800"}`,
		strings.Repeat("[", 10_000), `{"a":` + strings.Repeat(`{"a":`, 1000), "{\"text\":\"\xff\"}", `{"TITLE":"x"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		decode := func(into any) bool {
			err := readBody(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)), into)
			var known *Error
			if err != nil && (!errors.As(err, &known) || known.Code != CodeBadRequest && known.Code != CodeTooLarge) {
				t.Fatalf("%v", err)
			}
			return err == nil
		}
		var send sendCommand
		if decode(&send) {
			checkDraftNeverPanics(&send)
		}
		var create createCommand
		if decode(&create) {
			if title, err := cleanTitle(create.Title); err == nil && (title == "" || !utf8.ValidString(title) || utf8.RuneCountInString(title) > maxTitle) {
				t.Fatalf("title %q", title)
			}
		}
		var set settingsJSON
		if decode(&set) {
			if s, err := set.settings(); err == nil && s.MutedUntil != nil {
				if formatTime(*s.MutedUntil) == "" {
					t.Errorf("no text for the time in %q", body)
				}
			}
		}
		var react reactCommand
		if decode(&react) && checkEmoji(react.Emoji) == nil && strings.ContainsAny(react.Emoji, " \n/<abcXYZ") {
			t.Fatalf("emoji %q", react.Emoji)
		}
		if name := cleanName(body); len(name) > maxBlobName || strings.ContainsAny(name, "/\\\x00\n") || !utf8.ValidString(name) {
			t.Fatalf("file name %q", name)
		}
	})
}

// FuzzCursor: a position from outside is one that can be sent back as it is, or
// refused.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "e:1", ":", "e:", ":5", "e:-1", "e:9223372036854775808", "a:b:1", "e:1:2", "0x10", "1e3", " 1"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, last, after string) {
		r := httptest.NewRequest("GET", "/v1/events", nil)
		r.Header["Last-Event-Id"] = []string{last}
		r.URL.RawQuery = url.Values{"after": {after}, "epoch": {"e"}}.Encode()
		from, err := position(r)
		var known *Error
		if err != nil && (!errors.As(err, &known) || known.Code != CodeBadRequest) {
			t.Fatalf("%v", err)
		}
		if err == nil && from != nil && last != "" && !strings.HasPrefix(last, from.epoch+":") {
			t.Fatalf("%q is read as %+v", last, from)
		}
		if id, err := parseConv(after); err == nil && convName(id) != after {
			t.Fatalf("%q is read as %d", after, id)
		}
	})
}
