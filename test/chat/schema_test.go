package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/porticod/portico/services/chat/api"
)

// A description is openapi.yaml and asyncapi.yaml, and what was compared with
// them.
type description struct {
	t        *testing.T
	compiler *jsonschema.Compiler
	paths    map[string]map[string]operation
	used     map[string]bool // operations
	events   map[string]bool // types of events that were seen
	schemas  map[string]*jsonschema.Schema
}

type operation struct {
	OperationID string `yaml:"operationId"`
	RequestBody *struct {
		Content map[string]struct{ Schema map[string]any }
	} `yaml:"requestBody"`
	Responses map[string]struct {
		Ref     string `yaml:"$ref"`
		Content map[string]struct{ Schema map[string]any }
	}
}

func describe(t *testing.T) *description {
	t.Helper()
	d := &description{t: t, compiler: jsonschema.NewCompiler(), used: map[string]bool{}, events: map[string]bool{}, schemas: map[string]*jsonschema.Schema{}}
	d.compiler.AssertFormat()
	for name, src := range map[string][]byte{"openapi.yaml": api.OpenAPI, "asyncapi.yaml": api.AsyncAPI} {
		var doc map[string]any
		if err := yaml.Unmarshal(src, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key, s := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
			if !strings.HasSuffix(key, "Fields") {
				shut(s)
			}
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.compiler.AddResource("file:///"+name, plain); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
			d.schema(name, key)
		}
	}
	var open struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(api.OpenAPI, &open); err != nil {
		t.Fatal(err)
	}
	d.paths = map[string]map[string]operation{}
	for path, nodes := range open.Paths {
		d.paths[path] = map[string]operation{}
		for method, node := range nodes {
			if method == "parameters" {
				continue
			}
			var op operation
			if err := node.Decode(&op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			d.paths[path][method] = op
		}
	}
	return d
}

// shut makes a schema refuse fields that it does not name: clients ignore them,
// but here they would be something that nobody described.
func shut(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["type"] == "object" && v["additionalProperties"] == nil {
			v["unevaluatedProperties"] = false
		}
		for key, inner := range v {
			if key != "allOf" && key != "if" && key != "then" && key != "else" {
				shut(inner)
			}
		}
	case []any:
		for _, inner := range v {
			shut(inner)
		}
	}
}

// schema compiles a schema of a file, once.
func (d *description) schema(file, name string) *jsonschema.Schema {
	d.t.Helper()
	at := file + "#/components/schemas/" + name
	if s := d.schemas[at]; s != nil {
		return s
	}
	s, err := d.compiler.Compile("file:///" + at)
	if err != nil {
		d.t.Fatalf("%s: %v", at, err)
	}
	d.schemas[at] = s
	return s
}

// fits compares JSON with a schema.
func (d *description) fits(what, file, name string, body []byte) {
	d.t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = d.schema(file, name).Validate(v)
	}
	if err != nil {
		d.t.Errorf("%s does not fit %s: %s\n%v", what, name, body, err)
	}
}

// named is the name of a schema that is a reference.
func named(schema map[string]any) string {
	ref, _ := schema["$ref"].(string)
	return ref[strings.LastIndex(ref, "/")+1:]
}

// A caller calls what is described, as one user.
type caller struct {
	*user
	d    *description
	base string
}

// do calls an operation: path is the one of the file, with its parameters filled
// in by args in turn; a last one that begins with ? is the query. The request's
// body and the answer must be as they are described, and the answer's status as
// wanted.
func (c *caller) do(want int, method, path string, body any, args ...string) []byte {
	c.d.t.Helper()
	op, ok := c.d.paths[path][strings.ToLower(method)]
	if !ok {
		c.d.t.Fatalf("%s %s is not described", method, path)
	}
	target := path
	for _, arg := range args {
		if strings.HasPrefix(arg, "?") {
			target += arg
			continue
		}
		before, rest, _ := strings.Cut(target, "{")
		_, after, _ := strings.Cut(rest, "}")
		target = before + url.PathEscape(arg) + after
	}
	what := method + " " + target
	if op.RequestBody != nil && want < 400 {
		if schema := named(op.RequestBody.Content["application/json"].Schema); schema != "" && body != nil {
			b, _ := json.Marshal(body)
			c.d.fits("the body of "+what, "openapi.yaml", schema, b)
		}
	}
	status, answer, err := c.raw(method, c.base+target, body)
	if err != nil {
		c.d.t.Fatalf("%s: %v", what, err)
	}
	if status != want {
		c.d.t.Fatalf("%s: %d %s, not %d", what, status, answer, want)
	}
	if want < 400 {
		c.d.used[op.OperationID] = true
	}
	c.d.answer(what, op, status, answer)
	return answer
}

