package cli

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A column of a grid. Texts are set to the left and shrink to least where there
// is no room; numbers are set to the right and never shrink.
type column struct {
	title string
	least int // of a text: the fewest characters it can have; 0: a number
	drop  int // where there is no room for all: the greatest goes first; 0 stays
}

// A cell is what it says, and for numbers what it is sorted by.
type cell struct {
	text string
	n    float64
}

func words(s string) cell { return cell{text: printable(s)} }

// A grid is rows of cells.
type grid struct {
	columns []column
	rows    []gridRow
}

type gridRow struct {
	cells []cell
	bad   bool
}

// sort orders the rows by the column with that title: numbers the greatest
// first, texts by the alphabet, or the other way round.
func (g *grid) sort(title string, reverse bool) {
	i := slices.IndexFunc(g.columns, func(c column) bool { return c.title == title })
	if i < 0 {
		return
	}
	slices.SortStableFunc(g.rows, func(a, b gridRow) int {
		x, y := a.cells[i], b.cells[i]
		order := cmp.Compare(y.n, x.n)
		if g.columns[i].least > 0 {
			order = strings.Compare(x.text, y.text)
		}
		if reverse {
			return -order
		}
		return order
	})
}

// lines lays the grid out in width characters; 0 is as wide as it needs to be.
// sorted marks the column of that title.
func (g *grid) lines(width int, sorted string) []line {
	head := make([]cell, len(g.columns))
	for i, c := range g.columns {
		head[i].text = c.title
		if c.title == sorted {
			head[i].text += "*"
		}
	}
	widths := g.fit(head, width)
	list := []line{{text: g.line(head, widths), style: styleHead}}
	for _, r := range g.rows {
		l := line{text: g.line(r.cells, widths)}
		if r.bad {
			l.style = styleBad
		}
		list = append(list, l)
	}
	return list
}

// fit says how wide each column is; 0 is not shown.
func (g *grid) fit(head []cell, width int) []int {
	widths := make([]int, len(g.columns))
	for i := range g.columns {
		widths[i] = utf8.RuneCountInString(head[i].text)
		for _, r := range g.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r.cells[i].text))
		}
	}
	if width <= 0 {
		return widths
	}
	for {
		over := -1
		for _, w := range widths {
			if w > 0 {
				over += w + 1
			}
		}
		over -= width
		if over <= 0 {
			return widths
		}
		if !g.shrink(widths, over) {
			return widths
		}
	}
}

// shrink takes from the widest text that can give, else drops a column. It
// reports whether there was anything to take.
func (g *grid) shrink(widths []int, over int) bool {
	widest, dropped := -1, -1
	for i, c := range g.columns {
		if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
			widest = i
		}
		if c.drop > 0 && widths[i] > 0 && (dropped < 0 || c.drop > g.columns[dropped].drop) {
			dropped = i
		}
	}
	switch {
	case widest >= 0:
		widths[widest] = max(g.columns[widest].least, widths[widest]-min(over, 4))
	case dropped >= 0:
		widths[dropped] = 0
	default:
		return false
	}
	return true
}

func (g *grid) line(cells []cell, widths []int) string {
	var b strings.Builder
	for i, c := range cells {
		if widths[i] == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		text := clip(c.text, widths[i])
		gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if g.columns[i].least > 0 {
			b.WriteString(text + gap)
		} else {
			b.WriteString(gap + text)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// clip cuts s to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n < 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "~"
}
