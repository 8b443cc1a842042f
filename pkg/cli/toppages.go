package cli

import (
	"time"

	"github.com/porticod/portico/pkg/admin/watch"
)

// grids are the tables of the page, unsorted.
func (m *topModel) grids() []*grid {
	if m.view == nil {
		return nil
	}
	switch m.page {
	case pageRoutes:
		return []*grid{m.routes()}
	case pageServices:
		return []*grid{m.services(), m.numbers()}
	case pageConnections:
		return []*grid{m.connections()}
	}
	return []*grid{m.listeners(), m.services()}
}

// number is a cell of what is known from the first look on.
func number(n float64) cell { return cell{amount(n), n} }

// rate is a cell of what only two looks can tell.
func (m *topModel) rate(n float64) cell {
	if m.view.Seconds == 0 {
		return cell{unknown, 0}
	}
	return number(n)
}

// trafficColumns are those of traffic.
var trafficColumns = []column{{title: "REQ/S"}, {title: "4XX/S", drop: 4}, {title: "5XX/S"}, {title: "P50", drop: 3}, {title: "P99"}, {title: "OUT", drop: 2}}

func (m *topModel) traffic(t watch.Traffic) []cell {
	out := m.rate(t.BytesOut)
	if m.view.Seconds > 0 {
		out.text = size(int64(t.BytesOut))
	}
	return []cell{m.rate(t.Requests), m.rate(t.ClientErrors), m.rate(t.ServerErrors), {lasting(t.P50), t.P50}, {lasting(t.P99), t.P99}, out}
}

func columns(first []column, more ...column) []column {
	return append(append(first, trafficColumns...), more...)
}

func (m *topModel) listeners() *grid {
	g := &grid{columns: columns([]column{{title: "LISTENER", least: 8}, {title: "ADDRESS", least: 9, drop: 5}, {title: "CONNS"}, {title: "NEW/S", drop: 6}, {title: "REFUSED", drop: 7}})}
	for _, l := range m.view.Listeners {
		address := ""
		if len(l.Addresses) > 0 {
			address = l.Addresses[0]
		}
		if len(l.Addresses) > 1 {
			address += " ..."
		}
		cells := []cell{words(l.Name), words(address), number(l.Connections), m.rate(l.Accepted), m.rate(l.Refused)}
		g.rows = append(g.rows, gridRow{cells: append(cells, m.traffic(l.Traffic)...)})
	}
	return g
}

func (m *topModel) routes() *grid {
	g := &grid{columns: columns([]column{{title: "LISTENER", least: 8}, {title: "ROUTE", least: 7}, {title: "MATCHES", least: 12}, {title: "BUSY", drop: 5}})}
	for _, l := range m.view.Listeners {
		for _, r := range l.Routes {
			cells := []cell{words(l.Name), words(r.Name), words(r.Text), number(r.InFlight)}
			g.rows = append(g.rows, gridRow{cells: append(cells, m.traffic(r.Traffic)...)})
		}
	}
	return g
}

func (m *topModel) services() *grid {
	g := &grid{columns: columns([]column{{title: "SERVICE", least: 10}, {title: "HEALTH", least: 6}, {title: "CONNS"}, {title: "CALLS/S", drop: 6}, {title: "BUSY", drop: 5}})}
	for _, s := range m.view.Services {
		health := s.Health
		if s.State != "running" {
			health = s.State
		}
		cells := []cell{words(s.Name), words(health), number(float64(s.Connections)), m.rate(s.Calls), number(float64(s.InProgress))}
		g.rows = append(g.rows, gridRow{cells: append(cells, m.traffic(s.Traffic)...), bad: s.Health != "ok"})
	}
	return g
}

// numbers are what kinds count by themselves.
func (m *topModel) numbers() *grid {
	g := &grid{columns: []column{{title: "OF", least: 10}, {title: "NUMBER", least: 16}, {title: "VALUE"}}}
	add := func(of string, list []watch.Number) {
		for _, n := range list {
			c := cell{quantity(n), n.Value}
			switch {
			case n.Unit == watch.UnitTime && n.Value > 0:
				c.text = age(m.view.At.Sub(time.Unix(int64(n.Value), 0))) + " ago"
			case m.view.Seconds == 0 && (n.Unit == watch.UnitPerSecond || n.Unit == watch.UnitBytesPerSecond || n.Unit == watch.UnitShare):
				c = cell{unknown, 0}
			}
			g.rows = append(g.rows, gridRow{cells: []cell{words(of), words(n.Name), c}})
		}
	}
	for _, s := range m.view.Services {
		add(s.Name, s.Numbers)
	}
	add("shared", m.view.Numbers)
	return g
}

func (m *topModel) connections() *grid {
	g := &grid{columns: []column{{title: "LISTENER", least: 8}, {title: "PEER", least: 12}, {title: "SERVICE", least: 8, drop: 3}, {title: "PROTOCOL", least: 5, drop: 4}, {title: "STATE", least: 5, drop: 2}, {title: "AGE"}, {title: "IN"}, {title: "OUT"}}}
	for _, s := range m.sockets {
		old := m.view.At.Sub(s.Opened)
		g.rows = append(g.rows, gridRow{cells: []cell{
			words(s.Listener), words(s.Peer), words(s.Service), words(s.Protocol), words(s.State),
			{age(max(0, old)), old.Seconds()}, {size(s.BytesIn), float64(s.BytesIn)}, {size(s.BytesOut), float64(s.BytesOut)},
		}})
	}
	return g
}
