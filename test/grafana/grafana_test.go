// Package grafana holds the dashboard and the alert rules of docs/grafana
// against what the daemon really counts.
package grafana

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/porticod/portico/internal/testkit"
)

const program = "PORTICO_TEST_PROGRAM"

// TestProgram is the program of the kind process.
func TestProgram(*testing.T) {
	if os.Getenv(program) == "" {
		return // it is a test like others: there is nothing to do
	}
	ln, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err == nil {
		err = http.Serve(ln, http.NotFoundHandler())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// everything has every kind that counts something, and listeners that refuse.
const everything = `
accounts { registration = "closed" }
service "chat" "c" {}
service "photos" "p" {}
service "images" "i" { root = "." }
service "respond" "r" { body = "r" }
service "proxy" "x" { upstreams = ["http://UPSTREAM"] }
service "tcp" "t" { upstreams = ["UPSTREAM"] }
service "process" "s" {
  command = ["@PROGRAM@", "-test.run=^TestProgram$"]
  env     = { PORTICO_TEST_PROGRAM = "1" }
}
listener "web" {
  address = "127.0.0.1:0"
  route {
    protocol = "ssh"
    service  = service.tcp.t
  }
  route {
    path    = ["/c"]
    service = service.chat.c
  }
  route {
    path    = ["/p"]
    service = service.photos.p
  }
  route {
    path    = ["/i"]
    service = service.images.i
  }
  route {
    path    = ["/x"]
    service = service.proxy.x
  }
  route {
    path    = ["/s"]
    service = service.process.s
  }
  service = service.respond.r
}
listener "denied" {
  address = "127.0.0.1:0"
  deny    = ["127.0.0.0/8"]
  service = service.respond.r
}
listener "small" {
  address = "127.0.0.1:0"
  limits { body = "1KiB" }
  service = service.respond.r
}
listener "secure" {
  address = "127.0.0.1:0"
  tls { self_signed = true }
  service = service.respond.r
}
`

// counted are the metrics of a daemon that did a bit of everything.
func counted(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(upstream)
	t.Cleanup(func() { srv.Close() })
	config := strings.NewReplacer("UPSTREAM", upstream.Addr().String(), "@PROGRAM@", os.Args[0]).Replace(everything)
	d := testkit.Start(t, testkit.App(), config)
	if res, err := http.Get(d.URL("denied")); err == nil {
		res.Body.Close()
		t.Error("who is denied gets an answer")
	}
	res, err := http.Post(d.URL("small"), "text/plain", strings.NewReader(strings.Repeat("x", 10<<10)))
	if err == nil {
		res.Body.Close()
	}
	res, err = d.Admin.HTTP().Get("http://portico/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// An expression is one of the dashboard's or of the rules', and where it is from.
type expression struct{ of, text string }

func read(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "docs", "grafana", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func dashboard(t *testing.T) []expression {
	t.Helper()
	type target struct {
		RefID string `json:"refId"`
		Expr  string `json:"expr"`
	}
	var d struct {
		UID, Title    string
		SchemaVersion int
		Panels        []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []target
		}
		Annotations struct{ List []struct{ Name, Expr string } }
		Templating  struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	if err := json.Unmarshal(read(t, "portico.json"), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion == 0 {
		t.Errorf("the dashboard has no uid, title or version: %q %q %d", d.UID, d.Title, d.SchemaVersion)
	}
	var list []expression
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d, %q, is not whole, or another has its id: %+v", p.ID, p.Title, p.GridPos)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			list = append(list, expression{p.Title + " " + q.RefID, q.Expr})
		}
	}
	for _, a := range d.Annotations.List {
		list = append(list, expression{a.Name, a.Expr})
	}
	for _, v := range d.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			list = append(list, expression{"variable " + v.Name, m[1]})
		} else if v.Type == "query" {
			t.Errorf("variable %s: %q", v.Name, v.Definition)
		}
	}
	return list
}

var labelValues = regexp.MustCompile(`^label_values\((.+), \w+\)$`)

func rules(t *testing.T) []expression {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For string
				Labels           map[string]string
				Annotations      map[string]string
			}
		}
	}
	dec := yaml.NewDecoder(strings.NewReader(string(read(t, "alerts.yml"))))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	var list []expression
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("rule %q of group %s says too little", r.Alert, g.Name)
			}
			if slices.ContainsFunc(list, func(e expression) bool { return e.of == r.Alert }) {
				t.Errorf("two rules are called %s", r.Alert)
			}
			list = append(list, expression{r.Alert, r.Expr})
		}
	}
	return list
}

