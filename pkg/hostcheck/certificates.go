package hostcheck

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/porticod/portico/pkg/acme"
	"github.com/porticod/portico/pkg/config"
)

// certificates looks at how long files are good, and whether what a CA gives is
// there.
func (h Host) certificates(cfg *config.Config) (all []Finding) {
	for _, l := range cfg.Listeners {
		if l.TLS == nil {
			continue
		}
		for _, c := range l.TLS.Certificates {
			all = append(all, h.certificate(c))
		}
		if l.TLS.ACME != nil {
			for _, n := range l.TLS.ACME.Names {
				all = append(all, h.managed(acme.Folder(cfg.DataDir), l.TLS.ACME.Directory, n))
			}
		}
	}
	return all
}

// soon is when people should have renewed what nobody renews for them.
const soon = 14 * 24 * time.Hour

func (h Host) certificate(c config.Certificate) Finding {
	f := Finding{Check: "certificate " + filepath.Base(c.File), Level: OK}
	pair, err := tls.LoadX509KeyPair(c.File, c.Key)
	var leaf *x509.Certificate
	if err == nil {
		leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	if err != nil {
		f.Level, f.Found, f.Remedy = Fail, "cannot be read: "+err.Error(), "Restore "+c.File+" and its key."
		return f
	}
	f.Level, f.Found = h.lasts(leaf, soon)
	switch f.Level {
	case Fail:
		f.Remedy = "Clients refuse it. Put a new one in its place; it is taken within seconds, without a reload."
	case Warn:
		f.Remedy = "Renew it now; a new file is taken within seconds. Or let an acme block do it."
	}
	return f
}

// lasts says how long a certificate is good. Less than enough is worth a warning.
func (h Host) lasts(leaf *x509.Certificate, enough time.Duration) (level, found string) {
	left, day := leaf.NotAfter.Sub(h.Now()), leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case left < 0:
		return Fail, "expired on " + day
	case left < enough:
		return Warn, fmt.Sprintf("good until %s, %d days", day, int(left.Hours()/24))
	}
	return OK, "good until " + day
}

// managed looks at what the daemon keeps of a CA. It renews in the last third of
// a certificate's life, so that in the last sixth something is wrong.
func (h Host) managed(dir, directory, name string) Finding {
	f := Finding{Check: "certificate " + name, Level: Warn}
	const why = "The log says why (journalctl -u portico): as a rule the name leads elsewhere, or the CA does not get through to port 80 or 443."
	leaf, err := acme.Stored(dir, directory, name)
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.Found, f.Remedy = "it belongs to another user", "Run portico check as that user or as root."
		return f
	case errors.Is(err, fs.ErrNotExist):
		f.Found, f.Remedy = "the CA has given none yet", "Without it no client gets in by TLS. Start portico and wait a minute. "+why
		return f
	case err != nil:
		f.Level, f.Found, f.Remedy = Fail, "cannot be read: "+err.Error(), "Remove the file and restart portico, which asks the CA for another."
		return f
	}
	f.Level, f.Found = h.lasts(leaf, leaf.NotAfter.Sub(leaf.NotBefore)/6)
	if f.Level != OK {
		f.Remedy = "It should have been renewed by now. " + why
	}
	return f
}
