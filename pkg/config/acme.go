package config

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/settings"
)

// Validate implements settings.Validator.
func (a *acmeBlock) Validate() (err error) {
	if at := strings.IndexByte(a.Email, '@'); a.Email != "" && (at < 1 || at == len(a.Email)-1 || strings.ContainsAny(a.Email, " ,;<>\t\r\n")) {
		err = errors.Join(err, &settings.Error{
			Attr: "email", Summary: fmt.Sprintf("%q is not an e-mail address", a.Email), Detail: `Write one address, like "ops@example.org".`,
		})
	}
	if (a.KeyID == "") != (a.MACKey == "") {
		err = errors.Join(err, &settings.Error{
			Attr: "key_id", Summary: "An external account has two parts", Detail: "Give both key_id and mac_key, as the CA gave them to you, or neither.",
		})
	}
	if _, bad := base64.RawURLEncoding.DecodeString(strings.TrimRight(a.MACKey.Reveal(), "=")); bad != nil {
		err = errors.Join(err, &settings.Error{
			Attr: "mac_key", Summary: "The key is not base64url", Detail: "Copy it as the CA shows it: letters, digits, - and _.",
		})
	}
	for _, p := range []struct {
		attr string
		port int
	}{{"http_port", a.HTTPPort}, {"tls_port", a.TLSPort}} {
		if p.port < 1 || p.port > 65535 {
			err = errors.Join(err, &settings.Error{Attr: p.attr, Summary: fmt.Sprintf("%d is not a port", p.port), Detail: "It is a number from 1 to 65535."})
		}
	}
	if a.Roots == "" {
		return err
	}
	pem, readErr := readPEM("roots", a.Roots)
	if readErr == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		readErr = noCertificate("roots", a.Roots)
	}
	return errors.Join(err, readErr)
}

// acmeAccount checks an acme block by itself.
func (l *loader) acmeAccount(raw *acmeBlock) *ACME {
	a := &ACME{
		Email: raw.Email, Roots: string(raw.Roots), KeyID: raw.KeyID, MACKey: raw.MACKey, Directory: raw.Directory.Value,
		Names: l.patterns(raw.Names, "name", plainName), OnDemand: l.patterns(raw.OnDemand, "name", hostPattern),
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		l.errorf(raw.Directory.At, "Invalid directory", "Write the URL that the CA names, like \"https://acme.example.org/directory\".")
	}
	l.accounts = append(l.accounts, account{raw: raw, acme: a})
	return a
}

// plainName checks a name that a certificate can be obtained for.
func plainName(s string) (norm, remedy string) {
	norm, remedy = hostPattern(s)
	switch _, err := netip.ParseAddr(norm); {
	case remedy != "":
		return "", remedy
	case err == nil:
		return "", "Certificates are obtained for names, not for addresses."
	case strings.HasPrefix(norm, "*"):
		return "", "A pattern needs a challenge by DNS, which is not offered. Write the names, or put the pattern into on_demand."
	}
	return norm, ""
}

// An account is an acme block that waits for all listeners to be known.
type account struct {
	raw  *acmeBlock
	acme *ACME
}

// challenges finds the names of each account, and the listeners that the CA's
// questions arrive at.
func (l *loader) challenges() {
	for _, acc := range l.accounts {
		for i := range l.cfg.Listeners {
			ln := &l.cfg.Listeners[i]
			if ln.TLS != nil && ln.TLS.ACME == acc.acme {
				acc.acme.Names = l.routedNames(acc, ln)
			}
			for _, a := range ln.Addresses {
				switch {
				case a.Network != "tcp":
				case ln.TLS == nil && a.Port == acc.raw.HTTPPort:
					acc.acme.HTTP = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
				case ln.TLS != nil && ln.TLS.ACME == acc.acme && a.Port == acc.raw.TLSPort:
					acc.acme.TLS = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
				}
			}
		}
		l.reachable(acc)
	}
}

// reachable reports an account that can obtain nothing.
func (l *loader) reachable(acc account) {
	if acc.acme.HTTP == "" && acc.acme.TLS == "" {
		l.errorf(acc.raw.Range, "The CA cannot check the names",
			"It asks at port 80 or 443 of each name, and no listener is there: neither a plain one on port %d nor this one on port %d. "+
				"Add one; or, where a router or load balancer leads these ports elsewhere, name that port in http_port or tls_port.",
			acc.raw.HTTPPort, acc.raw.TLSPort)
	}
	if len(acc.acme.Names) == 0 && len(acc.acme.OnDemand) == 0 {
		l.errorf(acc.raw.Range, "ACME without a name",
			"No route of the listener has a host. Say what the certificates are for: names = [\"www.example.org\"].")
	}
}

// routedNames are the names that routes of ln match, beside those of the block.
func (l *loader) routedNames(acc account, ln *Listener) []string {
	names := slices.Clone(acc.acme.Names)
	for _, r := range ln.Routes {
		for _, name := range slices.Concat(r.Hosts, r.SNI) {
			if slices.Equal(r.Protocols, []string{"tls"}) {
				continue // passed on; who gets it has the certificate
			}
			norm, remedy := plainName(name)
			switch {
			case remedy == "":
				names = append(names, norm)
			case strings.HasPrefix(name, "*") && !slices.Contains(acc.acme.OnDemand, name):
				l.warnf(r.Range, fmt.Sprintf("There is no certificate for %q", name),
					"A pattern needs a challenge by DNS, which is not offered. Write on_demand = [%q] in the acme block: names get one when first asked for.", name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