// Every expression names only what the daemon counts, in the way that the type
// asks for, with labels that there are.
func TestExpressions(t *testing.T) {
	families := counted(t)
	list := append(dashboard(t), rules(t)...)
	if len(list) < 60 {
		t.Fatalf("only %d expressions", len(list))
	}
	for _, e := range list {
		for _, wrong := range check(e.text, families) {
			t.Errorf("%s: %s\n%s", e.of, wrong, e.text)
		}
	}
}

var (
	metric  = regexp.MustCompile(`\b(?:portico|process|go)_[a-z0-9_]+`)
	rated   = regexp.MustCompile(`\b(?:rate|increase)\(([a-z0-9_]+)(?:\{[^}]*\})?\[`)
	grouped = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matched = regexp.MustCompile(`\b([a-z0-9_]+)\{([^}]*)\}`)
	matcher = regexp.MustCompile(`(?:^|,)\s*(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"`)
)

// anywhere are labels that Prometheus adds, and that of buckets.
var anywhere = []string{"instance", "job", "le", "quantile"}

// check says what is wrong with an expression, as far as one can see without a
// server.
func check(text string, families map[string]*dto.MetricFamily) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if strings.Count(text, "(") != strings.Count(text, ")") || strings.Count(text, "{") != strings.Count(text, "}") {
		bad("brackets do not match")
	}
	var ratedNames []string
	for _, m := range rated.FindAllStringSubmatch(text, -1) {
		ratedNames = append(ratedNames, m[1])
	}
	labels := slices.Clone(anywhere)
	names := metric.FindAllString(stripMatchers(text), -1)
	for _, name := range names {
		f, part := family(name, families)
		if f == nil {
			bad("the daemon has no metric %s", name)
			continue
		}
		counts := f.GetType() == dto.MetricType_COUNTER || part
		if counts != slices.Contains(ratedNames, name) {
			bad("%s is a %s: rate() is for counters, and only for them", name, f.GetType())
		}
		labels = append(labels, labelsOf(f)...)
	}
	if len(names) == 0 && !strings.Contains(text, "up{") {
		bad("it has no metric")
	}
	for _, m := range matched.FindAllStringSubmatch(text, -1) {
		f, _ := family(m[1], families)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(labelsOf(f), anywhere...), l[1]) {
				bad("%s has no label %s", m[1], l[1])
			}
		}
	}
	for _, m := range grouped.FindAllStringSubmatch(text, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if !slices.Contains(labels, strings.TrimSpace(l)) {
				bad("there is no label %s to group by", l)
			}
		}
	}
	return wrong
}

var braces = regexp.MustCompile(`\{[^}]*\}`)

func stripMatchers(text string) string { return braces.ReplaceAllString(text, "") }

// family finds a metric; part says that name is one of a histogram's.
func family(name string, families map[string]*dto.MetricFamily) (f *dto.MetricFamily, part bool) {
	if f := families[name]; f != nil {
		return f, false
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		base, ok := strings.CutSuffix(name, suffix)
		if f := families[base]; ok && f != nil && f.GetType() == dto.MetricType_HISTOGRAM {
			return f, true
		}
	}
	return nil, false
}

func labelsOf(f *dto.MetricFamily) []string {
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			names = append(names, l.GetName())
		}
	}
	return names
}

// The check itself, since docs/grafana shows only what is right.
func TestCheck(t *testing.T) {
	name := func(s string) *string { return &s }
	counter, gauge, histogram := dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_HISTOGRAM
	label := []*dto.Metric{{Label: []*dto.LabelPair{{Name: name("listener")}}}}
	families := map[string]*dto.MetricFamily{
		"portico_a_total": {Type: &counter, Metric: label}, "portico_b": {Type: &gauge}, "portico_c_seconds": {Type: &histogram},
	}
	for text, want := range map[string]int{
		`rate(portico_a_total[5m])`: 0, `sum by (listener) (rate(portico_a_total{listener="x"}[5m]))`: 0, `portico_b`: 0,
		`histogram_quantile(.9, sum by (le) (rate(portico_c_seconds_bucket[5m])))`: 0, `up{job="portico"} == 0`: 0,
		`portico_a_total`: 1, `rate(portico_b[5m])`: 1, `portico_none`: 1, `portico_b{listener="x"}`: 1,
		`sum by (listner) (rate(portico_a_total[5m]))`: 1, `sum(portico_b`: 1, `1`: 1, `portico_c_seconds_buckets`: 1, `portico_c_seconds_sum`: 1,
	} {
		if got := check(text, families); len(got) != want {
			t.Errorf("%s: %q, want %d", text, got, want)
		}
	}
}
