package upstream_test

import (
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/upstream"
)

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:22":            "127.0.0.1:22",
		"[::1]:22":                "[::1]:22",
		"DB.example.org:5432":     "db.example.org:5432",
		"unix:/run/../run/x.sock": "unix:/run/x.sock",
	} {
		if a, err := upstream.ParseRaw(in); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v", in, a, err)
		}
	}
	for in, want := range map[string]string{
		"http://127.0.0.1:9000/": "http://127.0.0.1:9000",
		"http://app":             "http://app:80",
		"https://app":            "https://app:443",
		"https://[::1]":          "https://[::1]:443",
		"h2c://[::1]:50051":      "h2c://[::1]:50051",
		"unix:/run/app.sock":     "unix:/run/app.sock",
	} {
		if a, err := upstream.ParseHTTP(in); err != nil || a.String() != want {
			t.Errorf("%s: %v, %v", in, a, err)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "host and port",
		"127.0.0.1":                         "host and port",
		"::1:22":                            "host and port",
		"h:0":                               "not a port",
		"h:ssh":                             "not a port",
		":22":                               "not the name",
		"a b:22":                            "not the name",
		"tcp://a:22":                        "leave out",
		"unix:run/x":                        "must be whole",
		"unix:/" + strings.Repeat("x", 120): "107 bytes",
		"unix:/a\x00b":                      "NUL",
	} {
		if _, err := upstream.ParseRaw(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
	for in, want := range map[string]string{
		"127.0.0.1:9000": `"http://127.0.0.1:9000"`,
		"ftp://a":        "not known here",
		"http://a/path":  "only a host and a port",
		"http://a?q":     "only a host and a port",
		"http://user@a":  "only a host and a port",
		"http://":        "not the name",
		"http://::1":     "host and port",
		"http://a:65536": "not a port",
		"unix:x":         "must be whole",
	} {
		if _, err := upstream.ParseHTTP(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Whatever is accepted has one normal form.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"127.0.0.1:22", "[::1]:1", "unix:/x", "http://a", "https://[::1]", "h2c://a:1", "http://[a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (upstream.Address, error){upstream.ParseRaw, upstream.ParseHTTP} {
			a, err := parse(s)
			if err != nil {
				continue
			}
			if b, err := parse(a.String()); err != nil || a != b {
				t.Errorf("%q is %v, which is %v, %v", s, a, b, err)
			}
		}
	})
}
