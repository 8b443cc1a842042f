package settings_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/porticod/portico/pkg/settings"
)

func functions() *hcl.EvalContext {
	return &hcl.EvalContext{Functions: map[string]function.Function{"concat": stdlib.ConcatFunc}}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]settings.Size{
		"0": 0, "1": 1, "12B": 12, "64KiB": 64 << 10, "20MiB": 20 << 20, "1.5GB": 1.5e9, "1.5GiB": 3 << 29,
		"1kb": 1000, "1 MB": 1e6, "2TiB": 2 << 40, "0.5B": 0, "9223372036854775807": 1<<63 - 1, "00010": 10,
	} {
		got, err := settings.ParseSize(s)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "MiB", "-1", "+1", "1e9", "1/2", "0x10", "1_000", ".5", "5.", "1.2.3", "1M", "1Mi", "1 M B", "9223372036854775808",
		"8EiB", "10000000TiB", "٣", "1\x00", strings.Repeat("1", 65),
	} {
		if got, err := settings.ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", s, got)
		}
	}
}

func TestSizeString(t *testing.T) {
	for size, want := range map[settings.Size]string{
		0: "0", 1: "1B", 1023: "1023B", 1024: "1KiB", 1000: "1KB", 20 << 20: "20MiB", 1.5e9: "1500MB", 3 << 29: "1536MiB", -2048: "-2KiB",
	} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %q, want %q", int64(size), got, want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"20MiB", "1.5GB", "0", "999999999999999999999", "1.0000000000000000001TiB", "-5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		size, err := settings.ParseSize(s)
		if err != nil {
			return
		}
		if size < 0 {
			t.Fatalf("ParseSize(%q) = %d", s, size)
		}
		back, err := settings.ParseSize(size.String())
		if err != nil || back != size {
			t.Fatalf("%q is %d, written %q, read as %d (%v)", s, size, size, back, err)
		}
	})
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"0": 0, "5s": 5 * time.Second, "1h30m": 90 * time.Minute, "500ms": time.Second / 2} {
		if got, err := settings.Duration(s); err != nil || got != want {
			t.Errorf("Duration(%q) = %v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"": "write a number", "5": `write "5s"`, "-5s": "negative", "7d": `write "168h"`, "x": "write a number", "9999999h": "write a number",
	} {
		if _, err := settings.Duration(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Duration(%q): %v, want %q", s, err, want)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	v := struct{ Key settings.Secret }{"hunter2"}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		string(b), fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v.Key, v.Key, v.Key, v.Key), v.Key.String(),
	} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, "68756e746572") {
			t.Errorf("printed: %s", s)
		}
	}
	if v.Key.Reveal() != "hunter2" {
		t.Error("Reveal does not reveal")
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"max_upload", "max_text", "root", "index", "spa"}
	for given, want := range map[string]string{
		"max_uplaod": "max_upload", "maxupload": "max_upload", "Root": "root", "rot": "root", "idnex": "index",
		"x": "", "": "", "spaa": "spa", "listen": "", "toor": "", strings.Repeat("x", 100): "",
	} {
		if got := settings.Suggest(given, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", given, got, want)
		}
	}
}
