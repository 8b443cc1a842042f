package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/porticod/portico/pkg/settings"
)

const maxDrain = 24 * time.Hour

// one decodes a single attribute of the top level over what into has. into
// points to a struct with the field for it.
func (l *loader) one(name string, into any) (at hcl.Range) {
	a := l.attribute(name)
	if a == nil {
		return hcl.Range{}
	}
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: a.Range}
	for _, p := range l.parts {
		if p.content.Attributes[name] == a {
			body.Attributes[name] = p.body.Attributes[name]
		}
	}
	l.add(settings.Decode(body, l.contextFor(a, nil), into))
	return a.Expr.Range()
}

// dataDir finds data_dir, the first value of all.
func (l *loader) dataDir() {
	var v struct {
		DataDir settings.Path `hcl:"data_dir,optional"`
	}
	l.cfg.places["data_dir"] = l.one("data_dir", &v)
	l.cfg.DataDir = defaultDataDir(string(v.DataDir), l.opt.Getenv, l.cfg.File)
}

func defaultDataDir(set string, getenv func(string) string, file string) string {
	if set != "" {
		return set
	}
	if dir := firstOf(getenv("STATE_DIRECTORY")); dir != "" {
		return dir
	}
	return filepath.Join(filepath.Dir(file), "data")
}

func defaultSocket(set string, getenv func(string) string, dataDir string) string {
	if set != "" {
		return set
	}
	if dir := firstOf(getenv("RUNTIME_DIRECTORY")); dir != "" {
		return filepath.Join(dir, "admin.sock")
	}
	return filepath.Join(dataDir, "admin.sock")
}

// firstOf is the first folder of a list as systemd sets it.
func firstOf(dirs string) string {
	dir, _, _ := strings.Cut(dirs, ":")
	return dir
}

// top decodes what stands once and outside of services and listeners.
func (l *loader) top() {
	v := struct {
		Drain time.Duration `hcl:"drain,optional"`
	}{defaultFile().Drain}
	if at := l.one("drain", &v); v.Drain > maxDrain {
		l.errorf(at, "The drain time is too long", "It is at most \"24h\": a stop waits for as long.")
	}
	l.cfg.Drain = v.Drain

	log := defaultLog()
	l.cfg.places["log"] = l.single("log", &log)
	l.cfg.Log = Log{Level: log.Level, Format: log.Format, Access: Access{
		File: string(log.Access.File), Format: log.Access.Format, Off: log.Access.Off,
	}}

	accounts := defaultAccounts()
	l.single("accounts", &accounts)
	l.cfg.Accounts.Registration = accounts.Registration.Value
	l.registration = accounts.Registration.At

	limits := limitsBlock{Connections: defaultConnections(), Memory: defaultMemory(), PictureMemory: defaultPictureMemory()}
	l.single("limits", &limits)
	l.cfg.Limits = GlobalLimits(limits)

	l.storage()
	l.admin()
}

func (l *loader) admin() {
	var a adminBlock
	at := l.single("admin", &a)
	l.cfg.places["admin"] = at
	if at.Filename == "" {
		at = hcl.Range{Filename: l.cfg.File, Start: hcl.InitialPos, End: hcl.InitialPos}
	}
	l.cfg.Admin = Admin{
		Socket: defaultSocket(string(a.Socket), l.opt.Getenv, l.cfg.DataDir), Address: a.Address.Value, Public: a.Public,
	}
	if remedy := checkSocketPath(l.cfg.Admin.Socket); remedy != "" {
		l.errorf(at, fmt.Sprintf("The admin socket %s cannot be made", l.cfg.Admin.Socket), "%s", remedy)
	}
	l.take(claim{addr: Address{Network: "unix", Host: l.cfg.Admin.Socket}, who: "the admin socket", at: at})
	if a.Address.Value == "" {
		return
	}
	addr, remedy := parseAddress(a.Address.Value, a.Address.At.Filename)
	switch {
	case remedy != "":
		l.errorf(a.Address.At, fmt.Sprintf("Invalid address %q", a.Address.Value), "%s", remedy)
		return
	case addr.Network != "tcp":
		l.errorf(a.Address.At, "The admin address is not host and port", "For a unix socket use socket; address is like \"127.0.0.1:9090\".")
		return
	case !addr.Loopback() && !a.Public:
		l.errorf(a.Address.At, "The admin address lies beyond loopback",
			"Whoever reaches it sees metrics and connections without a password. Use \"127.0.0.1:%d\", or write public = true beside it if that is meant.", addr.Port)
	}
	l.cfg.Admin.Address = addr.String()
	l.take(claim{addr: addr, who: "the admin address", at: a.Address.At})
}
