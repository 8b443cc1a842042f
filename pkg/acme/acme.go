// Package acme has certificates issued by an ACME CA (RFC 8555) for the names
// that it is told, keeps them and renews them. It answers the CA's questions that
// others receive for it; ports it has none.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
)

// Directory is that of the CA that is asked where nothing else is said.
const Directory = certmagic.LetsEncryptProductionCA

// Settings are an account with a CA and what it is for. They are comparable by
// Equal.
type Settings struct {
	Directory string // URL; empty: Directory
	Email     string // where the CA warns; may be empty
	Roots     string // PEM file of CAs that the directory's certificate may be of; empty: the system's
	KeyID     string // of an external account (RFC 8555 section 7.3.4); empty: none
	MACKey    string // of that account, base64url

	Names []string // to have a certificate for always
	// OnDemand are names that get one when somebody asks for them first;
	// "*.example.org" stands for one more label.
	OnDemand []string

	// HTTP and TLS are the addresses, host:port, at which requests to port 80
	// and connections to port 443 arrive; empty: they do not.
	HTTP, TLS string
}

// Equal reports whether two settings mean the same.
func (s Settings) Equal(o Settings) bool {
	return s.Directory == o.Directory && s.Email == o.Email && s.Roots == o.Roots && s.KeyID == o.KeyID &&
		s.MACKey == o.MACKey && s.HTTP == o.HTTP && s.TLS == o.TLS &&
		slices.Equal(s.Names, o.Names) && slices.Equal(s.OnDemand, o.OnDemand)
}

// A Manager keeps the certificates of all accounts in one folder. It works from
// the first Use to Close.
type Manager struct {
	log   zerolog.Logger
	zap   *zap.Logger
	store *certmagic.FileStorage
	cache *certmagic.Cache

	mu   sync.RWMutex
	used []*Account // guarded by mu
}

// NewManager returns a Manager that keeps its data in dir, which is made where it
// is missing.
func NewManager(dir string, log zerolog.Logger) *Manager {
	m := &Manager{log: log, zap: zap.New(core{log}), store: &certmagic.FileStorage{Path: dir}}
	m.cache = certmagic.NewCache(certmagic.CacheOptions{GetConfigForCert: m.configFor, Logger: m.zap})
	return m
}

// An Account has certificates issued, once it is in use.
type Account struct {
	settings Settings
	store    *certmagic.FileStorage
	config   *certmagic.Config
	issuer   *certmagic.ACMEIssuer
	ctx      context.Context
	cancel   context.CancelFunc

	mu    sync.Mutex
	fresh map[string]time.Time // guarded by mu; when names were asked for that were new to the CA
}

// Settings are those that the account was made with.
func (a *Account) Settings() Settings { return a.settings }

// newNames is how many names that have no certificate yet get one on demand in an
// hour. A pattern allows any number of them, so without it whoever asks for enough
// could have the CA refuse us, and fill the disk.
const newNames = 20

var errTooMany = errors.New("too many new names in an hour")

// mayHave decides about a name that a client asked for and that no certificate in
// memory is for.
func (a *Account) mayHave(ctx context.Context, name string) error {
	switch {
	case !a.gives(name):
		return errNotOurs
	case slices.Contains(a.settings.Names, name) || a.store.Exists(ctx, certmagic.StorageKeys.SiteCert(a.issuer.IssuerKey(), name)):
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(a.fresh, func(_ string, at time.Time) bool { return now.Sub(at) > time.Hour })
	if _, again := a.fresh[name]; again {
		return nil
	}
	if len(a.fresh) >= newNames {
		return errTooMany
	}
	a.fresh[name] = now
	return nil
}

// errNotOurs is why a client gets no certificate from an account.
var errNotOurs = errors.New("no certificate is managed for this name")

// Account makes an account of s. Nothing is asked of the CA before Use.
func (m *Manager) Account(s Settings) (*Account, error) {
	a := &Account{settings: s, store: m.store, fresh: map[string]time.Time{}}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	c := certmagic.Config{Storage: m.store, Logger: m.zap}
	if len(s.OnDemand) > 0 {
		c.OnDemand = &certmagic.OnDemandConfig{DecisionFunc: a.mayHave}
	}
	a.config = certmagic.New(m.cache, c)
	template := certmagic.ACMEIssuer{
		CA: s.Directory, Email: s.Email, Agreed: true, Logger: m.zap,
		DisableHTTPChallenge: s.HTTP == "", DisableTLSALPNChallenge: s.TLS == "",
	}
	if s.Directory == "" {
		template.CA = Directory
	}
	if s.KeyID != "" {
		template.ExternalAccount = &acme.EAB{KeyID: s.KeyID, MACKey: s.MACKey}
	}
	var err error
	if template.TrustedRoots, err = roots(s.Roots); err != nil {
		return nil, err
	}
	// The library would listen itself; where it finds the port taken, by us, it
	// relies on the answers that GetCertificate and ServeChallenge give.
	if err := setPorts(&template, s); err != nil {
		return nil, err
	}
	a.issuer = certmagic.NewACMEIssuer(a.config, template)
	a.config.Issuers = []certmagic.Issuer{a.issuer}
	return a, nil
}

func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("roots of the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("roots of the CA: %s has no PEM block CERTIFICATE", filepath.Base(file))
	}
	return pool, nil
}

