package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"
)

// A chart is bars that lie beside each other's scale, in groups, with the spread
// of each as a line.
type chart struct {
	title string
	bars  []bar
	// marks are upright lines: the peer's 1.00, an aim.
	marks []mark
}

// A bar is one figure. Bars with the same group stand together.
type bar struct {
	group, name string
	values      series
	peer        bool // drawn in the peers' colour
}

type mark struct {
	at    float64
	label string
}

// The measures of a chart, in pixels.
const (
	chartWide  = 860
	chartLeft  = 290 // names
	chartRight = 150 // figures
	barHigh    = 18
	groupHigh  = 24
)

// add adds a bar, where something was measured.
func (c *chart) add(group, name string, values series, peer bool) {
	if len(values) > 0 {
		c.bars = append(c.bars, bar{group, name, values, peer})
	}
}

// scale is how many pixels a unit has, and how far the axis goes.
func (c *chart) scale() float64 {
	most := 0.0
	for _, b := range c.bars {
		most = max(most, b.values.high())
	}
	for _, m := range c.marks {
		most = max(most, m.at)
	}
	if most <= 0 || math.IsInf(most, 0) || math.IsNaN(most) {
		most = 1
	}
	return (chartWide - chartLeft - chartRight) / most
}

// svg draws it. Nothing in it depends on fonts or on the page around it.
func (c *chart) svg() string {
	perUnit := c.scale()
	var body strings.Builder
	y, group := 44.0, ""
	for i, b := range c.bars {
		if b.group != group || i == 0 {
			group = b.group
			if group != "" {
				text(&body, 12, y+16, "start", "bold", group, chartWide-24)
				y += groupHigh
			}
		}
		b.draw(&body, y, perUnit)
		y += barHigh
	}
	for _, m := range c.marks {
		x := chartLeft + m.at*perUnit
		fmt.Fprintf(&body, `<line x1="%.1f" y1="38" x2="%.1f" y2="%.1f" stroke="#b91c1c" stroke-dasharray="4 3"/>`+"\n", x, x, y+4)
		text(&body, x, y+18, "middle", "normal", m.label, 0)
	}
	high := y + 28
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %d %.0f" font-family="sans-serif" font-size="12" role="img">
<title>%s</title>
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="12" y="24" font-size="15" font-weight="bold" fill="#111827">%s</text>
%s</svg>
`, chartWide, high, chartWide, high, html.EscapeString(c.title), html.EscapeString(c.title), body.String())
}

// draw draws one bar from its top.
func (b bar) draw(to *strings.Builder, y, perUnit float64) {
	colour := "#2563eb"
	if b.peer {
		colour = "#9ca3af"
	}
	at := func(v float64) float64 { return chartLeft + max(0, v)*perUnit }
	text(to, chartLeft-8, y+13, "end", "normal", b.name, chartLeft-24)
	fmt.Fprintf(to, `<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>`+"\n", chartLeft, y+2, at(b.values.median())-chartLeft, barHigh-4, colour)
	if len(b.values) > 1 {
		fmt.Fprintf(to, `<path d="M%.1f %.1fv6m0 -3H%.1fm0 -3v6" stroke="#111827" fill="none"/>`+"\n", at(b.values.low()), y+6, at(b.values.high()))
	}
	text(to, at(b.values.high())+6, y+13, "start", "normal", b.values.String(), 0)
}

// text writes a line; one that would be wider than there is room is squeezed.
func text(to *strings.Builder, x, y float64, anchor, weight, s string, room float64) {
	squeeze := ""
	if wide := 6.6 * float64(utf8.RuneCountInString(s)); room > 0 && wide > room {
		squeeze = fmt.Sprintf(` textLength="%.0f" lengthAdjust="spacingAndGlyphs"`, room)
	}
	fmt.Fprintf(to, `<text x="%.1f" y="%.1f" text-anchor="%s" font-weight="%s" fill="#111827"%s>%s</text>`+"\n", x, y, anchor, weight, squeeze, html.EscapeString(s))
}
