package systemd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	web     = "127.0.0.1:80"
	webUnix = "/run/portico/web.sock"
	echo    = "127.0.0.1:8081"
	chat    = "127.0.0.1:3001"
	photos  = "127.0.0.1:2001"
)

// sockets is how many the config has.
const sockets = 6

// config is the usual config; comment makes it another one.
func (d *driving) config(comment string) string {
	return `# ` + comment + `
accounts { registration = "open" }
log {
  access { off = true }
}
service "respond" "web" { body = "` + strings.TrimSpace(answer) + `\n" }
service "echo" "mirror" {}
service "chat" "talk" {
  drain = "` + d.plan.Spread.String() + `"
  limits { connections = 1000 }
}
service "photos" "snaps" {
  limits { requests = 10000000 }
}
listener "web" {
  address = ["` + web + `", "unix:` + webUnix + `"]
  service = service.respond.web
  limits { connections = ` + strconv.Itoa(1000+len(comment)) + ` }
}
listener "mirror" {
  address = "` + echo + `"
  service = service.echo.mirror
}
listener "talk" {
  address = "` + chat + `"
  service = service.chat.talk
}
listener "snaps" {
  address = "` + photos + `"
  service = service.photos.snaps
}
listener "secure" {
  address = "` + secure + `"
  service = service.respond.web
  tls { self_signed = true }
  route {
    path    = "/v1/*"
    service = service.chat.talk
  }
}
`
}

// drive is the test's side in the container: dir is the folder that both share.
func drive(dir string) {
	d := &driving{dir: dir, uploads: &uploads{photos: "http://" + photos, chat: "http://" + chat}}
	if err := d.run(); err != nil {
		d.report.Error = err.Error()
	}
	journal, _ := exec.Command("journalctl", "--no-pager", "-o", "short-precise", "-u", "portico").Output()
	_ = os.WriteFile(filepath.Join(dir, "journal"), journal, 0o644)
	b, err := json.MarshalIndent(d.report, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "report.json"), b, 0o644)
	}
	if err != nil {
		fmt.Println(err)
	}
}

type driving struct {
	dir     string
	plan    Plan
	load    load
	chats   *chats
	uploads *uploads
	report  Report
}

