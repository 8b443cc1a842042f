package tlsconf_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/buffer"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/tlsconf"
)

func TestSelfSignedIsKeptAndCoversItsNames(t *testing.T) {
	k := keeper(t, t.TempDir())
	o := tlsconf.Options{SelfSigned: true, Names: []string{"a.example.org", "*.b.example.org"}}
	first := served(t, load(t, k, o), "localhost")
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "a.example.org", "x.b.example.org"} {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if again := served(t, load(t, k, o), "localhost"); !bytes.Equal(again.Raw, first.Raw) {
		t.Error("another load made another certificate")
	}
	o.Names = append(o.Names, "c.example.org")
	if more := served(t, load(t, k, o), "localhost"); more.VerifyHostname("c.example.org") != nil {
		t.Error("a new name is not covered")
	}
}

func TestTheSelfSignedKeyIsSecret(t *testing.T) {
	dir := t.TempDir()
	load(t, keeper(t, dir), tlsconf.Options{SelfSigned: true})
	for _, file := range []string{"tls/self-signed.pem", "secrets/tls-tickets"} {
		if fi, err := os.Stat(filepath.Join(dir, file)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, fi, err)
		}
	}
}

func TestSame(t *testing.T) {
	k := keeper(t, t.TempDir())
	a := load(t, k, tlsconf.Options{SelfSigned: true})
	for _, c := range []struct {
		name string
		o    tlsconf.Options
		same bool
	}{ // in this order: the last makes another certificate
		{"again", tlsconf.Options{SelfSigned: true}, true},
		{"other version", tlsconf.Options{SelfSigned: true, MinVersion: tls.VersionTLS13}, false},
		{"other certificate", tlsconf.Options{SelfSigned: true, Names: []string{"other.example.org"}}, false},
	} {
		if tlsconf.Same(a, load(t, k, c.o)) != c.same {
			t.Errorf("%s: same is not %v", c.name, c.same)
		}
	}
}

func TestFilesAndTheirMistakes(t *testing.T) {
	dir := t.TempDir()
	k := keeper(t, dir)
	pair := newCA(t, "a CA").issue(t, dir, "a.example.org")
	load(t, k, tlsconf.Options{Pairs: []tlsconf.Pair{pair}})
	none := filepath.Join(dir, "none")
	for want, o := range map[string]tlsconf.Options{
		"no certificate: ":                      {},
		"certificate " + none:                   {Pairs: []tlsconf.Pair{{Cert: none, Key: pair.Key}}},
		"certificate " + pair.Key + " with key": {Pairs: []tlsconf.Pair{{Cert: pair.Key, Key: pair.Key}}},
		"CAs of clients: open ":                 {SelfSigned: true, ClientCA: none},
		"CAs of clients: a.example.org.key has": {SelfSigned: true, ClientCA: pair.Key},
	} {
		if _, err := k.Load(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s...", err, want)
		}
	}
}

// Of several certificates a client gets the one for the name it asks for, and
// the first where none fits.
func TestTheNameChooses(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, "a CA")
	s := load(t, keeper(t, dir), tlsconf.Options{Pairs: []tlsconf.Pair{ca.issue(t, dir, "a.example.org"), ca.issue(t, dir, "*.b.example.org")}})
	for asked, want := range map[string]string{"a.example.org": "a.example.org", "x.b.example.org": "*.b.example.org", "c.example.org": "a.example.org"} {
		if got := served(t, s, asked).DNSNames[0]; got != want {
			t.Errorf("asked for %s, got %s", asked, got)
		}
	}
}

// A renewed certificate serves without a reload; one whose files do not fit
// each other yet does not.
func TestFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, "a CA")
	pair := ca.issue(t, dir, "a.example.org")
	k := keeper(t, dir)
	s := load(t, k, tlsconf.Options{Pairs: []tlsconf.Pair{pair}})
	k.Use([]*tlsconf.Source{s})
	old := served(t, s, "a.example.org")

	if err := os.WriteFile(pair.Key, []byte("half of a"), 0o600); err != nil {
		t.Fatal(err)
	}
	logged(t, "cannot be used")
	if got := served(t, s, "a.example.org"); !got.Equal(old) {
		t.Error("a broken file changed what is served")
	}
	ca.issue(t, dir, "a.example.org")
	wait.Until(t, "the new certificate", func() bool { return !served(t, s, "a.example.org").Equal(old) })
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, other := newCA(t, "clients"), newCA(t, "others")
	s := load(t, keeper(t, dir), tlsconf.Options{
		SelfSigned: true, ClientCA: ca.file(t, dir), ClientAuth: tls.RequireAndVerifyClientCert,
	})
	good, err := tls.LoadX509KeyPair(split(ca.issue(t, t.TempDir(), "client")))
	if err != nil {
		t.Fatal(err)
	}
	bad, err := tls.LoadX509KeyPair(split(other.issue(t, t.TempDir(), "client")))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		certs []tls.Certificate
		ok    bool
	}{"none": {nil, false}, "of another CA": {[]tls.Certificate{bad}, false}, "good": {[]tls.Certificate{good}, true}} {
		_, err := handshake(s, &tls.Config{InsecureSkipVerify: true, Certificates: c.certs})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Tickets are good after a restart, but not where other clients are let in.
func TestTicketsOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, "clients").file(t, dir)
	client := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(4), ServerName: "localhost"}
	resumed := func(o tlsconf.Options) bool {
		t.Helper()
		st, err := handshake(load(t, keeper(t, dir), o), client)
		if err != nil {
			t.Fatal(err)
		}
		return st.DidResume
	}
	if resumed(tlsconf.Options{SelfSigned: true}) {
		t.Error("the first handshake resumed something")
	}
	if !resumed(tlsconf.Options{SelfSigned: true}) {
		t.Error("a new keeper does not know the tickets of the old one")
	}
	if resumed(tlsconf.Options{SelfSigned: true, ClientCA: ca, ClientAuth: tls.VerifyClientCertIfGiven}) {
		t.Error("a ticket of another source is good")
	}
}

func split(p tlsconf.Pair) (cert, key string) { return p.Cert, p.Key }

func load(t *testing.T, k *tlsconf.Keeper, o tlsconf.Options) *tlsconf.Source {
	t.Helper()
	s, err := k.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// served is the leaf that a client gets who asks for name.
func served(t *testing.T, s *tlsconf.Source, name string) *x509.Certificate {
	t.Helper()
	st, err := handshake(s, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	return st.PeerCertificates[0]
}

// handshake shakes hands with s and reads a byte, because a ticket comes after
// the handshake, and so does the refusal of a client's certificate.
func handshake(s *tlsconf.Source, client *tls.Config) (tls.ConnectionState, error) {
	a, b := net.Pipe()
	defer a.Close()
	deadline := time.Now().Add(10 * time.Second)
	_, _ = a.SetDeadline(deadline), b.SetDeadline(deadline)
	go func() {
		defer b.Close()
		_, _ = tls.Server(b, s.Config()).Write([]byte("x"))
	}()
	c := tls.Client(a, client)
	_, err := c.Read(make([]byte, 1))
	return c.ConnectionState(), err
}

var log = &buffer.Buffer{}

func keeper(t *testing.T, dir string) *tlsconf.Keeper {
	k := tlsconf.NewKeeper(dir, zerolog.New(log))
	t.Cleanup(k.Close)
	return k
}

func logged(t *testing.T, text string) {
	t.Helper()
	wait.Until(t, text+" in the log", func() bool { return strings.Contains(log.String(), text) })
}
