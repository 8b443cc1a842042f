package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/admin"
	"github.com/porticod/portico/pkg/admin/watch"
)

// What a line looks like.
type style int

const (
	stylePlain style = iota
	styleHead        // of a table
	styleBold
	styleBad
)

// A line of a frame, with nothing in it that a terminal obeys.
type line struct {
	text  string
	style style
}

// The pages of the live view, by their keys.
const (
	pageOverview = iota
	pageRoutes
	pageServices
	pageConnections
	pages
)

var pageNames = [pages]string{"overview", "routes", "services", "connections"}

// certificateSoon is when the end of a certificate is worth a word.
const certificateSoon = 14 * 24 * time.Hour

// A topModel is what the live view shows and how. Its frame depends on nothing
// else.
type topModel struct {
	view    *watch.View // nil: none came yet
	sockets []admin.Socket
	asking  bool   // for sockets
	lost    string // why there is nothing new; empty: there is

	page    int
	sort    string // the title of a column; empty: as in the config file
	reverse bool
	skip    int // lines of the body that are scrolled away
	paused  bool
	help    bool
}

// press does what a key says. It reports whether the view ends.
func (m *topModel) press(key string, height int) (quit bool) {
	switch key {
	case "q", "ctrl-c", "ctrl-d":
		return true
	case "?", "h":
		m.help = !m.help
	case "esc":
		m.help = false
	case "1", "2", "3", "4":
		m.turn(int(key[0] - '1'))
	case "tab", "right":
		m.turn((m.page + 1) % pages)
	case "left":
		m.turn((m.page + pages - 1) % pages)
	case "s":
		m.nextColumn(1)
	case "S":
		m.nextColumn(-1)
	case "r":
		m.reverse = !m.reverse
	case "p", " ":
		m.paused = !m.paused
	case "down", "j":
		m.skip++
	case "up", "k":
		m.skip--
	case "pgdown":
		m.skip += height / 2
	case "pgup":
		m.skip -= height / 2
	case "home":
		m.skip = 0
	}
	m.skip = max(0, m.skip)
	return false
}

func (m *topModel) turn(page int) {
	if page != m.page {
		m.page, m.skip, m.sort, m.reverse = page, 0, "", false
	}
}

// nextColumn sorts by the next column of the page, and after the last as in the
// config file.
func (m *topModel) nextColumn(step int) {
	titles := []string{""}
	for _, g := range m.grids() {
		for _, c := range g.columns {
			if !slices.Contains(titles, c.title) {
				titles = append(titles, c.title)
			}
		}
	}
	i := max(0, slices.Index(titles, m.sort))
	m.sort, m.reverse = titles[(i+step+len(titles))%len(titles)], false
}

// frame is what width times height characters show; 0 is no bound.
func (m *topModel) frame(width, height int) []line {
	if m.view == nil {
		return fit([]line{{text: "portico: waiting for the first numbers " + m.lost}}, width)
	}
	head := m.head()
	body := m.body(width)
	if height > 0 {
		room := max(1, height-len(head)-1)
		m.skip = min(m.skip, max(0, len(body)-room))
		more := len(body) - m.skip - room
		body = body[m.skip:min(len(body), m.skip+room)]
		for len(body) < room {
			body = append(body, line{})
		}
		body = append(body, m.foot(max(0, more)))
	}
	return fit(append(head, body...), width)
}

func fit(lines []line, width int) []line {
	if width > 0 {
		for i := range lines {
			lines[i].text = clip(lines[i].text, width)
		}
	}
	return lines
}

