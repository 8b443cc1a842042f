package systemd

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

// Where root keeps what the unit is told, for root's eyes alone.
const (
	secretsDir = "/etc/portico-secrets"
	secretFile = secretsDir + "/word"
	sealedFile = secretsDir + "/sealed.cred"
	envFile    = secretsDir + "/env"
)

// secrets has the file read secrets that systemd hands over, and variables of a
// file of root's: each process sees what there was at its start, whatever a reload
// does.
func (d *driving) secrets() error {
	const dropIn = "/run/systemd/system/portico.service.d"
	unit := "[Service]\nLoadCredential=word:" + secretFile + "\nSetCredential=set:of the unit\nEnvironmentFile=" + envFile + "\n"
	sealed := ""
	if err := errors.Join(os.MkdirAll(secretsDir, 0o700), os.MkdirAll(dropIn, 0o755), keep(secretFile, "one\n"), keep(envFile, "PORTICO_VAR_ip='first'\n")); err != nil {
		return err
	}
	if _, err := exec.LookPath("systemd-creds"); err == nil { // since 250
		sealed = "under seal"
		if err := seal(sealed); err != nil {
			return err
		}
		unit += "LoadCredentialEncrypted=sealed:" + sealedFile + "\n"
	}
	if err := errors.Join(os.WriteFile(dropIn+"/secrets.conf", []byte(unit), 0o644), run("systemctl", "daemon-reload")); err != nil {
		return err
	}
	sees := func(word, ip string) error {
		return shows(word + ", of the unit, " + cmp.Or(sealed, "none") + ", " + ip)
	}
	for _, step := range []struct {
		name string
		do   func() error
		see  func() error
	}{
		{"a start", func() error { return d.use(d.telling("start", sealed), "restart") }, func() error { return sees("one", "first") }},
		{"a reload after they changed", func() error {
			return errors.Join(keep(secretFile, "two\n"), keep(envFile, "PORTICO_VAR_ip=\"sec\\\"ond\"\n"), d.use(d.telling("reload", sealed), "reload"))
		}, func() error { return sees("one", "first") }},
		{"a restart", func() error { return d.restart(0) }, func() error { return sees("two", `sec"ond`) }},
		{"a restart with a bad file", func() error {
			return errors.Join(keep(secretFile, "three\n"), d.use("listener {", "restart"))
		}, func() error { return sees("three", `sec"ond`) }},
		{"an upgrade", func() error {
			return errors.Join(d.use(d.telling("upgrade", sealed), "reload"), d.another(), keep(secretFile, "four\n"), d.unpack("b"), running("1.0.b"))
		}, func() error { return sees("four", `sec"ond`) }},
		{"a start without a file", d.secretIsMissing, func() error { return sees("four", `sec"ond`) }},
		{"the build of before", func() error { return errors.Join(d.unpack("a"), running("1.0.a")) }, func() error { return sees("four", `sec"ond`) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := step.see(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if found := lines("of the unit"); found != "" {
		return fmt.Errorf("the journal has a secret:\n%s", found)
	}
	return errors.Join(os.RemoveAll(dropIn), os.RemoveAll(secretsDir), run("systemctl", "daemon-reload"), d.use(d.config("the usual"), "restart"))
}

// secretIsMissing restarts where systemd does not find what it is to hand over: it
// starts nothing, and tries on; clients wait, for the sockets are kept.
func (d *driving) secretIsMissing() error {
	if err := os.Rename(secretFile, secretFile+".away"); err != nil {
		return err
	}
	if err := run("systemctl", "restart", "portico"); err == nil {
		return errors.New("systemd started it all the same")
	}
	answered := make(chan error, 1)
	go func() { answered <- once("tcp", web) }()
	if err := errors.Join(stored(sockets+1), os.Rename(secretFile+".away", secretFile), <-answered); err != nil {
		return fmt.Errorf("who waited: %w", err)
	}
	return eventually("portico runs again", func() bool { return show("ActiveState") == "active" })
}

// another is a process that runs the other build, so that an upgrade to b is one.
func (d *driving) another() error {
	if running("1.0.b") != nil {
		return nil
	}
	return d.unpack("a")
}

// keep writes a file for root's eyes.
func keep(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// seal encrypts a secret with the machine's own key.
func seal(text string) error {
	cmd := exec.Command("systemd-creds", "encrypt", "--with-key=host", "--name=sealed", "-", sealedFile)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("systemd-creds encrypt: %w\n%s", err, out)
	}
	return nil
}

// telling is the usual config, and a listener that tells what it should not.
func (d *driving) telling(comment, sealed string) string {
	last := `"none"`
	if sealed != "" {
		last = `secret("sealed")`
	}
	return d.config(comment) + `
variable "ip" {}
service "respond" "told" {
  headers = { "X-Told" = "${secret("word")}, ${secret("set")}, ${` + last + `}, ${var.ip}" }
}
listener "told" {
  address = "` + moved + `"
  service = service.respond.told
}
`
}

// shows compares what the listener tells.
func shows(want string) error {
	res, err := http.Get("http://" + moved)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if got := res.Header.Get("X-Told"); got != want {
		return fmt.Errorf("portico sees %q, want %q", got, want)
	}
	return nil
}
