package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A report is what a part has to say: Markdown, the plots that the Markdown names,
// and the figures that aims ask for.
type report struct {
	part   string
	text   strings.Builder
	plots  map[string]string // file name to SVG
	claims []claim
}

func newReport(part string) *report { return &report{part: part, plots: map[string]string{}} }

// say adds a paragraph.
func (r *report) say(format string, args ...any) {
	fmt.Fprintf(&r.text, format+"\n\n", args...)
}

// table adds a table.
func (r *report) table(t *table) { r.text.WriteString(t.String() + "\n") }

// plot adds a plot; its file has the part's name before its own.
func (r *report) plot(name string, c *chart) {
	if len(c.bars) == 0 {
		return
	}
	file := r.part + "-" + name + ".svg"
	r.plots[file] = c.svg()
	r.say("![%s](plots/%s)", c.title, file)
}

// reach notes a figure that an aim asks for.
func (r *report) reach(aim, about string, s series) {
	if len(s) > 0 {
		r.claims = append(r.claims, claim{Aim: aim, About: about, Median: s.median(), Low: s.low(), High: s.high()})
	}
}

// A table is Markdown's.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

// add adds a row; cells that are missing at its end stay empty.
func (t *table) add(cells ...string) {
	row := make([]string, len(t.head))
	copy(row, cells)
	t.rows = append(t.rows, row)
}

func (t *table) String() string {
	var b strings.Builder
	line := func(cells []string) {
		escaped := make([]string, len(cells))
		for i, c := range cells {
			escaped[i] = strings.ReplaceAll(strings.ReplaceAll(c, "\n", " "), "|", `\|`)
		}
		b.WriteString("| " + strings.Join(escaped, " | ") + " |\n")
	}
	line(t.head)
	b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// publish writes a part's tables between its markers in the page and its plots
// into the folder beside it, and removes plots that the part no longer has.
func (r *report) publish(page string) error {
	folder := filepath.Join(filepath.Dir(page), "plots")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("publish %s: %w", r.part, err)
	}
	old, err := filepath.Glob(filepath.Join(folder, r.part+"-*.svg"))
	if err != nil {
		return fmt.Errorf("publish %s: %w", r.part, err)
	}
	for _, file := range old {
		if _, keep := r.plots[filepath.Base(file)]; !keep {
			err = errors.Join(err, os.Remove(file))
		}
	}
	for name, svg := range r.plots {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, name), []byte(svg), 0o644))
	}
	if err != nil {
		return fmt.Errorf("publish %s: %w", r.part, err)
	}
	return replaceBetweenMarkers(page, r.part, r.text.String())
}

// replaceBetweenMarkers puts the text where an earlier run's was.
func replaceBetweenMarkers(file, part, text string) error {
	begin, end := "<!-- "+part+": begin -->", "<!-- "+part+": end -->"
	src, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(src), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return errors.New(file + " lacks the markers " + begin + " and " + end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644)
}
