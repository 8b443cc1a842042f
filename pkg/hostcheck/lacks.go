package hostcheck

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/ambient"
	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/settings"
)

// Lacks finds what the config needs and the one who runs it does not have: the
// unit, if it is not nil; else this process as it is. It looks at nothing else
// of the machine. Each finding is a warning: who looks at a file need not be who
// runs it.
func Lacks(cfg *config.Config, u *Unit) []Finding {
	if u == nil {
		return ownLacks(cfg)
	}
	found := u.capabilities(cfg)
	if u.Runs(cfg.File) { // the paths of another file may be a draft's
		found = append(append(append(found, u.ports(cfg)...), u.reading(cfg)...), u.writing(cfg)...)
	}
	return found
}

// ownLacks is about the rights of this process.
func ownLacks(cfg *config.Config) (all []Finding) {
	for _, s := range cfg.Services {
		n := s.Needs()
		if n.User == "" || sameUser(n.User, strconv.Itoa(os.Geteuid())) {
			continue
		}
		if missing := without(n.Capabilities, ambient.Has); len(missing) > 0 {
			all = append(all, Finding{
				Check: "rights", Level: Warn, At: cfg.Place("service." + s.Ref().String()),
				Found:  fmt.Sprintf("as it runs now, portico lacks %s: service.%s cannot become the user %s", strings.Join(missing, ", "), s.Ref(), n.User),
				Remedy: sentences("This may differ for the daemon: run it as root, or give it these (docs/process.md, \"Another user\").", n.Remedy),
			})
		}
	}
	return all
}

const (
	dropIns = "/usr/share/doc/portico/drop-ins"
	overlay = "/etc/systemd/system/" + UnitName + ".d/"
	again   = "systemctl daemon-reload && systemctl restart portico"
)

// install is how to install a drop-in; edit is what to write into it first.
func install(dropIn, edit string) string {
	if edit != "" {
		edit = ", with " + edit
	}
	return fmt.Sprintf("Install the drop-in %s/%s in %s%s; then: %s.", dropIns, dropIn, overlay, edit, again)
}

func (u *Unit) finding(at hcl.Range, remedy, format string, args ...any) Finding {
	return Finding{Check: "unit", Level: Warn, At: at, Found: "the unit " + UnitName + " " + fmt.Sprintf(format, args...), Remedy: remedy}
}

func (u *Unit) capabilities(cfg *config.Config) (all []Finding) {
	for _, s := range cfg.Services {
		n := s.Needs()
		if n.User == "" || sameUser(n.User, u.props["User"]) {
			continue
		}
		if missing := without(n.Capabilities, u.grants); len(missing) > 0 {
			all = append(all, u.finding(cfg.Place("service."+s.Ref().String()), sentences(install("process-user.conf", ""), n.Remedy),
				"lacks %s: service.%s cannot become the user %s", strings.Join(missing, ", "), s.Ref(), n.User))
		}
	}
	return all
}

// ports finds those that only CAP_NET_BIND_SERVICE binds.
func (u *Unit) ports(cfg *config.Config) (all []Finding) {
	const bind = "CAP_NET_BIND_SERVICE"
	if u.grants(bind) {
		return nil
	}
	free := freePort()
	remedy := fmt.Sprintf("The unit of the package has AmbientCapabilities=%s and CapabilityBoundingSet=%s: write both by systemctl edit portico, or take a port from %d.", bind, bind, free)
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		for _, a := range l.Addresses {
			if a.Port > 0 && a.Port < free {
				all = append(all, u.finding(l.Range, remedy, "lacks %s: listener %q cannot bind %s", bind, l.Name, a))
			}
		}
	}
	if _, port, err := net.SplitHostPort(cfg.Admin.Address); err == nil {
		if n, err := strconv.Atoi(port); err == nil && n > 0 && n < free {
			all = append(all, u.finding(cfg.Place("admin"), remedy, "lacks %s: the admin address %s cannot be bound", bind, cfg.Admin.Address))
		}
	}
	return all
}

// freePort is the first port that everybody may bind.
func freePort() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, bad := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && bad == nil {
		return n
	}
	return 1024
}

// reading finds files and folders that the daemon cannot see.
func (u *Unit) reading(cfg *config.Config) (all []Finding) {
	look := func(at hcl.Range, who string, path string) {
		path = durable.Real(path)
		switch by := u.hides(path); {
		case by == "PrivateTmp=yes":
			all = append(all, u.finding(at, "Move it to a place such as /srv.", "has a /tmp of its own (%s): %s cannot read %s", by, who, path))
		case by != "":
			all = append(all, u.finding(at, install("home.conf", "")+" The user portico has to be allowed to read it, too.", "hides %s (%s), which %s reads", path, by, who))
		}
	}
	for _, f := range cfg.Files {
		look(hcl.Range{}, "the daemon", f)
	}
	for _, s := range cfg.Services {
		who, paths := "service."+s.Ref().String(), s.Needs().Files
		for _, p := range settings.Paths(s.Config) {
			paths = append(paths, string(p))
		}
		slices.Sort(paths)
		for _, p := range slices.Compact(paths) {
			look(cfg.Place(who), who, p)
		}
	}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		for _, p := range tlsFiles(l.TLS) {
			look(l.Range, fmt.Sprintf("listener %q", l.Name), p)
		}
	}
	return all
}

func tlsFiles(t *config.TLS) (files []string) {
	if t == nil {
		return nil
	}
	for _, c := range t.Certificates {
		files = append(files, c.File, c.Key)
	}
	if t.ClientCA != "" {
		files = append(files, t.ClientCA)
	}
	if t.ACME != nil && t.ACME.Roots != "" {
		files = append(files, t.ACME.Roots)
	}
	return files
}

// writing finds folders that the daemon cannot write to.
func (u *Unit) writing(cfg *config.Config) (all []Finding) {
	look := func(at hcl.Range, what, dir string) {
		dir = durable.Real(dir)
		if by := u.hides(dir); by != "" {
			all = append(all, u.finding(at, "Move it to /var/lib/portico or /run/portico.", "hides %s (%s) or has one of its own, where %s lies", dir, by, what))
		} else if by := u.seals(dir); by != "" {
			all = append(all, u.finding(at, install("writable.conf", "ReadWritePaths="+dir)+" The folder has to be there, and to be the user portico's.",
				"lets nobody write to %s (%s), where %s lies", dir, by, what))
		}
	}
	look(cfg.Place("data_dir"), "data_dir", cfg.DataDir)
	if dir := filepath.Dir(cfg.Admin.Socket); !under(dir, cfg.DataDir) {
		look(cfg.Place("admin"), "the admin socket", dir)
	}
	if f := cfg.Log.Access.File; f != "" && !under(f, cfg.DataDir) {
		look(cfg.Place("log"), "the access log", filepath.Dir(f))
	}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		for _, a := range l.Addresses {
			if a.Network == "unix" && !under(a.Host, cfg.DataDir) {
				look(l.Range, fmt.Sprintf("the socket of listener %q", l.Name), filepath.Dir(a.Host))
			}
		}
	}
	return all
}

// without are those of names that has does not know.
func without(names []string, has func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(names), has)
}

// sameUser reports whether two names or ids are one user's; the empty one is root.
func sameUser(a, b string) bool { return userID(a) == userID(b) }

func userID(name string) string {
	if name == "" {
		return "0"
	}
	if u, err := user.Lookup(name); err == nil {
		return u.Uid
	}
	return name
}

func sentences(all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), " ")
}
