package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSeries(t *testing.T) {
	a, b := series{3, 1, 2}, series{2, 0, 1}
	for got, want := range map[string]string{
		a.String():              "2.00 (1.00 – 3.00)",
		a.beside(b).String():    "2.00 (1.50 – 2.00)", // what was nothing has no ratio
		a.minus(b).String():     "1.00 (1.00 – 1.00)",
		series{}.String():       "–",
		series{1234.5}.String(): "1234",
		series{12.34}.String():  "12.3",
		plain(500_000) + " " + plain(1234567.5) + " " + plain(0.7) + " " + plain(100) + " " + plain(0): "500,000 1,234,567.5 0.7 100 0",
		series{1}.beside(nil).String(): "–",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTable(t *testing.T) {
	tab := newTable("a", "b|c")
	tab.add("1")
	tab.add("x\ny", "2")
	if got, want := tab.String(), "| a | b\\|c |\n|---|---|\n| 1 |  |\n| x y | 2 |\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSVG(t *testing.T) {
	c := &chart{title: `A < B & "C"`, marks: []mark{{1, "peer"}}}
	c.add("one", "portico <1>", series{1, 2, 1.5}, false)
	c.add("one", "a peer with a name that is much longer than there is room for it beside its bar", series{1}, true)
	c.add("two", "less than nothing", series{-1, -0.5}, false)
	c.add("two", "nothing measured", nil, false)
	svg := c.svg()
	rects, texts := 0, ""
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			if e.Name.Local == "rect" {
				rects++
			}
		case xml.CharData:
			texts += string(e) + "\n"
		}
	}
	if rects != 4 { // the ground and three bars
		t.Errorf("%d rectangles, want 4", rects)
	}
	for _, want := range []string{`A < B & "C"`, "portico <1>", "1.50 (1.00 – 2.00)", "one", "two", "peer"} {
		if !strings.Contains(texts, want) {
			t.Errorf("no %q in %s", want, texts)
		}
	}
	if bad := regexp.MustCompile(`NaN|Inf|width="-`).FindString(svg); bad != "" {
		t.Errorf("%s in %s", bad, svg)
	}
}

// page is one with the markers of two parts and of the summary.
func page(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "performance.md")
	text := "# P\n\n<!-- summary: begin -->\n<!-- summary: end -->\n\nmine\n\n<!-- relay: begin -->\nold\n<!-- relay: end -->\n\n<!-- proxy: begin -->\n<!-- proxy: end -->\nend\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPublish(t *testing.T) {
	file := page(t)
	c := &chart{title: "T"}
	c.add("", "x", series{1}, false)
	r := newReport("relay")
	r.say("first")
	r.plot("rates", c)
	r.plot("cpu", c)
	r.plot("nothing", &chart{title: "no bars"})
	if err := r.publish(file); err != nil {
		t.Fatal(err)
	}
	r = newReport("relay")
	r.say("second")
	r.plot("rates", c)
	if err := r.publish(file); err != nil {
		t.Fatal(err)
	}
	got := read(t, file)
	want := "<!-- relay: begin -->\n\nsecond\n\n![T](plots/relay-rates.svg)\n\n<!-- relay: end -->"
	if !strings.Contains(got, want) || strings.Contains(got, "old") || strings.Contains(got, "first") || !strings.Contains(got, "mine") || !strings.HasSuffix(got, "end\n") {
		t.Errorf("got %s", got)
	}
	plots, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "plots", "*"))
	if len(plots) != 1 || filepath.Base(plots[0]) != "relay-rates.svg" {
		t.Errorf("plots are %v; the one that the part no longer has should be gone", plots)
	}
	if err := newReport("chat").publish(file); err == nil || !strings.Contains(err.Error(), "lacks the markers <!-- chat: begin -->") {
		t.Errorf("a page without markers: %v", err)
	}
}

