package process

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// shell is what sets limits and LISTEN_PID between fork and exec, which os/exec
// leaves no room for. It replaces itself with the program, so that the process
// keeps its id, its group and its parent-death signal.
const shell = "/bin/sh"

// defaultPath is where programs are looked for when portico itself has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// sameProgram reports whether a child of a is as good as one of b: what differs
// can be changed while it runs.
func sameProgram(a, b *Config) bool {
	return slices.Equal(a.Command, b.Command) && a.Dir == b.Dir && maps.Equal(a.Env, b.Env) && a.User == b.User &&
		a.Pass == b.Pass && reflect.DeepEqual(a.Limits, b.Limits)
}

// path is the program's PATH.
func (c *Config) path() string {
	if p, ok := c.Env["PATH"]; ok {
		return p
	}
	if p := os.Getenv("PATH"); p != "" {
		return p
	}
	return defaultPath
}

// executable is the absolute path of the program.
func (c *Config) executable() (string, error) {
	name := c.Command[0]
	if strings.Contains(name, "/") {
		file, err := c.inDir(name)
		if err != nil {
			return "", err
		}
		return file, runnable(file)
	}
	for _, dir := range filepath.SplitList(c.path()) {
		if !filepath.IsAbs(dir) {
			continue // where one is, is no reason to run something
		}
		if file := filepath.Join(dir, name); runnable(file) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no program %q in %s", name, c.path())
}

// inDir is name as the program sees it.
func (c *Config) inDir(name string) (string, error) {
	if c.Dir != "" && !filepath.IsAbs(name) {
		name = filepath.Join(string(c.Dir), name)
	}
	return filepath.Abs(name)
}

func runnable(file string) error {
	fi, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case fi.IsDir():
		return fmt.Errorf("%s is a folder", file)
	case fi.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable", file)
	}
	return nil
}

// fingerprint changes when the program's file or a file among its arguments does.
func (c *Config) fingerprint() string {
	var b strings.Builder
	exe, err := c.executable()
	if err != nil {
		return err.Error()
	}
	for i, arg := range c.Command {
		file := exe
		if i > 0 {
			if file, err = c.inDir(arg); err != nil {
				continue
			}
		}
		if fi, err := os.Stat(file); err == nil && fi.Mode().IsRegular() {
			fmt.Fprintf(&b, "%d %d %d\n", i, fi.Size(), fi.ModTime().UnixNano())
		}
	}
	return b.String()
}

// environment is clean: nothing of portico's own but what is listed here.
func (c *Config) environment(who *user.User) []string {
	env := map[string]string{"PATH": c.path()}
	for _, name := range []string{"HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	if who != nil {
		env["HOME"], env["USER"], env["LOGNAME"] = who.HomeDir, who.Username, who.Username
	}
	maps.Copy(env, c.Env)
	list := make([]string, 0, len(env)+3)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// needsShell reports whether something is to be done between fork and exec.
func (c *Config) needsShell() bool { return c.Pass == passFD || c.Limits != (Limits{}) }

// build makes what starts the program at ep. Its output is not set yet.
func (c *Config) build(ep *endpoint) (*exec.Cmd, error) {
	exe, err := c.executable()
	if err != nil {
		return nil, err
	}
	var who *user.User
	attr := attributes()
	if c.User != "" {
		if who, err = user.Lookup(c.User); err != nil {
			return nil, fmt.Errorf("look up the user: %w", err)
		}
		if attr.Credential, err = c.credential(who); err != nil {
			return nil, err
		}
	}
	args := c.Command[1:]
	cmd := exec.Command(exe, args...)
	if c.needsShell() {
		cmd = exec.Command(shell, slices.Concat([]string{"-c", c.script(), "portico", exe}, args)...)
	}
	cmd.Dir, cmd.SysProcAttr = string(c.Dir), attr
	cmd.Env = append(c.environment(who), ep.env...)
	if ep.file != nil {
		cmd.ExtraFiles = []*os.File{ep.file} // becomes descriptor 3
	}
	return cmd, nil
}

// script is what the shell does before it becomes the program. $$ is the id of
// the process, which exec keeps: that is how LISTEN_PID can be right
// (sd_listen_fds(3) demands it).
func (c *Config) script() string {
	var lines []string
	limit := func(option string, value int64) {
		if value > 0 {
			lines = append(lines, "ulimit -"+option+" "+strconv.FormatInt(value, 10)+" || exit 126")
		}
	}
	limit("n", int64(c.Limits.Files))
	limit("t", int64((c.Limits.CPU+time.Second-1)/time.Second))
	limit("v", int64(c.Limits.Memory)/1024)
	if c.Pass == passFD {
		lines = append(lines, "LISTEN_PID=$$", "export LISTEN_PID")
	}
	return strings.Join(append(lines, `exec "$@"`), "\n")
}

// forbidden says why portico, as it runs, cannot start the program as who; nil if
// it can. portico's own user is no other one.
func (c *Config) forbidden(who *user.User) error {
	if who.Uid == strconv.Itoa(os.Geteuid()) {
		return nil
	}
	names := lacking(c.Pass == passSocket)
	if len(names) == 0 {
		return nil
	}
	remedy := "Run portico as root, give it these (docs/process.md, \"Another user\"), or take the option user out."
	if c.Pass == passSocket && len(lacking(false)) == 0 {
		remedy = `Take pass = "port" or "fd", which need no more than it has, or run portico as root.`
	}
	return fmt.Errorf("portico lacks %s and cannot start a program as %s. %s", strings.Join(names, ", "), who.Username, remedy)
}

// credential is what the program runs as. portico's own user needs none.
func (c *Config) credential(who *user.User) (*syscall.Credential, error) {
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the id of the user: %w", err)
	}
	if int(uid) == os.Geteuid() {
		return nil, nil
	}
	if err := c.forbidden(who); err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the group of the user: %w", err)
	}
	ids, err := who.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("look up the groups of the user: %w", err)
	}
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, id := range ids {
		g, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, errors.Join(errors.New("read the groups of the user"), err)
		}
		cred.Groups = append(cred.Groups, uint32(g))
	}
	return cred, nil
}
