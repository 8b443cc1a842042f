package cli

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"net/mail"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// templates are what init writes: a part of the file for each kind, and files to
// begin with.
//
//go:embed templates/init
var templates embed.FS

// A suggestion is what init proposes for a kind of service.
type suggestion struct {
	name   string
	port   int    // on loopback; of a raw service everywhere
	raw    bool   // has no name of its own to be told by
	folder string // that the service is about
	sample string // a file for that folder, in templates
}

// suggestions are for the kinds that portico comes with, by kind. Another one
// gets a block without options.
var suggestions = map[string]suggestion{
	"chat":     {name: "chat", port: 3001},
	"photos":   {name: "photos", port: 2001},
	"images":   {name: "gallery", port: 8080, folder: "images"},
	"static":   {name: "site", port: 8081, folder: "site", sample: "templates/init/index.html"},
	"proxy":    {name: "backend", port: 8082},
	"process":  {name: "app", port: 8083, folder: "app", sample: "templates/init/app.py"},
	"redirect": {name: "www", port: 8084},
	"respond":  {name: "hello", port: 8085},
	"echo":     {name: "echo", port: 8086},
	"tcp":      {name: "relay", port: 2222, raw: true},
}

// otherPort is where kinds that are not in suggestions begin.
const otherPort = 8090

// A draft is a config file before it is written, as the templates see it.
type draft struct {
	File    string // as an argument: " other.hcl", or "" for the usual one
	DataDir string
	System  bool   // for a service of the system, below /etc
	Domain  string // "" for loopback
	Email   string

	All      []drafted
	Web, Raw []drafted // with a domain: what shares its port, and what does not
	Accounts []string  // the services that people sign in to
}

// A drafted is one service of a draft.
type drafted struct {
	Kind, Name, Ref string
	Port            int
	Hosts           []string // with a domain
	Folder          string
	Sample          string // what Folder begins with; "" for nothing
	Command         string // of process, as HCL
	*draft
}

// URL is where people find the service; "" on loopback.
func (s drafted) URL() string {
	if len(s.Hosts) == 0 {
		return ""
	}
	return "https://" + s.Hosts[0]
}

// Where is what a person would try.
func (s drafted) Where() string {
	switch {
	case len(s.Hosts) > 0:
		return s.URL() + "/"
	case suggestions[s.Kind].raw && s.Domain != "":
		return fmt.Sprintf("%s:%d", s.Domain, s.Port)
	case suggestions[s.Kind].raw:
		return fmt.Sprintf("127.0.0.1:%d", s.Port)
	}
	return fmt.Sprintf("http://127.0.0.1:%d/", s.Port)
}

// Beside is the URL of the service of another kind; "" without a domain.
func (s drafted) Beside(kind string) string {
	for _, o := range s.All {
		if o.Kind == kind {
			return o.URL()
		}
	}
	return ""
}

// Front is where a redirect leads to: the site, or what else there is.
func (s drafted) Front() string {
	if site := s.Beside("static"); site != "" {
		return site
	}
	for _, o := range s.Web {
		if o.Kind != "redirect" {
			return o.URL()
		}
	}
	return "https://www.example.com"
}

// draft makes a plan of what the flags ask for.
func (e *env) draft(f initFlags) (*draft, error) {
	d := &draft{DataDir: "./data", Email: f.email}
	if f.output != "config.hcl" && f.output != etcFile && f.output != "-" {
		d.File = " " + f.output
	}
	if full, err := filepath.Abs(f.output); err == nil && strings.HasPrefix(full, "/etc/") && f.output != "-" {
		d.System, d.DataDir = true, "/var/lib/portico"
	}
	if err := d.setDomain(f); err != nil {
		return nil, err
	}
	kinds, err := e.kindsOf(f)
	if err != nil {
		return nil, err
	}
	for i, k := range kinds {
		s, err := d.add(k, otherPort+i, f.command)
		if err != nil {
			return nil, err
		}
		d.All = append(d.All, s)
	}
	d.giveNames(kinds)
	return d, nil
}

// aDomain is a name below which others can be.
var aDomain = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

func (d *draft) setDomain(f initFlags) error {
	if f.domain == "" {
		if f.email != "" {
			return usage("--email is for certificates; it needs --domain")
		}
		return nil
	}
	d.Domain = strings.TrimSuffix(strings.ToLower(f.domain), ".")
	if len(d.Domain) > 200 || !aDomain.MatchString(d.Domain) {
		return usage("%q is not the name of a domain; give one such as example.org, without https:// and without a port", f.domain)
	}
	if f.email == "" {
		return nil
	}
	if a, err := mail.ParseAddress(f.email); err != nil || a.Address != f.email || strings.ContainsAny(f.email, "\"$%\\") {
		return usage("%q is not an e-mail address; give one such as ops@%s", f.email, d.Domain)
	}
	return nil
}

