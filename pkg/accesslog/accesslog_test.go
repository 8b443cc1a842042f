package accesslog_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/accesslog"
)

var entry = accesslog.Entry{
	Listener: "web", Route: "default", Service: "static.site", Peer: "192.0.2.1",
	Start: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Duration: 1500 * time.Microsecond, BytesOut: 1024, RequestID: "r1",
	Method: "GET", Host: "example.org", Path: "/a b\"\n", Proto: "HTTP/1.1", Status: 200, UserAgent: `curl "7"` + "\x1b[31m",
}

func TestCombinedCannotBeBrokenOutOf(t *testing.T) {
	var b bytes.Buffer
	accesslog.NewWriter(&b, "combined").Write(&entry)
	want := `192.0.2.1 - - [23/Nov/2026:10:00:00 +0000] "GET /a b\"\n HTTP/1.1" 200 1024 "-" "curl \"7\"\x1b[31m"` + "\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
}

func TestRawConnectionInCombined(t *testing.T) {
	var b bytes.Buffer
	e := accesslog.Entry{Peer: "192.0.2.1", Start: entry.Start, BytesOut: 5}
	accesslog.NewWriter(&b, "combined").Write(&e)
	if want := "192.0.2.1 - - [23/Nov/2026:10:00:00 +0000] \"-\" - 5 \"-\" \"-\"\n"; b.String() != want {
		t.Errorf("got %swant %s", b.String(), want)
	}
}

func TestJSON(t *testing.T) {
	for name, make := range map[string]func(*bytes.Buffer) *accesslog.Log{
		"file": func(b *bytes.Buffer) *accesslog.Log { return accesslog.NewWriter(b, "json") },
		"log":  func(b *bytes.Buffer) *accesslog.Log { return accesslog.New(zerolog.New(b)) },
	} {
		var b bytes.Buffer
		make(&b).Write(&entry)
		var got map[string]any
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, b.String())
		}
		for k, want := range map[string]any{"listener": "web", "service": "static.site", "path": entry.Path, "status": 200.0, "duration_ms": 1.5, "bytes_out": 1024.0} {
			if got[k] != want {
				t.Errorf("%s: %s is %v, want %v", name, k, got[k], want)
			}
		}
	}
}

func TestNilDiscards(t *testing.T) {
	var l *accesslog.Log
	l.Write(&entry)
	new(accesslog.Log).Write(&entry)
}
