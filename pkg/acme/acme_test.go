package acme

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/caddyserver/certmagic"
	"github.com/rs/zerolog"
)

// A pattern gives any number of names; who asks for very many new ones does not
// get them, and those that have a certificate already keep it.
func TestNewNamesOnDemandAreFew(t *testing.T) {
	m := NewManager(t.TempDir(), zerolog.Nop())
	defer m.Close()
	a, err := m.Account(Settings{Names: []string{"www.example.org"}, OnDemand: []string{"*.example.org"}, HTTP: "127.0.0.1:80"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := m.store.Store(ctx, certmagic.StorageKeys.SiteCert(a.issuer.IssuerKey(), "old.example.org"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for i := range newNames {
		for range 3 { // several connections of one browser
			if err := a.mayHave(ctx, fmt.Sprintf("n%d.example.org", i)); err != nil {
				t.Fatalf("name %d: %v", i, err)
			}
		}
	}
	for name, want := range map[string]error{
		"one.example.org": errTooMany, "old.example.org": nil, "www.example.org": nil, "a.b.example.org": errNotOurs, "example.com": errNotOurs,
	} {
		if err := a.mayHave(ctx, name); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
