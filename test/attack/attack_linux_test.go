// Package attack holds very many idle and very slow connections against the
// program, as strangers can, and measures what that costs it and everybody else.
// `make attack` does so at full size and writes docs/reliability.md's table. It
// knows nothing of requests that are wrong; test/frontdoor has those.
package attack

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
	"github.com/porticod/portico/internal/testkit/wait"
)

var (
	lasts = flag.Duration("attack", 0, "how long each attack lasts at full size; 0: the short form")
	page  = flag.String("page", "", "a file to write the table into")
)

// A size is how much of everything there is.
type size struct {
	idle, tls, slow int           // clients of each kind
	phase           time.Duration // of each attack, at least
	limit           time.Duration // how long portico bears slow clients
	pace            time.Duration // between two pieces of a slow client
}

var short = size{idle: 1000, tls: 200, slow: 300, phase: time.Second, limit: time.Second, pace: 200 * time.Millisecond}

func full(phase time.Duration) size {
	return size{idle: 10_000, tls: 2000, slow: 2000, phase: phase, limit: 10 * time.Second, pace: time.Second}
}

// perAddress is what the listener "guarded" grants one address.
const perAddress = 100

// config believes what the test says about addresses: loopback itself has no limits.
const config = `
data_dir = "data"
log {
  access { off = true }
}
service "echo" "mirror" {}
service "respond" "hello" { body = "hello" }
service "static" "site" { root = "." }
listener "open" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  timeouts {
    header   = "%[1]v"
    read     = "%[1]v"
    write    = "%[1]v"
    min_rate = "1KiB"
  }
  route {
    path    = "/echo"
    service = service.echo.mirror
  }
  route {
    path    = "/big"
    service = service.static.site
  }
}
listener "secure" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  tls { self_signed = true }
}
listener "guarded" {
  address = "127.0.0.1:0"
  service = service.respond.hello
  proxy_protocol { from = ["127.0.0.0/8"] }
  limits { per_ip = %[2]d }
}
`

// An assault is what strangers do at one time.
type assault struct {
	name   string
	ended  int  // how many of their connections have to be ended, at least
	held   int  // how many have to be held
	most   int  // and at most; 0: any
	memory bool // the daemon's memory is limited, and full: others are turned away, too
	stays  bool // the daemon of before has to get over it
	crowds []crowd
}

// assaults are those of a size.
func (a *attack) assaults() []assault {
	s := a.size
	third := s.slow / 3
	list := []assault{
		{name: "nobody"},
		{name: "idle", held: s.idle, crowds: []crowd{{"open", s.idle, strangers, a.idle}}},
		{name: "idle over TLS", held: s.tls, crowds: []crowd{{"secure", s.tls, strangers, a.idleTLS}}},
		{name: "headers, a line a second", ended: s.slow, crowds: []crowd{{"open", s.slow, strangers, a.slowHeader}}},
		{name: "bodies, a byte a second", ended: s.slow, crowds: []crowd{{"open", s.slow, strangers, a.slowBody}}},
		{name: "answers, read at 512 bytes a second", ended: s.slow, crowds: []crowd{{"open", s.slow, strangers, a.slowReader}}},
		{name: "idle ones, and slow ones of each kind", ended: 3 * third, held: s.idle, crowds: []crowd{
			{"open", s.idle, strangers, a.idle}, {"open", third, strangers, a.slowHeader}, {"open", third, strangers, a.slowBody}, {"open", third, strangers, a.slowReader},
		}},
		{name: "nobody, afterwards", stays: true},
		{name: fmt.Sprintf("one address that is granted %d", perAddress), ended: s.slow - perAddress, held: perAddress, most: perAddress, crowds: []crowd{{"guarded", s.slow, oneStranger, a.idle}}},
	}
	if *lasts > 0 { // TestMemoryLimit of test/frontdoor is the short form
		list = append(list,
			assault{name: "idle, where portico is granted " + granted, ended: s.idle / 20, held: s.idle / 10, memory: true, crowds: []crowd{{"open", s.idle, strangers, a.idle}}},
			assault{name: "nobody, afterwards", stays: true})
	}
	return list
}

// granted is the memory that portico may take where that is tried.
const granted = "40MiB"

// TestAttack lets strangers do what they can, one thing after another, while others
// go on with what they do. Nobody of these may fail; who is slow has to be ended,
// and whoever is too many refused.
func TestAttack(t *testing.T) {
	a := &attack{t: t, size: short, load: loadOfOthers(t)}
	if *lasts > 0 {
		a.size = full(*lasts)
	}
	needFiles(t, a.size)
	for _, w := range a.assaults() {
		a.bear(w)
	}
	a.d.Eventually("portico is ready", func() bool { return a.d.Status().Ready })
	if *page != "" && !t.Failed() {
		a.write()
	}
}

// start starts a daemon.
func (a *attack) start(w assault) {
	a.t.Helper()
	if a.d != nil {
		a.d.Stop()
	}
	text := fmt.Sprintf(config, a.size.limit, perAddress)
	if w.memory {
		text += "limits { memory = \"" + granted + "\" }\n"
	}
	a.d = testkit.StartBinary(a.t, program.Shipped(a.t), text)
	a.d.Write("big", "")
	if err := os.Truncate(filepath.Join(a.d.Dir, "big"), 64<<20); err != nil {
		a.t.Fatal(err)
	}
	a.least = a.memory()
}

// loadOfOthers is the machine's load average, before anything has begun.
func loadOfOthers(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	now, _, _ := strings.Cut(string(b), " ")
	return now
}

