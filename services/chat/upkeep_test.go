package chat_test

import (
	"testing"
	"time"

	"github.com/porticod/portico/pkg/steady/steadytest"
)

// TestClocksRemoveNothing: what was uploaded a moment ago is there after the
// clock was put forward, and after it was put back; not when a day went by.
func TestClocksRemoveNothing(t *testing.T) {
	w := start(t, nil)
	a := w.join("alice")
	id := a.with("alice")
	doc := a.upload("note.txt", []byte("just words"))
	now := time.Now()
	tidy := w.chat.Tidied(t.Context(), func() time.Time { return now })
	tidy()
	for _, step := range []time.Duration{12 * 365 * 24 * time.Hour, -12 * 365 * 24 * time.Hour, 48 * time.Hour} {
		now = steadytest.Step(now.Add(time.Hour), step)
		if tidy(); w.files() != 1 {
			t.Fatalf("gone after a step of %v", step)
		}
	}
	if res, body := a.get("/v1/blobs/" + doc.ID); body != "just words" {
		t.Errorf("%s %q", res.Status, body)
	}
	a.call("POST", "/v1/conversations/"+id+"/messages", `{"cid":"1","attachments":["`+doc.ID+`"]}`, 201, nil)
	a.upload("other.txt", []byte("other words"))
	now = now.Add(26 * time.Hour)
	if tidy(); w.files() != 1 {
		t.Errorf("%d files a day later", w.files())
	}
}