// A part that is measured alone leaves what the summary says of others.
func TestSummary(t *testing.T) {
	file := page(t)
	of := func(claims ...claim) partFigures {
		return partFigures{Measured: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Cores: 2, Load: "0.10", Claims: claims}
	}
	publish := func(part string, p partFigures) {
		f, err := readFigures(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.publish(file, part, p); err != nil {
			t.Fatal(err)
		}
	}
	publish("proxy", of(claim{"proxy", "1 KiB", 1.2, 1.1, 1.3}, claim{"proxy", "100 KiB", 1.05, 0.9, 1.3}))
	publish("relay", of(claim{"relay-requests", "1 KiB", 0.9, 0.8, 1}, claim{"relay-requests", "100 KiB", 1.3, 1.3, 1.3}))
	publish("reload", of(claim{"reload", "waited", 60, 50, 120}))
	got := read(t, file)
	for _, want := range []string{
		"| HTTP proxy: requests a second beside nginx | at least 1x | 100 KiB: 1.05 (0.90 – 1.30)x | 2 of 2 | yes | 2026-01-02 03:04, 2 cores, load 0.10 before |",
		"| at least 1x | 1 KiB: 0.90 (0.80 – 1.00)x | 1 of 2 | **no** |",
		"| reload of 1,000 listeners | at most 100 ms | waited: 60.0 (50.0 – 120) ms | 1 of 1 | yes |",
		"not measured yet",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

func TestAims(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range aims {
		if seen[a.id] {
			t.Errorf("%s is there twice", a.id)
		}
		seen[a.id] = true
	}
	src := ""
	files, _ := filepath.Glob("*.go")
	for _, f := range files {
		if f != "aims.go" && !strings.HasSuffix(f, "_test.go") {
			src += read(t, f)
		}
	}
	for id := range seen {
		if !strings.Contains(src, `"`+id+`"`) {
			t.Errorf("no part measures %s", id)
		}
	}
}

// The pages have a place for every part, and every plot that they show.
func TestPage(t *testing.T) {
	file := "../docs/performance.md"
	text, all := read(t, file), map[string]string{}
	for _, name := range append(partNames(), "summary") {
		page := pageOf(name, file)
		all[page] = read(t, page)
		if strings.Count(all[page], "<!-- "+name+": begin -->") != 1 || strings.Count(all[page], "<!-- "+name+": end -->") != 1 {
			t.Errorf("%s has no place for %s", page, name)
		}
		if link := "](" + filepath.Base(page) + ")"; page != file && !strings.Contains(text, link) {
			t.Errorf("%s does not link to %s", file, page)
		}
	}
	shown := map[string]bool{}
	for _, text := range all {
		for _, m := range regexp.MustCompile(`\]\((plots/[^)]+)\)`).FindAllStringSubmatch(text, -1) {
			shown[filepath.Base(m[1])] = true
			if _, err := os.Stat(filepath.Join("../docs", m[1])); err != nil {
				t.Error(err)
			}
		}
	}
	plots, _ := filepath.Glob("../docs/plots/*.svg")
	for _, p := range plots {
		if !shown[filepath.Base(p)] {
			t.Errorf("nothing shows %s", p)
		}
	}
	if _, err := readFigures(file); err != nil {
		t.Error(err)
	}
}

func TestParts(t *testing.T) {
	sum := func(b *bench) (all time.Duration) {
		for _, p := range parts() {
			all += p.takes(b)
		}
		return all
	}
	if all := sum(&bench{rounds: 5, each: 2 * time.Second}); all > 40*time.Minute {
		t.Errorf("the long form takes %s", all)
	}
	if all := sum(&bench{short: true, rounds: 1, each: time.Second}); all > 5*time.Minute-20*time.Second {
		t.Errorf("the short form takes %s, and the build some more", all)
	}
	for _, p := range parts() {
		for _, command := range p.needs {
			if _, ok := peerOf(command); !ok {
				t.Errorf("%s needs %s, and nothing says where that is from", p.name, command)
			}
		}
	}
	if chosen, err := chooseParts("proxy,http"); err != nil || len(chosen) != 2 || chosen[0].name != "http" {
		t.Errorf("%v, %v", chosen, err)
	}
	if _, err := chooseParts("relay,nonsense"); err == nil || !strings.Contains(err.Error(), `no part "nonsense"; there are http, split,`) {
		t.Errorf("%v", err)
	}
}