// answer compares an answer with what is described for its status.
func (d *description) answer(what string, op operation, status int, answer []byte) {
	d.t.Helper()
	r, ok := op.Responses[fmt.Sprint(status)]
	switch {
	case !ok && status >= 400:
		d.fits(what, "openapi.yaml", "Failure", answer)
	case !ok:
		d.t.Errorf("%s: %d is not described", what, status)
	case len(r.Content) == 0 && len(answer) > 0:
		d.t.Errorf("%s: %d has a body: %s", what, status, answer)
	case r.Content["application/x-ndjson"].Schema != nil:
		for l := range bytes.Lines(answer) {
			d.fits(what, "openapi.yaml", named(r.Content["application/x-ndjson"].Schema), l)
		}
	case r.Content["application/json"].Schema != nil:
		d.fits(what, "openapi.yaml", named(r.Content["application/json"].Schema), answer)
	}
}

// A speaker is a WebSocket whose lines are compared with the description.
type speaker struct {
	d *description
	*wire
	name string
}

func (c *caller) connect() *speaker {
	c.d.t.Helper()
	w, res, err := open(hostOf(c.base), "/v1/ws", http.Header{"Sec-Websocket-Protocol": {"chat.v1.json"}})
	if err != nil || w == nil {
		c.d.t.Fatalf("%v, %v", res, err)
	}
	c.d.used["socket"] = true
	c.d.t.Cleanup(func() { _ = w.conn.Close() })
	s := &speaker{c.d, w, c.name}
	s.say(`{"id":"hello","connect":{"token":%q,"device":"test"}}`, c.token)
	s.until(`{"synced"`)
	return s
}

// say sends a line that is as described.
func (s *speaker) say(format string, args ...any) {
	s.d.t.Helper()
	l := fmt.Sprintf(format, args...)
	s.d.fits("a command", "asyncapi.yaml", "Command", []byte(l))
	if err := s.write(text(l)); err != nil {
		s.d.t.Fatal(err)
	}
}

// until reads lines up to one that begins so, and returns it.
func (s *speaker) until(prefix string) string {
	s.d.t.Helper()
	found := ""
	for found == "" {
		msg, err := s.message(patience)
		if err != nil {
			s.d.t.Fatalf("%s waits for %s: %v", s.name, prefix, err)
		}
		for raw := range bytes.SplitSeq(msg, []byte{'\n'}) {
			s.line(raw)
			if found == "" && strings.HasPrefix(string(raw), prefix) {
				found = string(raw)
			}
		}
	}
	return found
}

func (s *speaker) line(raw []byte) {
	s.d.t.Helper()
	s.d.fits("a line", "asyncapi.yaml", "Line", raw)
	var l line
	_ = json.Unmarshal(raw, &l)
	if l.Ev != nil {
		s.d.events[l.Ev.Type] = true
	}
	if l.Ack == nil {
		return
	}
	// The three kinds of acknowledgements have other fields, which one schema of
	// optional ones would not tell apart.
	var fields struct{ Ack map[string]any }
	_ = json.Unmarshal(raw, &fields)
	if _, dup := fields.Ack["dup"]; dup != (fields.Ack["cid"] != nil) || dup && fields.Ack["at"] == nil {
		s.d.t.Errorf("half an acknowledgement: %s", raw)
	}
}

// covered says what of the description was not tried.
func (d *description) covered(also ...string) {
	d.t.Helper()
	for path, ops := range d.paths {
		for method, op := range ops {
			if !d.used[op.OperationID] && !slices.Contains(also, op.OperationID) {
				d.t.Errorf("%s %s was not tried", strings.ToUpper(method), path)
			}
		}
	}
	for _, typ := range []string{"message", "edit", "delete", "reaction", "member", "conversation", "mark", "typing", "presence"} {
		if !d.events[typ] {
			d.t.Errorf("no event of type %s was seen", typ)
		}
	}
}