// needFiles fails where the connections of the test cannot be opened.
func needFiles(t *testing.T, s size) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if want := uint64(s.idle+s.slow)*5/4 + 1000; limit.Max < want { //nolint:gosec // no such size is negative
		t.Fatalf("a process may open %d files, this test needs %d: raise it with ulimit -Hn", limit.Max, want)
	}
}

// An attack is a daemon, and what was found.
type attack struct {
	size
	t     *testing.T
	d     *testkit.Daemon // of the present assault
	least int             // memory of that when it had just been started
	load  string          // of the machine, before
	found []finding
}

// A finding is what one assault did.
type finding struct {
	name   string
	held   int            // connections of the strangers, the most at a time
	idle   bool           // all of them are idle, and none is to be refused
	alone  bool           // they are of one kind
	memory int            // portico's own, in bytes, the least of the time: garbage comes and goes
	beyond int            // what of it came with the connections
	kernel int            // the machine's buffers of TCP, at both ends, in bytes, the most
	cpu    float64        // portico's time of a processor, per second
	others latencies      // of everybody else
	ended  map[string]int // how connections of strangers ended
}

// bear has strangers attack until enough of them were ended, for a phase at least,
// and notes what the others see.
func (a *attack) bear(w assault) {
	a.t.Helper()
	if !w.stays {
		a.start(w)
	}
	mob := newMob(a.t, a.size)
	defer mob.leave()
	for _, c := range w.crowds {
		mob.join(c, a.d.Addr(c.listener))
	}
	wait.Until(a.t, w.name+": everybody is there", func() bool {
		return mob.here.Load() >= int64(w.held) && mob.came.Load() >= int64(w.ended+w.held) && a.d.Status().Ready != w.memory
	})
	o := a.everybodyElse()
	begun, cpu := time.Now(), a.cpu()
	f := finding{name: w.name, alone: len(w.crowds) == 1 && w.most == 0 && !w.memory, idle: len(w.crowds) == 1 && w.ended == 0}
	for time.Since(begun) < a.size.phase || mob.ended() < w.ended {
		if time.Since(begun) > a.size.phase+wait.Patience {
			a.t.Errorf("%s: only %d of %d connections were ended in %v: %v", w.name, mob.ended(), w.ended, time.Since(begun).Round(time.Second), mob.ends())
			break
		}
		time.Sleep(a.size.phase / 20)
		f.held = max(f.held, int(mob.here.Load()))
		f.kernel = max(f.kernel, a.buffers())
		if now := a.memory(); f.memory == 0 || now < f.memory {
			f.memory, f.beyond = now, now-a.least
		}
	}
	f.cpu = (a.cpu() - cpu) / time.Since(begun).Seconds()
	f.others, f.ended = o.end(), mob.ends()
	a.judge(w, f)
	a.found = append(a.found, f)
}

// eachAtMost is what an idle connection may take, in bytes. In the short form what
// every daemon takes once is shared by few.
const eachAtMost = 40 << 10

func (a *attack) judge(w assault, f finding) {
	a.t.Helper()
	a.t.Logf("%s: %d connections, %d MiB, %.1f KiB each, %.2f processors; others: %v; strangers: %v",
		f.name, f.held, f.memory>>20, f.each()/(1<<10), f.cpu, f.others, f.ended)
	if f.others.failed > 0 && !w.memory || len(f.others.took) < 20 {
		a.t.Errorf("%s: others: %v: %v", f.name, f.others, f.others.err)
	}
	if f.held < w.held || w.most > 0 && f.held > w.most {
		a.t.Errorf("%s: %d connections are held, want %d", f.name, f.held, w.held)
	}
	if f.idle && f.held >= 1000 && f.each() > eachAtMost {
		a.t.Errorf("%s: a connection takes %.0f bytes", f.name, f.each())
	}
	if f.idle && len(f.ended) > 0 {
		a.t.Errorf("%s: idle connections ended: %v", f.name, f.ended)
	}
	if (w.most > 0 || w.memory) && f.ended["closed"] == 0 {
		a.t.Errorf("%s: nobody was refused: %v", f.name, f.ended)
	}
}

// each is the memory of a connection, in bytes.
func (f finding) each() float64 {
	if f.held == 0 {
		return 0
	}
	return float64(f.beyond) / float64(f.held)
}

// memory is what portico has in memory for itself, in bytes, without the pages of
// its program, which come with use.
func (a *attack) memory() int {
	a.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.d.PID()))
	if err != nil {
		a.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kb, err := strconv.Atoi(strings.Fields(rest + " none")[0])
	if err != nil {
		a.t.Fatalf("memory of the process: %v in %s", err, b)
	}
	return kb << 10
}

// buffers is what all TCP sockets of the machine hold, in bytes.
func (a *attack) buffers() int {
	a.t.Helper()
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		a.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\nTCP: ")
	line, _, _ := strings.Cut(rest, "\n")
	_, pages, _ := strings.Cut(line, " mem ")
	n, err := strconv.Atoi(pages)
	if err != nil {
		a.t.Fatalf("buffers of sockets: %v in %s", err, b)
	}
	return n * os.Getpagesize()
}

// cpu is the time that portico has had of processors, in seconds.
func (a *attack) cpu() float64 { return a.d.Metric("process_cpu_seconds_total") }

// The table stands between these lines.
const (
	tableBegins = "<!-- made by make attack -->\n"
	tableEnds   = "<!-- end -->\n"
)

// write puts the figures into the page.
func (a *attack) write() {
	a.t.Helper()
	old, err := os.ReadFile(*page)
	if err != nil {
		a.t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		a.t.Fatalf("%s has no place for the table", *page)
	}
	if err := os.WriteFile(*page, []byte(head+tableBegins+a.table()+tableEnds+after), 0o644); err != nil {
		a.t.Fatal(err)
	}
}
