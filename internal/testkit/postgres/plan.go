package postgres

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A Scan is a step of a statement's plan that reads a table, or an index, from its
// begin to its end.
type Scan struct {
	Statement       string
	Kind            string
	Relation, Index string
}

func (s Scan) String() string {
	return fmt.Sprintf("%s of %s %s\n  in %s", s.Kind, s.Relation, s.Index, s.Statement)
}

// reads are statements that have a plan.
var reads = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b`)

var parameter = regexp.MustCompile(`\$([0-9]+)`)

// Scans are those of statements in a schema, whatever their parameters are, where
// PostgreSQL finds no other way, as it would look for in large tables. Going along an index is none where the statement
// ends after some rows. Statements that have no plan are passed over; n is how many
// have one.
func Scans(t testing.TB, url, schema string, statements []string) (scans []Scan, n int) {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	statements = slices.DeleteFunc(slices.Clone(statements), func(text string) bool { return !reads.MatchString(text) })
	const end = "end of a plan"
	var script strings.Builder
	fmt.Fprintf(&script, "SET search_path = %q; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan;\n", schema)
	for i, statement := range statements {
		most := 0
		for _, m := range parameter.FindAllStringSubmatch(statement, -1) {
			n, _ := strconv.Atoi(m[1])
			most = max(most, n)
		}
		arguments := ""
		if most > 0 {
			arguments = "(NULL" + strings.Repeat(", NULL", most-1) + ")"
		}
		fmt.Fprintf(&script, "PREPARE p%d AS %s\n; EXPLAIN (FORMAT JSON) EXECUTE p%d%s;\n\\echo %s\n", i, statement, i, arguments, end)
	}
	out, err := s.run(script.String(), "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url)
	if err != nil {
		t.Fatal(err)
	}
	plans := strings.Split(strings.TrimSuffix(out, end), end+"\n")
	if len(plans) != len(statements) {
		t.Fatalf("%d plans of %d statements", len(plans), len(statements))
	}
	for i, text := range plans {
		var plan []struct{ Plan step }
		if err := json.Unmarshal([]byte(text), &plan); err != nil || len(plan) != 1 {
			t.Fatalf("%v: %s\n  in %s", err, text, statements[i])
		}
		plan[0].Plan.scans(false, func(s step) {
			scans = append(scans, Scan{Statement: statements[i], Kind: s.Kind, Relation: s.Relation, Index: s.Index})
		})
	}
	return scans, len(statements)
}

// A step is a part of a plan.
type step struct {
	Kind     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Cond     string `json:"Index Cond"`
	Plans    []step
}

// scans calls found for the step and those below it that are scans. limited: what is
// above ends it after some rows.
func (s step) scans(limited bool, found func(step)) {
	limited = limited || s.Kind == "Limit"
	whole := strings.Contains(s.Kind, "Index") && s.Cond == "" && !limited && s.Index != ""
	if s.Kind == "Seq Scan" || whole {
		found(s)
	}
	for _, below := range s.Plans {
		below.scans(limited, found)
	}
}

// begins are the words that a statement begins with.
var begins = regexp.MustCompile(`^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s`)

// same is a part of a statement without what engines and translations make of it.
func same(text string) string {
	return strings.Join(strings.Fields(placeholder.ReplaceAllString(text, "?")), " ")
}

var placeholder = regexp.MustCompile(`[$?][0-9]*`)

// Unseen are the statements that the sources in a folder have, and that nobody has
// run: of those that are put together, their beginnings. say, which may be nil, makes
// of a text what is run.
func Unseen(t testing.TB, dir string, say func(string) string, run []string) (unseen []string) {
	t.Helper()
	var all strings.Builder
	for _, text := range run {
		all.WriteString(same(text) + "\n")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil || !begins.MatchString(text) {
				return true
			}
			if say != nil {
				text = say(text)
			}
			if text = same(text); !strings.Contains(all.String(), text) {
				unseen = append(unseen, filepath.Base(file)+": "+text)
			}
			return true
		})
	}
	return unseen
}
