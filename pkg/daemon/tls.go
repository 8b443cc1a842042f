package daemon

import (
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/porticod/portico/pkg/acme"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/tlsconf"
)

// secure is the TLS of a generation.
type secure struct {
	sources  map[string]*tlsconf.Source // by listener
	accounts map[string]*acme.Account   // by listener
}

func (s secure) config(listener string) *tls.Config {
	if src := s.sources[listener]; src != nil {
		return src.Config()
	}
	return nil
}

// prepareTLS loads what the listeners' TLS needs, before anything changes. What
// stays the same is the same source, which knows what clients have agreed with
// it, and the same account. d.mu is held.
func (d *Daemon) prepareTLS(cfg *config.Config) (secure, error) {
	next := secure{map[string]*tlsconf.Source{}, map[string]*acme.Account{}}
	if d.keeper == nil {
		d.keeper = tlsconf.NewKeeper(cfg.DataDir, d.log)
	}
	names := selfSignedNames(cfg)
	for _, l := range cfg.Listeners {
		if l.TLS == nil {
			continue
		}
		o := tlsconf.Options{
			SelfSigned: l.TLS.SelfSigned, Names: names, MinVersion: l.TLS.MinVersion,
			ClientCA: l.TLS.ClientCA, ClientAuth: tls.RequireAndVerifyClientCert,
		}
		if l.TLS.ClientAuth == "request" {
			o.ClientAuth = tls.VerifyClientCertIfGiven
		}
		for _, c := range l.TLS.Certificates {
			o.Pairs = append(o.Pairs, tlsconf.Pair{Cert: c.File, Key: c.Key})
		}
		if l.TLS.ACME != nil {
			a, err := d.acmeAccount(cfg, l)
			if err != nil {
				return next, fmt.Errorf("listener %q: %w", l.Name, err)
			}
			o.Managed, next.accounts[l.Name] = a, a
		}
		src, err := d.keeper.Load(o)
		if err != nil {
			return next, fmt.Errorf("listener %q: %w", l.Name, err)
		}
		if old := d.tls.sources[l.Name]; tlsconf.Same(old, src) {
			src = old
		}
		next.sources[l.Name] = src
	}
	return next, nil
}

// selfSignedNames are the names of the one self-signed certificate that serves
// all listeners.
func selfSignedNames(cfg *config.Config) (names []string) {
	for _, l := range cfg.Listeners {
		if l.TLS != nil && l.TLS.SelfSigned {
			for _, r := range l.Routes {
				names = append(append(names, r.Hosts...), r.SNI...)
			}
		}
	}
	return names
}

// acmeAccount is the account that l has already, where it is the same, or a new
// one.
func (d *Daemon) acmeAccount(cfg *config.Config, l config.Listener) (*acme.Account, error) {
	a := l.TLS.ACME
	s := acme.Settings{
		Directory: a.Directory, Email: a.Email, Roots: a.Roots, KeyID: a.KeyID, MACKey: a.MACKey.Reveal(),
		Names: a.Names, OnDemand: a.OnDemand, HTTP: a.HTTP, TLS: a.TLS,
	}
	if old := d.tls.accounts[l.Name]; old != nil && old.Settings().Equal(s) {
		return old, nil
	}
	m := d.acme.Load()
	if m == nil {
		m = acme.NewManager(acme.Folder(cfg.DataDir), d.log.With().Str("part", "acme").Logger())
		d.acme.Store(m)
	}
	return m.Account(s)
}

// commitTLS watches the files of this generation and manages its names.
func (d *Daemon) commitTLS(s secure) {
	d.tls = s
	var sources []*tlsconf.Source
	for _, src := range s.sources {
		sources = append(sources, src)
	}
	d.keeper.Use(sources)
	if m := d.acme.Load(); m != nil {
		var accounts []*acme.Account
		for _, a := range s.accounts {
			accounts = append(accounts, a)
		}
		m.Use(accounts)
	}
}

// closeTLS ends all work in the background.
func (d *Daemon) closeTLS() {
	if d.keeper != nil {
		d.keeper.Close()
	}
	if m := d.acme.Load(); m != nil {
		m.Close()
	}
}

// serveChallenge answers a CA that looks whether a name leads here.
func (d *Daemon) serveChallenge(w http.ResponseWriter, r *http.Request) bool {
	m := d.acme.Load()
	return m != nil && m.ServeChallenge(w, r)
}

// A CertificateStatus is a certificate of a listener.
type CertificateStatus struct {
	tlsconf.Info
	Managed bool `json:"managed"` // by the daemon, with a CA
	Missing bool `json:"missing"` // not obtained yet
}

// certificates needs d.mu.
func (d *Daemon) certificates(listener string) []CertificateStatus {
	list := []CertificateStatus{}
	if src := d.tls.sources[listener]; src != nil {
		for _, c := range src.Certificates() {
			list = append(list, CertificateStatus{Info: c})
		}
	}
	if a := d.tls.accounts[listener]; a != nil {
		for _, c := range d.acme.Load().States(a) {
			list = append(list, CertificateStatus{
				Info: tlsconf.Info{Names: []string{c.Name}, NotAfter: c.NotAfter}, Managed: true, Missing: c.NotAfter.IsZero(),
			})
		}
	}
	return list
}
