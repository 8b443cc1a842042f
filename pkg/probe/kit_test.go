package probe_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/service"
)

// The kinds of this test are only asked for their probe, never opened.

type config0 struct{}

type kind[S service.Service] struct {
	name  string
	probe *service.Probe
}

func (k kind[S]) Kind() string                                              { return k.name }
func (k kind[S]) Default() config0                                          { return config0{} }
func (k kind[S]) Open(context.Context, service.Env, config0) (s S, _ error) { return s, nil }
func (k kind[S]) Probe(config0) service.Probe                               { return *k.probe }

type (
	httpOnly struct{}
	rawOnly  struct{}
	httpRaw  struct {
		httpOnly
		rawOnly
	}
)

func (*httpOnly) Close() error                                 { return nil }
func (*httpOnly) ServeHTTP(http.ResponseWriter, *http.Request) {}
func (*rawOnly) Close() error                                  { return nil }
func (*rawOnly) ServeConn(context.Context, net.Conn)           {}
func (*httpRaw) Close() error                                  { return nil }

// spec is a service of a kind of its own, with the given abilities.
func spec(name string, able service.Ability, p service.Probe) service.Spec {
	var k service.Kind
	switch able {
	case service.HTTP:
		k = service.KindOf[config0, *httpOnly](kind[*httpOnly]{name, &p})
	case service.Raw:
		k = service.KindOf[config0, *rawOnly](kind[*rawOnly]{name, &p})
	default:
		k = service.KindOf[config0, *httpRaw](kind[*httpRaw]{name, &p})
	}
	s, _ := k.Decode("x", hcl.EmptyBody(), nil)
	return s
}

// expired is a certificate from another time.
func expired(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"},
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
