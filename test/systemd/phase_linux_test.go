package systemd

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Plan is what happens in the container.
type Plan struct {
	Reloads, Restarts, Kills, Upgrades int

	Users           int
	Devices, Secure int           // of each user: WebSockets over plain TCP, and over TLS
	Pace            time.Duration // between two messages of a user
	Spread          time.Duration // over which clients are told to come back that cannot stay
	Rest            time.Duration // between two uploads of a client
	Slow            time.Duration // how much longer the request takes that is in progress when a stop begins
	Often           int           // kills in a row, without a pause

	// A crowd is connected in the end, and portico restarted as often as before.
	CrowdUsers, CrowdDevices, CrowdSecure int
}

// Names of phases.
const (
	killed  = "kill -9"
	crowded = "restart with a crowd"
)

// A Phase is one kind of event, several times under load.
type Phase struct {
	Name                       string
	Times                      int
	Fresh, Kept, Slow, Uploads Tally
	Secure                     SecureTally
	Chat                       ChatTally
	WebSockets, SecureSockets  int             // over plain TCP, and over TLS
	Looked                     int             // uploads that were looked at afterwards
	Took                       time.Duration   // the longest event, as systemctl saw it
	Stalls                     []time.Duration // the longest that a new request took each time, in order of size
	Bare                       []time.Duration // the same of a program that does nothing else, right afterwards
	Back, SecureBack           []time.Duration // until all WebSockets of the kind were there again, where any was cut
	Meanwhile                  []int           // requests over new connections that began after the stop did, and were answered before the slow one was
	Stored                     int             // descriptors that systemd keeps, afterwards
}

// A SecureTally is what became of requests over TLS.
type SecureTally struct {
	Fresh, Kept, Shared Tally
	Again               int             // requests of HTTP/2 that were sent once more, by the protocol
	Whole               int             // handshakes that did not resume a session, of the client that has one
	Stalls              []time.Duration // the longest that a request over a new connection took each time
}

// A Report is what the container has to say.
type Report struct {
	System       string // Debian's and systemd's versions
	Phases       []Phase
	Acked, Lost  int // messages over all phases
	Uploads      int // posts and attachments that were acknowledged
	UploadFaults int // those that were not as acknowledged, and the like
	Faults       []string
	Exposure     string // what systemd-analyze security says
	Error        string // why it could not go on
}

// An event is one kind of what happens to portico.
type event struct {
	name  string
	times int
	do    func(i int) error
	ends  bool         // whether the process does
	bare  func() error // does the same to a program that does nothing else
}

// phase lets an event happen under load, several times.
func (d *driving) phase(e event) error {
	if _, _, err := d.settle(); err != nil {
		return err
	}
	p := Phase{Name: e.name, Times: e.times, WebSockets: d.chats.count(false), SecureSockets: d.chats.count(true)}
	d.counters()
	for i := range e.times {
		if err := d.step(&p, e, i); err != nil {
			return err
		}
	}
	for _, list := range [][]time.Duration{p.Stalls, p.Secure.Stalls, p.Bare, p.Back, p.SecureBack} {
		slices.Sort(list)
	}
	p.Fresh, p.Kept, p.Slow, p.Uploads, p.Chat = d.load.fresh.take(), d.load.kept.take(), d.load.slow.take(), d.uploads.done.take(), d.chats.take()
	p.Secure.take(&d.load.secure)
	p.Stored, _ = strconv.Atoi(show("NFileDescriptorStore"))
	p.Looked = d.uploads.look(false)
	d.report.Phases = append(d.report.Phases, p)
	fmt.Printf("%+v\n", p)
	return nil
}

// step lets an event happen once, with a slow request in progress.
func (d *driving) step(p *Phase, e event, i int) error {
	release := make(chan struct{})
	if e.ends || i == 0 {
		d.load.trickle(echo, release)
	}
	d.pause()
	d.load.fresh.window()
	d.load.kept.window()
	d.load.secure.fresh.window()
	cut, secureCut := d.chats.cut()
	was, begun := show("MainPID"), time.Now()
	happened, released := make(chan struct{}), make(chan time.Time, 1)
	go func() { released <- d.release(release, happened, e, was) }()
	err := e.do(i)
	close(happened)
	p.Took = max(p.Took, time.Since(begun))
	ended := <-released
	if err != nil {
		return err
	}
	if is := show("MainPID"); (is != was) != e.ends {
		return fmt.Errorf("process %s became %s", was, is)
	}
	// Five thousand take half a minute beside a load of 40.
	if err := within(3*time.Minute, "the connections of the process before go on", func() bool { return stored(sockets) == nil }); err != nil {
		return err
	}
	there, secureThere, err := d.settle()
	if err != nil {
		return err
	}
	fresh, kept := d.load.fresh.window(), d.load.kept.window()
	p.Stalls = append(p.Stalls, max(longest(fresh), longest(kept)))
	p.Secure.Stalls = append(p.Secure.Stalls, longest(d.load.secure.fresh.window()))
	nowCut, nowSecureCut := d.chats.cut()
	if nowCut > cut {
		p.Back = append(p.Back, there.Sub(begun))
	}
	if nowSecureCut > secureCut {
		p.SecureBack = append(p.SecureBack, secureThere.Sub(begun))
	}
	if e.ends && e.name != killed {
		p.Meanwhile = append(p.Meanwhile, meanwhile(fresh, stopBegan(), ended))
	}
	if e.bare == nil {
		return nil
	}
	stall, err := stallOfBare(e.bare)
	p.Bare = append(p.Bare, stall)
	return err
}