// kindsOf are the kinds that the flags name, in the order of the command line.
func (e *env) kindsOf(f initFlags) ([]service.Kind, error) {
	var kinds []service.Kind
	seen := map[string]bool{}
	for _, name := range f.services {
		name = strings.TrimSpace(name)
		k, ok := e.Kinds[name]
		switch {
		case !ok:
			return nil, usage("there is no kind %q. %s", name, settings.DidYouMean(name, "There are", e.Kinds.Names()))
		case seen[name]:
			return nil, usage("%s is named twice; init writes one service of a kind, copy its blocks for another one", name)
		}
		seen[name] = true
		kinds = append(kinds, k)
	}
	if len(kinds) == 0 {
		return nil, usage("--services names no kind of service. There are %s", strings.Join(e.Kinds.Names(), ", "))
	}
	if f.command != "" && !seen["process"] {
		return nil, usage("--command is for the kind process, which --services does not name")
	}
	return kinds, nil
}

// add makes the part of one kind.
func (d *draft) add(k service.Kind, port int, command string) (drafted, error) {
	g, ok := suggestions[k.Name()]
	if !ok {
		g = suggestion{name: k.Name(), port: port}
	}
	s := drafted{Kind: k.Name(), Name: g.name, Ref: k.Name() + "." + g.name, Port: g.port, Sample: g.sample, draft: d}
	if g.folder != "" {
		s.Folder = "./" + g.folder
		if d.System {
			s.Folder = "/srv/portico/" + g.folder
		}
	}
	if k.Name() == "chat" || k.Name() == "photos" {
		d.Accounts = append(d.Accounts, g.name)
	}
	if k.Name() == "process" {
		return s, s.setCommand(command)
	}
	return s, nil
}

// setCommand sets what process runs: the command given, or the sample.
func (s *drafted) setCommand(command string) error {
	args := strings.Fields(command)
	if len(args) == 0 {
		if _, err := exec.LookPath("python3"); err != nil {
			return usage("process needs a program to run, and the sample needs python3, which is not here; name yours: --command \"node server.js\"")
		}
		args = []string{"python3", filepath.Base(s.Sample)}
	} else {
		s.Sample = ""
	}
	b, err := json.Marshal(args)
	if err != nil {
		return failed(err)
	}
	s.Command = strings.NewReplacer(`","`, `", "`, "${", "$${", "%{", "%%{").Replace(string(b))
	return nil
}

// giveNames gives each service a name below the domain; static, or what is
// alone, has the domain itself.
func (d *draft) giveNames(kinds []service.Kind) {
	if d.Domain == "" {
		return
	}
	var web []int
	for i, k := range kinds {
		if k.Ability().Has(service.HTTP) && !suggestions[k.Name()].raw {
			web = append(web, i)
		}
	}
	for i := range d.All {
		s := &d.All[i]
		switch {
		case !slices.Contains(web, i):
			d.Raw = append(d.Raw, *s)
			continue
		case s.Kind != "redirect" && (s.Kind == "static" || len(web) == 1):
			s.Hosts = []string{d.Domain}
		default:
			s.Hosts = []string{s.Name + "." + d.Domain}
		}
		d.Web = append(d.Web, *s)
	}
}

// names are all that has to be in DNS.
func (d *draft) names() (names []string) {
	for _, s := range d.Web {
		names = append(names, s.Hosts...)
	}
	return names
}

// Flag is how the commands are told the file that take it by a flag.
func (d *draft) Flag() string {
	if d.File == "" {
		return ""
	}
	return " -c" + d.File
}

// Command is a command with its arguments, as wide as the widest of those that the
// head of the file lists.
func (d *draft) Command(text string) string {
	return fmt.Sprintf("%-*s", max(len("portico validate"+d.File), len("portico reload"+d.Flag())), text)
}

// render makes the file, in the usual layout.
func (d *draft) render() ([]byte, error) {
	t, err := template.ParseFS(templates, "templates/init/*.hcl")
	if err != nil {
		return nil, fmt.Errorf("read the templates: %w", err)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "head.hcl", d); err != nil {
		return nil, fmt.Errorf("write the head of the file: %w", err)
	}
	for _, s := range d.All {
		part := t.Lookup(s.Kind + ".hcl")
		if part == nil {
			part = t.Lookup("other.hcl")
		}
		if err := part.Execute(&b, s); err != nil {
			return nil, fmt.Errorf("write the part of %s: %w", s.Kind, err)
		}
		b.WriteByte('\n')
	}
	if err := t.ExecuteTemplate(&b, "listeners.hcl", d); err != nil {
		return nil, fmt.Errorf("write the listeners: %w", err)
	}
	text, diags := config.Format(b.Bytes(), "config.hcl")
	if diags.HasErrors() {
		return nil, fmt.Errorf("lay out the file: %w", diags)
	}
	return text, nil
}