func setPorts(t *certmagic.ACMEIssuer, s Settings) error {
	for _, p := range []struct {
		addr string
		port *int
	}{{s.HTTP, &t.AltHTTPPort}, {s.TLS, &t.AltTLSALPNPort}} {
		if p.addr == "" {
			continue
		}
		host, port, err := net.SplitHostPort(p.addr)
		if err != nil {
			return fmt.Errorf("address for challenges: %w", err)
		}
		if *p.port, err = strconv.Atoi(port); err != nil {
			return fmt.Errorf("address for challenges: %w", err)
		}
		t.ListenHost = host
	}
	return nil
}

// Use works for these accounts from now on, and for no others: their names get
// certificates in the background, again and again where the CA refuses.
func (m *Manager) Use(accounts []*Account) {
	m.mu.Lock()
	old := m.used
	m.used = accounts
	m.mu.Unlock()
	if len(old) == 0 && len(accounts) > 0 {
		m.breakLocks(time.Now())
	}
	for _, a := range old {
		if !slices.Contains(accounts, a) {
			a.cancel()
			m.forget(a, accounts)
		}
	}
	for _, a := range accounts {
		if slices.Contains(old, a) {
			continue
		}
		if err := a.config.ManageAsync(a.ctx, a.settings.Names); err != nil {
			m.log.Error().Err(err).Strs("names", a.settings.Names).Msg("certificates cannot be managed")
		}
	}
}

// breakLocks removes locks of the future, which a process left that was killed
// while its clock was ahead: they would hold up every order until then. Locks that
// a process left by a right clock end by themselves, after seconds.
func (m *Manager) breakLocks(now time.Time) {
	dir := filepath.Join(m.store.Path, "locks")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there are none yet
	}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil || fi.ModTime().Sub(now) < time.Minute {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			m.log.Warn().Err(err).Msg("a lock that was left by a wrong clock stays")
		}
	}
}

// forget ends the renewal of what only a wanted.
func (m *Manager) forget(a *Account, rest []*Account) {
	var gone []certmagic.SubjectIssuer
	for _, name := range a.settings.Names {
		if !slices.ContainsFunc(rest, func(o *Account) bool { return slices.Contains(o.settings.Names, name) }) {
			gone = append(gone, certmagic.SubjectIssuer{Subject: name, IssuerKey: a.issuer.IssuerKey()})
		}
	}
	m.cache.RemoveManaged(gone)
}

// Close ends all work. Certificates stay where they are.
func (m *Manager) Close() {
	m.Use(nil)
	m.cache.Stop()
}

// ServeChallenge answers a CA that looks for an HTTP challenge (RFC 8555 section
// 8.3). It reports false, with nothing written, where r is something else.
func (m *Manager) ServeChallenge(w http.ResponseWriter, r *http.Request) bool {
	if !certmagic.LooksLikeHTTPChallenge(r) {
		return false
	}
	m.mu.RLock()
	used := m.used
	m.mu.RUnlock()
	return slices.ContainsFunc(used, func(a *Account) bool { return a.issuer.HandleHTTPChallenge(w, r) })
}

// GetCertificate returns the certificate for the name that a client asks for, or
// that of a challenge.
func (a *Account) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	challenge := slices.Contains(hello.SupportedProtos, "acme-tls/1")
	if !challenge && !a.gives(strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))) {
		return nil, errNotOurs
	}
	return a.config.GetCertificate(hello)
}

// gives reports whether the account has certificates for name.
func (a *Account) gives(name string) bool {
	if slices.Contains(a.settings.Names, name) {
		return true
	}
	_, parent, _ := strings.Cut(name, ".")
	return slices.ContainsFunc(a.settings.OnDemand, func(p string) bool {
		rest, wild := strings.CutPrefix(p, "*.")
		return p == name || wild && parent != "" && rest == parent
	})
}

// configFor is how a certificate is renewed: by the account that gives its name.
func (m *Manager) configFor(c certmagic.Certificate) (*certmagic.Config, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, a := range m.used {
		if len(c.Names) > 0 && a.gives(c.Names[0]) {
			return a.config, nil
		}
	}
	return nil, errNotOurs
}

// A State is how far the certificate of a name is.
type State struct {
	Name     string
	NotAfter time.Time // zero: there is none yet
}

// States are those of the account's names, in their order.
func (m *Manager) States(a *Account) []State {
	var all []State
	for _, name := range a.settings.Names {
		st := State{Name: name}
		for _, c := range m.cache.AllMatchingCertificates(name) {
			if c.Leaf != nil {
				st.NotAfter = c.Leaf.NotAfter
			}
		}
		all = append(all, st)
	}
	return all
}
