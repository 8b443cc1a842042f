package hostcheck

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// UnitName is the systemd unit that the packages install.
const UnitName = "portico.service"

// unitTime bounds the question to systemd.
const unitTime = 3 * time.Second

// properties are what a Unit is asked for: what it grants, and with what
// environment the daemon reads its file.
var properties = []string{
	"LoadState", "ExecStart", "Environment", "EnvironmentFiles", "User", "AmbientCapabilities", "CapabilityBoundingSet", "SystemCallFilter",
	"ProtectHome", "ProtectSystem", "PrivateTmp", "StateDirectory", "RuntimeDirectory", "LogsDirectory", "CacheDirectory",
	"ReadWritePaths", "BindPaths", "BindReadOnlyPaths",
}

// A Unit is portico.service as it is installed, drop-ins included.
type Unit struct{ props map[string]string }

// FindUnit asks systemd for the unit. It is nil where none is installed, where
// there is no systemd, or where that does not answer.
func FindUnit(ctx context.Context) *Unit {
	ctx, cancel := context.WithTimeout(ctx, unitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemctl", "show", UnitName, "--property="+strings.Join(properties, ","))
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_PAGER=")
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	u := &Unit{map[string]string{}}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if name == "EnvironmentFiles" { // a line of each
			value = u.props[name] + value + "\n"
		}
		u.props[name] = value
	}
	if u.props["LoadState"] != "loaded" {
		return nil
	}
	return u
}

// packaged is the file that portico runs where none is named.
const packaged = "/etc/portico/config.hcl"

// Runs reports whether the unit is what runs the config file, by its absolute
// path.
func (u *Unit) Runs(file string) bool { return u.file() == file }

// file is what the unit's command line names, portico run FILE, else what its
// environment does, else the packaged one.
func (u *Unit) file() string {
	_, argv, _ := strings.Cut(u.props["ExecStart"], "argv[]=")
	argv, _, _ = strings.Cut(argv, " ;")
	file := cmp.Or(u.environment()["PORTICO_CONFIG"], packaged)
	var rest []string // besides flags
	args := words(argv)
	for i := 0; i < len(args); i++ {
		name, value, whole := strings.Cut(args[i], "=")
		switch name {
		case "--config", "-c", "--admin", "--var":
			if !whole && i+1 < len(args) {
				i++
				value = args[i]
			}
			if name == "--config" || name == "-c" {
				file = value
			}
		default:
			if !strings.HasPrefix(name, "-") {
				rest = append(rest, args[i])
			}
		}
	}
	if len(rest) > 2 {
		return rest[2]
	}
	return file
}

// environment is what Environment= and EnvironmentFile= set.
func (u *Unit) environment() map[string]string {
	vars := map[string]string{}
	for _, v := range words(u.props["Environment"]) {
		if name, value, ok := strings.Cut(v, "="); ok {
			vars[name] = value
		}
	}
	u.fromFiles(vars)
	return vars
}

// Getenv is getenv but for what the unit sets in the environment of its daemon, so
// that the file means what it means there. An EnvironmentFile= counts as far as the
// caller may read it.
func (u *Unit) Getenv(getenv func(string) string) func(string) string {
	vars := u.environment()
	for name, dirs := range map[string][]string{
		"STATE_DIRECTORY": u.below("/var/lib", "StateDirectory"), "RUNTIME_DIRECTORY": u.below("/run", "RuntimeDirectory"),
		"LOGS_DIRECTORY": u.below("/var/log", "LogsDirectory"), "CACHE_DIRECTORY": u.below("/var/cache", "CacheDirectory"),
		"CREDENTIALS_DIRECTORY": {"/run/credentials/" + UnitName},
	} {
		vars[name] = strings.Join(dirs, ":")
	}
	return func(name string) string {
		if v, ok := vars[name]; ok {
			return v
		}
		return getenv(name)
	}
}

// below are the folders of a property that systemd makes below root.
func (u *Unit) below(root, property string) (dirs []string) {
	for _, d := range words(u.props[property]) {
		d, _, _ = strings.Cut(d, ":") // a symbolic link to it may follow
		dirs = append(dirs, filepath.Join(root, d))
	}
	return dirs
}