func (d *driving) run() error {
	b, err := os.ReadFile(filepath.Join(d.dir, "plan.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &d.plan); err != nil {
		return err
	}
	if err := d.install(); err != nil {
		return err
	}
	if err := d.installBare(); err != nil {
		return err
	}
	if err := d.underLoad(); err != nil {
		return err
	}
	if err := d.edges(); err != nil {
		return err
	}
	if err := d.purge(); err != nil {
		return err
	}
	return d.rpm()
}

// underLoad lets everything happen under load.
func (d *driving) underLoad() error {
	d.uploads.rest = d.plan.Rest
	d.chats = &chats{url: "http://" + chat, tls: d.load.secure.pin.config(), pace: d.plan.Pace}
	if err := d.chats.start(d.plan.Users, d.plan.Devices, d.plan.Secure); err != nil {
		return fmt.Errorf("start the chats: %w", err)
	}
	if err := d.uploads.start(); err != nil {
		return fmt.Errorf("start the uploads: %w", err)
	}
	if _, _, err := d.settle(); err != nil {
		return err
	}
	d.chats.write()
	d.load.start(web, webUnix)
	defer d.load.end()
	for _, e := range []event{
		{"reload", d.plan.Reloads, d.reload, false, nil},
		{"restart", d.plan.Restarts, d.restart, true, restartBare},
		{killed, d.plan.Kills, d.kill, true, killBare},
		{"upgrade", d.plan.Upgrades, d.upgrade, true, restartBare},
	} {
		if err := d.phase(e); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if err := d.endUploads(); err != nil {
		return fmt.Errorf("uploads: %w", err)
	}
	if err := d.crowd(); err != nil {
		return fmt.Errorf("a crowd: %w", err)
	}
	d.endChats()
	return nil
}

func (d *driving) endChats() {
	acked, lost, faults := d.chats.end()
	d.report.Acked, d.report.Lost, d.report.Faults = d.report.Acked+acked, d.report.Lost+lost, append(d.report.Faults, faults...)
}

// crowd restarts with very many WebSockets.
func (d *driving) crowd() error {
	if d.plan.CrowdUsers == 0 {
		return nil
	}
	d.endChats()
	d.chats = &chats{url: "http://" + chat, tls: d.load.secure.pin.config(), prefix: "crowd", pace: 2 * time.Second}
	if err := d.chats.start(d.plan.CrowdUsers, d.plan.CrowdDevices, d.plan.CrowdSecure); err != nil {
		return err
	}
	if _, _, err := d.settle(); err != nil {
		return err
	}
	d.chats.write()
	return d.phase(event{crowded, d.plan.Restarts, d.restart, true, restartBare})
}

// unpack installs a build of the package.
func (d *driving) unpack(name string) error {
	debs, err := filepath.Glob(filepath.Join(d.dir, "portico_1.0."+name+"_*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("packages of build %s: %v, %v", name, debs, err)
	}
	return run("dpkg", "-i", debs[0])
}

// install brings portico in. It runs then, with the config of the package.
func (d *driving) install() error {
	if err := d.unpack("a"); err != nil {
		return err
	}
	if err := run("portico", "check"); err != nil {
		return fmt.Errorf("after the installation: %w", err)
	}
	if err := d.use(d.config("first"), "restart"); err != nil {
		return err
	}
	debian, _ := os.ReadFile("/etc/debian_version")
	systemd, _ := exec.Command("systemctl", "--version").Output()
	words := strings.Fields(string(systemd))
	d.report.System = "Debian " + strings.TrimSpace(string(debian)) + ", " + strings.Join(words[:min(2, len(words))], " ")
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "portico.service").CombinedOutput()
	if m := regexp.MustCompile(`exposure level for portico\.service: ([0-9.]+)`).FindSubmatch(out); m != nil {
		d.report.Exposure = string(m[1])
		return nil
	}
	return fmt.Errorf("systemd-analyze security: %v\n%s", err, out)
}

func (d *driving) reload(i int) error {
	return d.use(d.config(strings.Repeat("x", i+1)), "reload")
}

func (d *driving) restart(int) error { return run("systemctl", "restart", "portico") }

// kill ends the main process without a warning and waits for the next.
func (d *driving) kill(int) error {
	was := show("MainPID")
	if err := killMain("portico"); err != nil {
		return err
	}
	return eventually("portico is started again", func() bool {
		return show("ActiveState") == "active" && show("MainPID") != was
	})
}

// killMain kills a unit's main process. systemd ends the others itself, and fails
// to where they are gone already.
func killMain(unit string) error {
	return run("systemctl", "kill", "-s", "KILL", "--kill-who=main", unit)
}

// eventually waits until ok.
func eventually(what string, ok func() bool) error { return within(time.Minute, what, ok) }

func within(limit time.Duration, what string, ok func() bool) error {
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %s", limit, what)
		}
	}
	return nil
}

// upgrade installs the other build. Which one runs afterwards is checked.
func (d *driving) upgrade(i int) error {
	name := "ba"[i%2 : i%2+1]
	return errors.Join(d.unpack(name), running("1.0."+name))
}

// running compares the version of the program that runs.
func running(version string) error {
	out, err := exec.Command("portico", "status", "--json").Output()
	if err != nil {
		return fmt.Errorf("portico status: %w", err)
	}
	var s struct{ Version string }
	if err := json.Unmarshal(out, &s); err != nil {
		return err
	}
	if s.Version != version {
		return fmt.Errorf("%s runs, and not %s", s.Version, version)
	}
	return nil
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
