package nats_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/bus/nats"
)

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text    string
		servers []string
		cluster string
		hosts   string
	}{
		{"nats://a", []string{"nats://a"}, "main", "a"},
		{"nats://a:4222,tls://b:4223", []string{"nats://a:4222", "tls://b:4223"}, "main", "a:4222, b:4223"},
		{"nats://u:p@a:4222, nats://[::1]?cluster=home", []string{"nats://u:p@a:4222", "nats://[::1]"}, "home", "a:4222, [::1]"},
	} {
		got, err := nats.Parse(c.text)
		if err != nil || !slices.Equal(got.Servers, c.servers) || got.Cluster != c.cluster || got.Hosts() != c.hosts {
			t.Errorf("%s: %+v at %s, %v", c.text, got, got.Hosts(), err)
		}
	}
}

func TestParseMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "server 1 of the list does not begin with nats:// or tls://",
		"a:4222":                       "server 1 of the list does not begin with nats:// or tls://",
		"http://a":                     "server 1 of the list does not begin with nats:// or tls://",
		"nats://a,":                    "server 2 of the list does not begin with nats:// or tls://",
		"nats://":                      "server 1 of the list names no host",
		"nats://a/b":                   "server 1 of the list has more after the host and the port",
		"nats://u:se%cret@a":           "server 1 of the list is no URL like nats://host:4222; in a password, write % and what follows for other characters than letters and digits",
		"nats://a?x=1":                 `"x" is no option of a NATS address; there is cluster=name, once`,
		"nats://a?cluster=a&cluster=b": `"cluster" is no option of a NATS address; there is cluster=name, once`,
		"nats://a?cluster=a.b":         "the cluster's name has other characters than lower-case letters, digits, - and _",
		"nats://a?cluster=":            "the cluster's name has other characters than lower-case letters, digits, - and _",
		"nats://a?%zz":                 "what follows the question mark is not name=value",
		strings.Repeat("nats://a,", 16) + "nats://a": "there are 17 servers; name at most 16",
	} {
		if _, err := nats.Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "nats://a", "nats://u:p@a:4222,tls://b?cluster=x", "nats://[::1]:1?cluster"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := nats.Parse(text)
		if err == nil && (len(got.Servers) == 0 || got.Cluster == "") {
			t.Errorf("%q: %+v", text, got)
		}
	})
}