// head is what the daemon does as a whole.
func (m *topModel) head() []line {
	v := m.view
	state := "ready"
	if !v.Ready {
		state = "NOT READY"
	}
	rate := func(n float64) string {
		if v.Seconds == 0 {
			return unknown
		}
		return amount(n)
	}
	cpu := unknown
	if v.Seconds > 0 {
		cpu = fmt.Sprintf("%.0f%%", v.Process.CPU*100)
	}
	t, p := v.Total, v.Process
	lines := []line{
		{text: fmt.Sprintf("portico %s  %s  up %s  process %d  generation %d  %s", printable(v.Version), state, age(v.At.Sub(v.Started)), v.PID, v.Generation, v.At.Local().Format("15:04:05")), style: styleBold},
		{text: fmt.Sprintf("requests %s/s  4xx %s/s  5xx %s/s  p50 %s  p99 %s  in progress %s", rate(t.Requests), rate(t.ClientErrors), rate(t.ServerErrors), lasting(t.P50), lasting(t.P99), amount(t.InFlight))},
		{text: fmt.Sprintf("connections %s  new %s/s  refused %s/s  in %s/s  out %s/s", amount(t.Connections), rate(t.Accepted), rate(t.Refused), size(int64(t.BytesIn)), size(int64(t.BytesOut)))},
		{text: fmt.Sprintf("cpu %s  memory %s  heap %s  goroutines %s  files %s of %s  gc pause %s", cpu, size(int64(p.Memory)), size(int64(p.Heap)), amount(p.Goroutines), amount(p.Files), amount(p.MaxFiles), lasting(p.GCPause))},
	}
	for _, w := range m.warnings() {
		lines = append(lines, line{text: printable(w), style: styleBad})
	}
	return append(lines, line{})
}

// warnings are what somebody should do something about.
func (m *topModel) warnings() []string {
	v := m.view
	var list []string
	if m.lost != "" {
		list = append(list, m.lost)
	}
	return append(list, troubles(*v)...)
}

// troubles are what a view says of which somebody should know.
func troubles(v watch.View) []string {
	var list []string
	if !v.Ready {
		list = append(list, "not ready: "+v.Degraded)
	}
	if r := v.LastReload; !r.OK && r.Error != "" {
		list = append(list, fmt.Sprintf("the last reload, %s ago, failed: %s", age(v.At.Sub(r.At)), r.Error))
	}
	for _, l := range v.Listeners {
		for _, c := range l.Certificates {
			left := c.NotAfter.Sub(v.At)
			names := strings.Join(c.Names, ", ")
			switch {
			case c.Missing:
				list = append(list, fmt.Sprintf("listener %s: the certificate for %s is not there yet", l.Name, names))
			case left < 0:
				list = append(list, fmt.Sprintf("listener %s: the certificate for %s has ended", l.Name, names))
			case left < certificateSoon:
				list = append(list, fmt.Sprintf("listener %s: the certificate for %s ends in %s", l.Name, names, age(left)))
			}
		}
	}
	return list
}

// body is the tables of the page.
func (m *topModel) body(width int) []line {
	if m.help {
		return topHelp()
	}
	var lines []line
	for i, g := range m.grids() {
		if i > 0 {
			lines = append(lines, line{})
		}
		if m.sort != "" {
			g.sort(m.sort, m.reverse)
		}
		lines = append(lines, g.lines(width, m.sort)...)
	}
	return lines
}

func (m *topModel) foot(more int) line {
	text := "q quit  tab " + pageNames[(m.page+1)%pages] + "  s sort  r reverse  p pause  ? help"
	if m.paused {
		text = "PAUSED: p goes on  " + text
	}
	if more > 0 {
		text = fmt.Sprintf("%d more lines: down  ", more) + text
	}
	return line{text: text, style: styleBold}
}

func topHelp() []line {
	text := `q          quit
tab        the next page; 1 overview, 2 routes, 3 services, 4 connections
s, S       sort by the next column, by the one before
r          the other way round
up, down   scroll; pgup, pgdown, home too
p          pause
?          this help

Rates are a second, over the time between two looks. p50 and p99 are how long
the faster half and 99 of 100 requests took at most. 5xx counts connections
too that no upstream of a relay took. Out is bytes a second: of a listener all
that went out, of routes and services bodies and what relays passed on.`
	var lines []line
	for l := range strings.SplitSeq(text, "\n") {
		lines = append(lines, line{text: l})
	}
	return lines
}
