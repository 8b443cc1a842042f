package systemd

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Plan is what happens in the container.
type Plan struct {
	Reloads, Restarts, Kills, Upgrades int

	Users, Devices int           // devices of each user
	Slow           time.Duration // how long the request takes that is in progress each time

	// A crowd is connected in the end, and portico restarted as often as before.
	CrowdUsers, CrowdDevices int
}

// A Phase is one kind of event, several times under load.
type Phase struct {
	Name              string
	Times             int
	Fresh, Kept, Slow Tally
	Chat              ChatTally
	Back              time.Duration   // the longest until all WebSockets were there again
	Took              time.Duration   // the longest event, as systemctl saw it
	Stalls            []time.Duration // the longest that a new request took each time, in order of size
	Stored            int             // descriptors that systemd keeps, afterwards
}

// A Report is what the container has to say.
type Report struct {
	Phases      []Phase
	Acked, Lost int // messages over all phases
	Faults      []string
	Exposure    string // what systemd-analyze security says
	Error       string // why it could not go on
}

const (
	web     = "127.0.0.1:80"
	webUnix = "/run/portico/web.sock"
	echo    = "127.0.0.1:8081"
	chat    = "127.0.0.1:3001"
)

// sockets is how many the config has.
const sockets = 4

func config(comment string) string {
	return `# ` + comment + `
accounts { registration = "open" }
log {
  access { off = true }
}
service "respond" "web" { body = "` + strings.TrimSpace(answer) + `\n" }
service "echo" "mirror" {}
service "chat" "talk" {
  limits { connections = 1000 }
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
`
}

// drive is the test's side in the container: dir is the folder that both share.
func drive(dir string) {
	d := &driving{dir: dir, chats: &chats{url: "http://" + chat}}
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
	dir    string
	plan   Plan
	load   load
	chats  *chats
	report Report
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
	if err := d.chats.start(d.plan.Users, d.plan.Devices); err != nil {
		return fmt.Errorf("start the chats: %w", err)
	}
	if err := d.settle(); err != nil {
		return err
	}
	d.chats.write()
	d.load.start(web, webUnix)
	defer d.load.end()
	phases := []struct {
		name  string
		times int
		event func(i int) error
		ends  bool // whether the process does
	}{
		{"reload", d.plan.Reloads, d.reload, false},
		{"restart", d.plan.Restarts, d.restart, true},
		{"kill -9", d.plan.Kills, d.kill, true},
		{"upgrade", d.plan.Upgrades, d.upgrade, true},
	}
	for _, p := range phases {
		if err := d.phase(p.name, p.times, p.event, p.ends); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if err := d.crowd(); err != nil {
		return fmt.Errorf("a crowd: %w", err)
	}
	d.load.end()
	d.endChats()
	if err := d.edges(); err != nil {
		return err
	}
	return d.purge()
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
	d.chats = &chats{url: "http://" + chat, prefix: "crowd", pace: 2 * time.Second}
	if err := d.chats.start(d.plan.CrowdUsers, d.plan.CrowdDevices); err != nil {
		return err
	}
	if err := d.settle(); err != nil {
		return err
	}
	d.chats.write()
	return d.phase("restart with a crowd", d.plan.Restarts, d.restart, true)
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
	if err := d.use(config("first"), "restart"); err != nil {
		return err
	}
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "portico.service").CombinedOutput()
	if m := regexp.MustCompile(`exposure level for portico\.service: ([0-9.]+)`).FindSubmatch(out); m != nil {
		d.report.Exposure = string(m[1])
		return nil
	}
	return fmt.Errorf("systemd-analyze security: %v\n%s", err, out)
}

func (d *driving) reload(i int) error {
	return d.use(config(strings.Repeat("x", i+1)), "reload")
}

func (d *driving) restart(int) error { return run("systemctl", "restart", "portico") }

// kill ends the main process without a warning and waits for the next.
func (d *driving) kill(int) error {
	was := show("MainPID")
	if err := run("systemctl", "kill", "-s", "KILL", "--kill-who=main", "portico"); err != nil {
		return err
	}
	return eventually("portico is started again", func() bool {
		return show("ActiveState") == "active" && show("MainPID") != was
	})
}

// eventually waits until ok.
func eventually(what string, ok func() bool) error {
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("not within 30 s: %s", what)
		}
	}
	return nil
}

// upgrade installs the other build. Which one runs afterwards is checked.
func (d *driving) upgrade(i int) error {
	name := "ba"[i%2 : i%2+1]
	if err := d.unpack(name); err != nil {
		return err
	}
	out, err := exec.Command("portico", "status", "--json").Output()
	if err != nil {
		return fmt.Errorf("portico status: %w", err)
	}
	var s struct{ Version string }
	if err := json.Unmarshal(out, &s); err != nil {
		return err
	}
	if s.Version != "1.0."+name {
		return fmt.Errorf("after the upgrade to 1.0.%s %s runs", name, s.Version)
	}
	return nil
}

// phase lets event happen under load, several times.
func (d *driving) phase(name string, times int, event func(int) error, ends bool) error {
	if err := d.settle(); err != nil {
		return err
	}
	p := Phase{Name: name, Times: times}
	d.counters()
	for i := range times {
		if ends || i == 0 {
			d.load.trickle(echo, d.plan.Slow)
		}
		d.pause()
		d.load.fresh.stall()
		d.load.kept.stall()
		was, begun := show("MainPID"), time.Now()
		if err := event(i); err != nil {
			return err
		}
		if is := show("MainPID"); (is != was) != ends {
			return fmt.Errorf("process %s became %s", was, is)
		}
		p.Took = max(p.Took, time.Since(begun))
		if err := eventually("the connections of the process before go on", func() bool { return stored(sockets) == nil }); err != nil {
			return err
		}
		if err := d.settle(); err != nil {
			return err
		}
		p.Stalls = append(p.Stalls, max(d.load.fresh.stall(), d.load.kept.stall()))
		if ends {
			p.Back = max(p.Back, time.Since(begun)-settled)
		}
	}
	slices.Sort(p.Stalls)
	p.Fresh, p.Kept, p.Slow, p.Chat = d.counters()
	p.Stored, _ = strconv.Atoi(show("NFileDescriptorStore"))
	d.report.Phases = append(d.report.Phases, p)
	fmt.Printf("%+v\n", p)
	return nil
}

// settled is how long all WebSockets have to be there.
const settled = 300 * time.Millisecond

// settle waits until every WebSocket is there and no slow request is under way.
func (d *driving) settle() error {
	since, end := time.Now(), time.Now().Add(time.Minute)
	for time.Since(since) < settled {
		if n := d.chats.online(); n != len(d.chats.devices) || d.load.waiting.Load() > 0 {
			since = time.Now()
			if since.After(end) {
				return fmt.Errorf("%d of %d WebSockets are there", n, len(d.chats.devices))
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// pause lets some requests pass, and the slow one begin.
func (d *driving) pause() {
	want := d.load.fresh.requests() + 50
	for end := time.Now().Add(5 * time.Second); d.load.fresh.requests() < want && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// counters takes what was counted since the last time.
func (d *driving) counters() (fresh, kept, slow Tally, talk ChatTally) {
	return d.load.fresh.take(), d.load.kept.take(), d.load.slow.take(), d.chats.take()
}

// show asks systemd for a property of the unit.
func show(property string) string {
	out, _ := exec.Command("systemctl", "show", "--value", "-p", property, "portico").Output()
	return strings.TrimSpace(string(out))
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