// grants reports whether the daemon has a capability, and may make the system
// calls that it is for.
func (u *Unit) grants(capability string) bool {
	granted := u.props["CapabilityBoundingSet"]
	name := strings.ToLower(capability)
	if user := u.props["User"]; user != "" && user != "root" && user != "0" {
		granted = commonWords(granted, u.props["AmbientCapabilities"])
	}
	return slices.Contains(strings.Fields(granted), name) && u.callable(syscallsOf[name])
}

// syscallsOf are the system calls that a capability is no good without.
var syscallsOf = map[string][]string{
	"cap_setuid": {"setuid"}, "cap_setgid": {"setgid", "setgroups"}, "cap_chown": {"fchownat"},
}

// callable reports whether the unit's filter lets calls through.
func (u *Unit) callable(calls []string) bool {
	filter := u.props["SystemCallFilter"]
	forbidden, deny := strings.CutPrefix(filter, "~")
	listed := strings.Fields(forbidden)
	for _, call := range calls {
		if filter != "" && slices.Contains(listed, call) == deny {
			return false
		}
	}
	return true
}

func commonWords(a, b string) string {
	in := strings.Fields(b)
	return strings.Join(slices.DeleteFunc(strings.Fields(a), func(w string) bool { return !slices.Contains(in, w) }), " ")
}

// homes are what ProtectHome= is about.
var homes = []string{"/home", "/root", "/run/user"}

// hides says by which setting the daemon cannot see path, or sees another one of
// that name; empty: it does.
func (u *Unit) hides(path string) string {
	if under(path, u.bound("BindPaths", "BindReadOnlyPaths")...) {
		return ""
	}
	switch home := u.props["ProtectHome"]; {
	case (home == "yes" || home == "tmpfs") && under(path, homes...):
		return "ProtectHome=" + home
	case u.props["PrivateTmp"] == "yes" && under(path, "/tmp", "/var/tmp"):
		return "PrivateTmp=yes"
	}
	return ""
}

// writable reports whether path is where the unit lets the daemon write, whatever
// it seals.
func (u *Unit) writable(path string) bool {
	open := slices.Concat(u.below("/var/lib", "StateDirectory"), u.below("/run", "RuntimeDirectory"), u.below("/var/log", "LogsDirectory"),
		u.below("/var/cache", "CacheDirectory"), words(u.props["ReadWritePaths"]), u.bound("BindPaths"), []string{"/dev", "/proc", "/sys"})
	for i, p := range open {
		open[i] = strings.TrimLeft(p, "+-") // they say what if it is missing
	}
	return under(path, open...) || u.props["PrivateTmp"] == "yes" && under(path, "/tmp", "/var/tmp")
}

// sealed are the folders that ProtectSystem= makes read-only, besides homes.
var sealed = map[string][]string{"strict": {"/"}, "full": {"/usr", "/boot", "/efi", "/etc"}, "yes": {"/usr", "/boot", "/efi"}}

// seals says by which setting the daemon cannot write to path; empty: it may, as
// far as the unit goes.
func (u *Unit) seals(path string) string {
	if u.writable(path) {
		return ""
	}
	home, system := u.props["ProtectHome"], u.props["ProtectSystem"]
	switch inHome := under(path, homes...); {
	case inHome && home == "read-only":
		return "ProtectHome=" + home
	case !inHome && under(path, sealed[system]...):
		return "ProtectSystem=" + system
	}
	return ""
}

// bound are the places that properties like BindPaths= put something at.
func (u *Unit) bound(properties ...string) (places []string) {
	for _, p := range properties {
		for _, w := range words(u.props[p]) {
			parts := strings.Split(w, ":")
			places = append(places, parts[min(1, len(parts)-1)])
		}
	}
	return places
}

// under reports whether path is one of dirs or below one.
func under(path string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		return dir == "/" || path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
	})
}

// words splits a list as systemctl prints it: by spaces, but for those in double
// quotes.
func words(list string) []string {
	quoted := false
	all := strings.FieldsFunc(list, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i, w := range all {
		all[i] = strings.ReplaceAll(w, `"`, "")
	}
	return all
}
