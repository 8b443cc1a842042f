package tlsconf_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/tlsconf"
)

func TestSelfSignedIsKeptAndCoversItsNames(t *testing.T) {
	o := tlsconf.Options{SelfSigned: true, Names: []string{"a.example.org", "*.b.example.org"}, Dir: filepath.Join(t.TempDir(), "tls")}
	first := load(t, o)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "a.example.org", "x.b.example.org"} {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if again := load(t, o); !bytes.Equal(again.Raw, first.Raw) {
		t.Error("another load made another certificate")
	}
	o.Names = append(o.Names, "c.example.org")
	if more := load(t, o); more.VerifyHostname("c.example.org") != nil {
		t.Error("a new name is not covered")
	}
	if fi, err := os.Stat(filepath.Join(o.Dir, "self-signed.pem")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v %v", fi.Mode(), err)
	}
}

func TestSame(t *testing.T) {
	o := tlsconf.Options{SelfSigned: true, Dir: t.TempDir()}
	var c [3]*tls.Config
	for i := range c {
		if i == 2 {
			o.Names = []string{"other.example.org"}
		}
		var err error
		if c[i], err = tlsconf.Load(o); err != nil {
			t.Fatal(err)
		}
	}
	if !tlsconf.Same(c[0], c[1]) || tlsconf.Same(c[0], c[2]) {
		t.Error("Same does not tell certificates apart")
	}
}

func TestFilesAndTheirMistakes(t *testing.T) {
	dir := t.TempDir()
	load(t, tlsconf.Options{SelfSigned: true, Dir: dir})
	pair := filepath.Join(dir, "self-signed.pem")
	if c, err := tlsconf.Load(tlsconf.Options{Pairs: []tlsconf.Pair{{Cert: pair, Key: pair}}}); err != nil || len(c.Certificates) != 1 {
		t.Errorf("a pair of files: %v", err)
	}
	for name, o := range map[string]tlsconf.Options{
		"no certificate: ":                          {},
		"certificate " + filepath.Join(dir, "none"): {Pairs: []tlsconf.Pair{{Cert: filepath.Join(dir, "none"), Key: pair}}},
	} {
		if _, err := tlsconf.Load(o); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("got %v, want %s...", err, name)
		}
	}
}

func load(t *testing.T, o tlsconf.Options) *x509.Certificate {
	t.Helper()
	c, err := tlsconf.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c.Certificates[len(c.Certificates)-1].Leaf
}
