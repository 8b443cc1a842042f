package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/hostcheck"
	"github.com/porticod/portico/pkg/logging"
	"github.com/porticod/portico/pkg/service"
)

// etcFile is where a packaged portico has its config file.
const etcFile = "/etc/portico/config.hcl"

// A source is where the config comes from.
type source struct {
	file   string // absolute
	vars   map[string]string
	getenv func(string) string
	unit   *hostcheck.Unit // what is to run the file; nil: this process
}

// forUnit has the file looked at as the unit of systemd would, if there is one:
// its own file with its environment, another one that root looks at by its rights.
// Everybody else is taken for the one who is to run the file.
func (s source) forUnit(ctx context.Context) source {
	u := hostcheck.FindUnit(ctx)
	switch {
	case u == nil:
	case u.Runs(s.file):
		s.unit, s.getenv = u, u.Getenv(s.getenv)
	case os.Geteuid() == 0:
		s.unit = u
	}
	return s
}

// addVars adds the flag --var.
func addVars(cmd *cobra.Command, vars *[]string) {
	cmd.Flags().StringArrayVar(vars, "var", nil, "set a variable of the config file: `name=value`; may be repeated")
}

// source finds the config file: the argument, --config, $PORTICO_CONFIG,
// ./config.hcl, /etc/portico/config.hcl.
func (e *env) source(args, vars []string) (source, error) {
	s := source{vars: map[string]string{}, getenv: e.getenv}
	for _, v := range vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return s, usage("--var %s: write it as --var name=value", v)
		}
		s.vars[name] = value
	}
	file, err := e.file(args)
	if err != nil {
		return s, err
	}
	if s.file, err = filepath.Abs(file); err != nil {
		return s, failed(fmt.Errorf("find the config file: %w", err))
	}
	return s, nil
}

func (e *env) file(args []string) (string, error) {
	switch {
	case len(args) > 0:
		return args[0], nil
	case e.configFlag != "":
		return e.configFlag, nil
	case e.getenv("PORTICO_CONFIG") != "":
		return e.getenv("PORTICO_CONFIG"), nil
	}
	packaged := cmp.Or(e.Packaged, etcFile)
	for _, f := range []string{"config.hcl", packaged} {
		if _, err := os.Stat(f); err == nil {
			return f, nil
		}
	}
	return "", usage("no config file: there is neither ./config.hcl nor %s, and $PORTICO_CONFIG is not set; name one, or write one with: portico init", packaged)
}

func (s source) options(kinds service.Registry) config.Options {
	return config.Options{Kinds: kinds, Vars: s.vars, Getenv: s.getenv}
}

// loaded is what came of loading a file.
type loaded struct {
	cfg   *config.Config // nil if err is not
	err   error          // the file has mistakes
	src   *config.Source
	diags hcl.Diagnostics
}

func (s source) load(kinds service.Registry) loaded {
	cfg, src, diags := config.Load(s.file, s.options(kinds))
	l := loaded{cfg: cfg, src: src, diags: diags}
	if diags.HasErrors() {
		l.err = mistakes(diags)
		return l
	}
	for _, f := range hostcheck.Lacks(cfg, s.unit) {
		l.diags = append(l.diags, diagnostic(f))
	}
	return l
}

// diagnostic is what was found of the machine, at its place in the file.
func diagnostic(f hostcheck.Finding) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: strings.ToUpper(f.Found[:1]) + f.Found[1:], Detail: f.Remedy}
	if f.At.Filename != "" {
		d.Subject = &f.At
	}
	return d
}

// mistakes is the error for a file with mistakes, on one line: the first one and
// how many more there are.
func mistakes(diags hcl.Diagnostics) error {
	var first string
	n := 0
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if n++; n > 1 {
			continue
		}
		first = d.Summary
		if d.Subject != nil {
			first = fmt.Sprintf("%s:%d: %s", d.Subject.Filename, d.Subject.Start.Line, d.Summary)
		}
	}
	if n > 1 {
		return fmt.Errorf("%s (and %d more)", first, n-1)
	}
	return errors.New(first)
}

// textWidth is how wide the diagnostics are on a terminal.
const textWidth = 100

// text is the diagnostics for people, with the lines underlined.
func (l loaded) text(width int, color bool) string {
	var b strings.Builder
	_ = l.src.WriteText(&b, l.diags, width, color) // a Builder takes everything
	return b.String()
}

// json is the diagnostics for programs.
func (l loaded) json() json.RawMessage {
	var b bytes.Buffer
	_ = l.src.WriteJSON(&b, l.diags)
	return b.Bytes()
}

// print shows the diagnostics to people.
func (e *env) print(l loaded) {
	width := 0
	terminal := logging.IsTerminal(e.Err)
	if terminal {
		width = textWidth
	}
	fmt.Fprint(e.Err, l.text(width, terminal && e.getenv("NO_COLOR") == ""))
}

// log writes one event for each diagnostic.
func (l loaded) log(log zerolog.Logger) {
	for _, d := range l.diags {
		ev := log.Warn()
		if d.Severity == hcl.DiagError {
			ev = log.Error()
		}
		if d.Subject != nil {
			ev = ev.Str("file", d.Subject.Filename).Int("line", d.Subject.Start.Line)
		}
		ev.Str("detail", d.Detail).Msg(d.Summary)
	}
}