// release ends the slow request: some time after the stop began, where there is
// one. It returns when that was.
func (d *driving) release(release chan<- struct{}, happened <-chan struct{}, e event, was string) time.Time {
	defer close(release)
	if e.ends && e.name != killed {
		_ = eventually("the process is told to stop", func() bool { return show("ActiveState") != "active" || show("MainPID") != was })
		time.Sleep(d.plan.Slow)
	}
	ended := time.Now()
	if e.name == killed || !e.ends {
		<-happened
	}
	return ended
}

// meanwhile counts requests from between two moments.
func meanwhile(spans []span, from, to time.Time) (n int) {
	for _, s := range spans {
		if s.begun.After(from) && s.ended.Before(to) {
			n++
		}
	}
	return n
}

// stopBegan is when systemd told the last process to end; now, where it does not
// know.
func stopBegan() time.Time {
	us, err := strconv.ParseInt(show("ActiveExitTimestampMonotonic"), 10, 64)
	var now unix.Timespec
	if err = errors.Join(err, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)); err != nil {
		return time.Now()
	}
	return time.Now().Add(time.Duration(us*1000 - now.Nano()))
}

// settled is how long all WebSockets have to be there.
const settled = 300 * time.Millisecond

// settle waits until every WebSocket is there and no slow request is under way.
// It returns since when all WebSockets over plain TCP are, and those over TLS.
func (d *driving) settle() (there, secureThere time.Time, err error) {
	since, end := time.Now(), time.Now().Add(time.Minute)
	there, secureThere = since, since
	for time.Since(since) < settled {
		now, plain, secure := time.Now(), d.chats.missing(false), d.chats.missing(true)
		if plain > 0 {
			there = now
		}
		if secure > 0 {
			secureThere = now
		}
		if plain+secure > 0 || d.load.waiting.Load() > 0 {
			if since = now; since.After(end) {
				return there, secureThere, fmt.Errorf("%d WebSockets are missing, and %d over TLS; %d slow requests", plain, secure, d.load.waiting.Load())
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return there, secureThere, nil
}

// pause lets some requests pass, and the slow one begin.
func (d *driving) pause() {
	want := d.load.fresh.requests() + 50
	for end := time.Now().Add(5 * time.Second); (d.load.fresh.requests() < want || d.load.begun.Load() < d.load.waiting.Load()) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// take takes what was counted since the last take.
func (t *SecureTally) take(s *secureLoad) {
	t.Fresh, t.Kept, t.Shared = s.fresh.take(), s.kept.take(), s.shared.take()
	t.Again, t.Whole = int(s.again.Swap(0)), int(s.whole.Swap(0))
}

// counters forgets what was counted.
func (d *driving) counters() {
	d.load.fresh.take()
	d.load.kept.take()
	d.load.slow.take()
	new(SecureTally).take(&d.load.secure)
	d.uploads.done.take()
	d.chats.take()
}

// bareVar makes this program the one that portico is compared with.
const bareVar = "PORTICO_TEST_BARE"

const bareAddr = "127.0.0.1:8090"

// bare is the least that a service of systemd can be: it answers on the one
// socket that systemd keeps for it. How long clients wait for its next process is
// how long the machine takes to end one and start another at that time, whoever
// else burns its cores.
func bare() {
	ln, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if nc, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET")); err == nil {
		_, _ = nc.Write([]byte("READY=1"))
		_ = nc.Close()
	}
	_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
}

func (d *driving) installBare() error {
	const folder = "/run/systemd/system/"
	return errors.Join(
		os.WriteFile(folder+"bare.socket", []byte("[Socket]\nListenStream="+bareAddr+"\n"), 0o644),
		os.WriteFile(folder+"bare.service", []byte("[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nExecStart="+d.dir+"/drive\nEnvironment="+bareVar+"=1\nRestart=always\nRestartSec=200ms\n"), 0o644),
		run("systemctl", "daemon-reload"), run("systemctl", "start", "bare.socket"), once("tcp", bareAddr))
}

func restartBare() error { return run("systemctl", "restart", "bare") }

func killBare() error {
	was := showOf("bare", "MainPID")
	if err := killMain("bare"); err != nil {
		return err
	}
	return eventually("the bare program is started again", func() bool {
		return showOf("bare", "ActiveState") == "active" && showOf("bare", "MainPID") != was
	})
}

// stallOfBare is the longest that a new request takes while event happens to the
// program that does nothing else.
func stallOfBare(event func() error) (time.Duration, error) {
	var c counter
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			begun := time.Now()
			c.count(begun, once("tcp", bareAddr)) // one that was in progress is cut
			select {
			case <-over:
				return
			case <-time.After(pace):
			}
		}
	}()
	err := event()
	close(over)
	<-done
	return longest(c.window()), err
}

// show asks systemd for a property of portico's unit.
func show(property string) string { return showOf("portico", property) }

func showOf(unit, property string) string {
	out, _ := exec.Command("systemctl", "show", "--value", "-p", property, unit).Output()
	return strings.TrimSpace(string(out))
}
