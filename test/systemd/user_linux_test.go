package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rights are the drop-in of docs/operations.md for programs that have a user of
// their own.
const rights = `[Service]
AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL
SystemCallFilter=@setuid
`

// A program that answers as portico does: it is one.
const childConfig = `
data_dir = "/tmp/child"
service "respond" "web" { body = "%s\n" }
listener "web" {
  address = "127.0.0.1:${env("PORT", "0")}"
  service = service.respond.web
}
`

// otherUser has a program run as somebody else, with no right of portico's, and
// be ended by a reload.
func (d *driving) otherUser() error {
	const child, dropIn = "/etc/child.hcl", "/run/systemd/system/portico.service.d"
	if err := errors.Join(
		os.WriteFile(child, fmt.Appendf(nil, childConfig, strings.TrimSpace(answer)), 0o644),
		os.MkdirAll(dropIn, 0o755),
		os.WriteFile(dropIn+"/users.conf", []byte(rights), 0o644),
		run("systemctl", "daemon-reload"),
	); err != nil {
		return err
	}
	file := d.config("users") + `
service "process" "child" {
  command = ["/usr/bin/portico", "run", "` + child + `"]
  user    = "daemon"
}
listener "child" {
  address = "` + moved + `"
  service = service.process.child
}
`
	if err := d.use(file, "restart"); err != nil {
		return err
	}
	if err := eventually("the program answers", func() bool { return once("tcp", moved) == nil }); err != nil {
		return err
	}
	status, err := statusOf(child)
	if err != nil {
		return err
	}
	for _, want := range []string{"Uid:\t1\t1\t1\t1\n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapAmb:\t0000000000000000\n"} {
		if !strings.Contains(status, want) {
			return fmt.Errorf("the program's status has no %q:\n%s", want, status)
		}
	}
	if err := d.use(d.config("no users"), "reload"); err != nil {
		return err
	}
	if err := eventually("the program ended", func() bool { _, err := statusOf(child); return err != nil }); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dropIn), os.Remove(child), run("systemctl", "daemon-reload"), d.use(d.config("the usual"), "restart"))
}

// statusOf is the status of the process that has an argument.
func statusOf(arg string) (string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && strings.Contains(string(b), "\x00"+arg+"\x00") {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
			return string(b), err
		}
	}
	return "", fmt.Errorf("no process has the argument %s", arg)
}
