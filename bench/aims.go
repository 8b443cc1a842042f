package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// An aim is a figure that is wanted, of every row that claims it.
type aim struct {
	id, text string
	want     float64
	most     bool // want is an upper bound
	unit     string
}

// The aims, in the order of the summary. Ratios are to the peer named, in one run.
var aims = []aim{
	{id: "relay-requests", text: "TCP relay: requests a second beside HAProxy, before and after a split", want: 1, unit: "x"},
	{id: "relay-requests-cpu", text: "TCP relay: requests for each second of CPU beside HAProxy, before and after a split", want: 1, unit: "x"},
	{id: "relay-bytes-cpu", text: "TCP relay: bytes for each second of CPU beside HAProxy, before and after a split", want: 1, unit: "x"},
	{id: "proxy", text: "HTTP proxy: requests a second beside nginx", want: 1, unit: "x"},
	{id: "delivery-small", text: "static and picture delivery of 1 KiB beside nginx, plain and TLS", want: 0.7, unit: "x"},
	{id: "delivery", text: "static and picture delivery from 40 KiB up beside nginx, plain and TLS", want: 1, unit: "x"},
	{id: "chat-deliveries", text: "chat: deliveries for each second of server CPU, groups of 100 and more", want: 500_000},
	{id: "chat-idle", text: "chat: process memory of an idle WebSocket, plain", want: 2, most: true, unit: " KiB"},
	{id: "chat-idle-tls", text: "chat: process memory of an idle WebSocket, TLS", want: 12, most: true, unit: " KiB"},
	{id: "pictures", text: "pictures: 12 MP JPEG to 1080 beside vipsthumbnail at equal SSIM", want: 1.5, unit: "x"},
	{id: "reload", text: "reload of 1,000 listeners", want: 100, most: true, unit: " ms"},
	{id: "reload-p99", text: "p99 of requests while 1,000 listeners are reloaded, beside p99 without", want: 1.1, most: true, unit: "x"},
	{id: "reload-failed", text: "requests that failed while 1,000 listeners were reloaded", want: 0, most: true},
}

// A claim is a figure that one row has for an aim.
type claim struct {
	Aim, About        string
	Median, Low, High float64
}

func (c claim) series() series {
	if c.Low == c.High {
		return series{c.Median}
	}
	return series{c.Low, c.Median, c.High}
}

// reaches says whether the row's median is what was wanted.
func (a aim) reaches(c claim) bool {
	if a.most {
		return c.Median <= a.want
	}
	return c.Median >= a.want
}

// worse says whether c is further from the aim than d.
func (a aim) worse(c, d claim) bool { return (c.Median < d.Median) != a.most }

// figures are what the parts measured last, kept beside the plots so that a part
// that is measured alone leaves the summary whole.
type figures map[string]partFigures

type partFigures struct {
	Measured time.Time
	Cores    int
	Load     string // average of a minute, before the part began
	Short    bool
	Claims   []claim
}

func figuresFile(page string) string {
	return filepath.Join(filepath.Dir(page), "plots", "figures.json")
}

func readFigures(page string) (figures, error) {
	b, err := os.ReadFile(figuresFile(page))
	if errors.Is(err, fs.ErrNotExist) {
		return figures{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	f := figures{}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read figures of %s: %w", figuresFile(page), err)
	}
	return f, nil
}

func (f figures) write(page string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(figuresFile(page), append(b, '\n'), 0o644)
}

// claims of an aim, of all parts in the order of the list.
func (f figures) claims(id string) (all []claim, from partFigures) {
	for _, p := range parts() {
		for _, c := range f[p.name].Claims {
			if c.Aim == id {
				all, from = append(all, c), f[p.name]
			}
		}
	}
	return all, from
}

// summary is the table at the top of the page: every aim, what the worst row
// reached, and how many rows reach it.
func (f figures) summary() *table {
	t := newTable("aim", "wanted", "the row that is furthest from it", "rows that reach it", "met", "measured")
	for _, a := range aims {
		wanted := "at least " + plain(a.want) + a.unit
		if a.most {
			wanted = "at most " + plain(a.want) + a.unit
		}
		all, from := f.claims(a.id)
		if len(all) == 0 {
			t.add(a.text, wanted, "not measured yet")
			continue
		}
		worst, reached := all[0], 0
		for _, c := range all {
			if a.worse(c, worst) {
				worst = c
			}
			if a.reaches(c) {
				reached++
			}
		}
		met := "yes"
		if reached < len(all) {
			met = "**no**"
		}
		about := worst.series().String() + a.unit
		if worst.About != "" {
			about = worst.About + ": " + about
		}
		when := fmt.Sprintf("%s, %d cores, load %s before", from.Measured.Format("2006-01-02 15:04"), from.Cores, from.Load)
		if from.Short {
			when += ", short form"
		}
		t.add(a.text, wanted, about, fmt.Sprintf("%d of %d", reached, len(all)), met, when)
	}
	return t
}

// publish notes a part's claims and writes the summary into the page.
func (f figures) publish(page, part string, of partFigures) error {
	f[part] = of
	if err := errors.Join(os.MkdirAll(filepath.Dir(figuresFile(page)), 0o755), f.write(page)); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return replaceBetweenMarkers(page, "summary", f.summary().String())
}
