package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
)

// write makes files in a new folder and returns the folder. Names end at the
// first line of each text: "name\ncontent".
func write(t *testing.T, texts ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, text := range texts {
		name, content, _ := strings.Cut(text, "\n")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads config.hcl with the given text and fails on an error.
func load(t *testing.T, opt config.Options, text string) *config.Config {
	t.Helper()
	cfg, src, diags := config.Load(filepath.Join(write(t, "config.hcl\n"+text), "config.hcl"), opt)
	if diags.HasErrors() {
		t.Fatal(render(t, src, diags))
	}
	return cfg
}

// mistakes loads config.hcl and returns what people read about it.
func mistakes(t *testing.T, opt config.Options, text string) string {
	t.Helper()
	_, src, diags := config.Load(filepath.Join(write(t, "config.hcl\n"+text), "config.hcl"), opt)
	return render(t, src, diags)
}

func render(t *testing.T, src *config.Source, diags hcl.Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	if err := src.WriteText(&b, diags, 0, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// body returns the headers that a service makes of an expression, for tests of
// evaluation.
func eval(t *testing.T, opt config.Options, before, expr string) string {
	t.Helper()
	cfg := load(t, opt, before+"\nservice \"static\" \"x\" {\n  headers = { v = "+expr+" }\n}\n")
	return cfg.Services[0].Config.(webConfig).Headers["v"]
}

func TestDefaults(t *testing.T) {
	dir := write(t, "config.hcl\n")
	file := filepath.Join(dir, "config.hcl")
	cfg, _, diags := config.Load(file, options(nil))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if cfg.Limits.Connections <= 0 {
		t.Errorf("connections %d, want 80 %% of the file limit", cfg.Limits.Connections)
	}
	want := &config.Config{
		File: file, Files: []string{file}, DataDir: filepath.Join(dir, "data"), Drain: 10 * time.Second,
		Log:      config.Log{Level: "info", Format: "auto", Access: config.Access{Format: "json"}},
		Admin:    config.Admin{Socket: filepath.Join(dir, "data", "admin.sock")},
		Accounts: config.Accounts{Registration: "closed"},
		Limits:   cfg.Limits,
	}
	if diff := cmp.Diff(want, cfg, compare()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	cfg, _, _ = config.Load(file, options(map[string]string{"STATE_DIRECTORY": "/var/lib/portico:/x", "RUNTIME_DIRECTORY": "/run/portico"}))
	if cfg.DataDir != "/var/lib/portico" || cfg.Admin.Socket != "/run/portico/admin.sock" {
		t.Errorf("under systemd: data_dir %s, socket %s", cfg.DataDir, cfg.Admin.Socket)
	}
}

func compare() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".texts" || p.Last().String() == ".Range"
	}, cmp.Ignore())
}

func TestListener(t *testing.T) {
	cfg := load(t, options(nil), `
service "echo" "all" {}
service "static" "site" {}
listener "full" {
  address         = ["127.0.0.1:3001", ":443", "[::1]:80", "localhost:81", "unix:web.sock", "127.0.0.1:0", "127.0.0.1:0"]
  service         = service.static.site
  allow           = ["10.0.0.0/8"]
  deny            = "10.1.1.1"
  trusted_proxies = ["127.0.0.1"]
  proxy_protocol {
    from = ["192.0.2.0/24"]
  }
  detect {
    timeout = "1s"
    silent  = "close"
  }
  limits {
    connections = 100
    per_ip      = 10
    rate        = 0.5
    body        = "1MiB"
  }
  timeouts {
    idle = "1m"
    read = 0
  }
  route {
    protocol = "ssh"
    from     = ["10.0.0.0/8"]
    service  = service.echo.all
  }
  route {
    host    = ["Photos.Example.org", "*.example.net"]
    path    = ["/api/*", "/"]
    service = service.static.site
  }
  route {
    protocol = "tls"
    sni      = "git.example.org"
    alpn     = ["h2"]
    service  = service.echo.all
  }
}
listener "tls" {
  address = ":8443"
  service = service.static.site
  tls {
    certificate {
      file = "`+abs(t, "testdata/certs/a.pem")+`"
      key  = "`+abs(t, "testdata/certs/a.key")+`"
    }
    redirect = true
  }
}
`)
	dir := filepath.Dir(cfg.File)
	prefixes := func(s ...string) (p []netip.Prefix) {
		for _, s := range s {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	site, echo := service.Ref{Kind: "static", Name: "site"}, service.Ref{Kind: "echo", Name: "all"}
	want := []config.Listener{{
		Name: "full",
		Addresses: []config.Address{
			{Network: "tcp", Host: "127.0.0.1", Port: 3001}, {Network: "tcp", Port: 443}, {Network: "tcp", Host: "::1", Port: 80},
			{Network: "tcp", Host: "127.0.0.1", Port: 81}, {Network: "unix", Host: filepath.Join(dir, "web.sock")},
			{Network: "tcp", Host: "127.0.0.1"}, {Network: "tcp", Host: "127.0.0.1"},
		},
		Service: &site,
		Routes: []config.Route{
			{Protocols: []string{"ssh"}, From: prefixes("10.0.0.0/8"), Service: echo},
			{Hosts: []string{"photos.example.org", "*.example.net"}, Paths: []string{"/api/*", "/"}, Service: site},
			{Protocols: []string{"tls"}, SNI: []string{"git.example.org"}, ALPN: []string{"h2"}, Service: echo},
		},
		Detect:    config.Detect{Timeout: time.Second, Silent: "close"},
		ProxyFrom: prefixes("192.0.2.0/24"), Allow: prefixes("10.0.0.0/8"), Deny: prefixes("10.1.1.1/32"), TrustedProxies: prefixes("127.0.0.1/32"),
		Limits:   config.Limits{Connections: 100, PerIP: 10, Rate: 0.5, Body: 1 << 20, Header: 64 << 10},
		Timeouts: config.Timeouts{Header: 10 * time.Second, Idle: time.Minute, Write: time.Minute},
	}, {
		Name: "tls", Addresses: []config.Address{{Network: "tcp", Port: 8443}}, Service: &site,
		TLS: &config.TLS{Redirect: true, Certificates: []config.Certificate{
			{File: abs(t, "testdata/certs/a.pem"), Key: abs(t, "testdata/certs/a.key")},
		}},
		Detect:   config.Detect{Timeout: 3 * time.Second, Silent: "default"},
		Limits:   config.Limits{Header: 64 << 10},
		Timeouts: config.Timeouts{Header: 10 * time.Second, Idle: 120 * time.Second, Read: time.Minute, Write: time.Minute},
	}}
	opt := cmp.Options{compare(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}
	if diff := cmp.Diff(want, cfg.Listeners, opt); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func abs(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVariables(t *testing.T) {
	const decl = `
variable "ip" { default = "127.0.0.1" }
variable "n" { default = 5 }
variable "on" { default = true }
variable "list" { default = ["a"] }
variable "map" { default = { k = "v" } }
variable "must" {}
locals {
  all = "${var.ip} ${var.n + 1} ${var.on ? "on" : "off"} ${join("+", var.list)} ${var.map.k} ${var.must}"
}
`
	opt := options(map[string]string{"PORTICO_VAR_must": "env", "PORTICO_VAR_n": "7", "PORTICO_VAR_list": `["x", "y"]`})
	if got, want := eval(t, opt, decl, "local.all"), "127.0.0.1 8 on x+y v env"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	opt.Vars = map[string]string{"ip": "::1", "n": "1", "on": "false", "map": `{ k = "w" }`, "must": "${not evaluated}"}
	if got, want := eval(t, opt, decl, "local.all"), "::1 2 off x+y w ${not evaluated}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	opt.Vars = map[string]string{"n": "many", "on": "yes", "list": "x", "map": "[]", "mst": "x", "must": "x"}
	golden(t, "testdata/vars.txt", []byte(strip(mistakes(t, opt, decl))))
}

// strip takes the name of the temporary folder out of a message.
func strip(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if j := strings.Index(line, "/config.hcl:"); j >= 0 && strings.HasPrefix(line, "  /") {
			lines[i] = "  <tmp>" + line[j:]
		}
	}
	return strings.Join(lines, "\n")
}

func TestLocalsInAnyOrder(t *testing.T) {
	const before = `
locals {
  c = "${local.b}c"
  a = upper(var.x)
}
locals { b = "${local.a}b" }
variable "x" { default = "x" }
data_dir = "/data/${local.c}"
`
	if got := eval(t, options(nil), before, `local.c`); got != "Xbc" {
		t.Errorf("%q", got)
	}
	if cfg := load(t, options(nil), before); cfg.DataDir != "/data/Xbc" {
		t.Errorf("data_dir %s", cfg.DataDir)
	}
}

func TestFunctions(t *testing.T) {
	opt := options(map[string]string{"HOME_PORT": "5"})
	for expr, want := range map[string]string{
		`env("HOME_PORT")`:                       "5",
		`env("NOT_SET", "d")`:                    "d",
		`tostring(env("NOT_SET", null) == null)`: "true",
		`upper("a")`:                             "A",
		`join(",", sort(["b", "a"]))`:            "a,b",
		`format("%03d", 7)`:                      "007",
		`length([1, 2])`:                         "2",
		`lookup({ a = "b" }, "a", "")`:           "b",
		`jsonencode({ a = [1] })`:                `{"a":[1]}`,
		`replace("a-b", "-", "+")`:               "a+b",
		`split(",", "a,b")[1]`:                   "b",
		`contains(["a"], "a") ? "y" : "n"`:       "y",
		`[for s in ["a", "b"] : upper(s)][1]`:    "B",
	} {
		if got := eval(t, opt, "", expr); got != want {
			t.Errorf("%s = %q, want %q", expr, got, want)
		}
	}
}

func TestFilesAreRelativeToTheFileThatNamesThem(t *testing.T) {
	dir := write(t,
		"config.hcl\ninclude = [\"conf.d/*.hcl\", \"more.hcl\"]\nlocals {\n  here = file(\"text\")\n}\n",
		"text\nmain",
		"conf.d/text\nincluded",
		"conf.d/b.hcl\nservice \"static\" \"b\" {\n  root = \"site\"\n  headers = { here = local.here, there = local.there }\n}\n",
		"conf.d/a.hcl\nlocals {\n  there = file(\"./text\")\n}\nlistener \"a\" {\n  address = \"unix:a.sock\"\n  service = service.static.b\n}\n",
		"more.hcl\ndrain = \"1s\"\n",
	)
	cfg, src, diags := config.Load(filepath.Join(dir, "config.hcl"), options(nil))
	if len(diags) > 0 {
		t.Fatal(render(t, src, diags))
	}
	web := cfg.Services[0].Config.(webConfig)
	if string(web.Root) != filepath.Join(dir, "conf.d", "site") {
		t.Errorf("root %s", web.Root)
	}
	if diff := cmp.Diff(map[string]string{"here": "main", "there": "included"}, web.Headers); diff != "" {
		t.Error(diff)
	}
	if a := cfg.Listeners[0].Addresses[0]; a.Host != filepath.Join(dir, "conf.d", "a.sock") {
		t.Errorf("address %s", a)
	}
	var files []string
	for _, f := range cfg.Files {
		rel, err := filepath.Rel(dir, f)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, rel)
	}
	if diff := cmp.Diff([]string{"config.hcl", "conf.d/a.hcl", "conf.d/b.hcl", "more.hcl"}, files); diff != "" {
		t.Error(diff)
	}
	if cfg.Drain != time.Second {
		t.Errorf("drain %s", cfg.Drain)
	}
}

func TestSecrets(t *testing.T) {
	dir := write(t,
		"config.hcl\nservice \"static\" \"x\" {\n  sign_key = secret(\"key\")\n  headers = { v = \"Bearer ${secret(\"./token\")}\" }\n}\n",
		"data/secrets/key\nfrom data_dir\n",
		"credentials/key\nfrom systemd\r\n",
		"token\nfrom file",
	)
	file := filepath.Join(dir, "config.hcl")
	for env, want := range map[string]string{"": "from data_dir", filepath.Join(dir, "credentials"): "from systemd", filepath.Join(dir, "none"): "from data_dir"} {
		cfg, src, diags := config.Load(file, options(map[string]string{"CREDENTIALS_DIRECTORY": env}))
		if diags.HasErrors() {
			t.Fatal(render(t, src, diags))
		}
		web := cfg.Services[0].Config.(webConfig)
		if web.Key.Reveal() != want || web.Headers["v"] != "Bearer from file" {
			t.Errorf("CREDENTIALS_DIRECTORY=%s: %q %q", env, web.Key.Reveal(), web.Headers["v"])
		}
	}
}

// TestSecretsAreNotShown puts a secret wherever a mistake could show it.
func TestSecretsAreNotShown(t *testing.T) {
	dir := write(t, "data/secrets/key\nhunter2", "config.hcl\n"+`
locals {
  key = secret("key")
  num = parseint(local.key, 10)
  js  = jsondecode(local.key)
  rx  = regex("x", local.key)
  f   = file(local.key)
  e   = env(local.key)
  up  = upper(local.key)
  lk  = lookup({}, local.up)
  pi  = parseint(upper("x${secret("key")}"), 10)
  low = parseint(local.up, 10)
}
variable "v" { default = 5 }
data_dir = "data"
drain    = local.key
log {
  level = local.key
}
accounts {
  registration = local.key
}
service "static" "x" {
  root       = "unix:${local.key}"
  max_upload = local.key
  ping       = local.key
  status     = local.key
  headers    = local.key
}
service "static" "z" {
  root             = "${upper(local.key)}:x"
  allowed_origins  = local.up
}
service "static" "y" {
  limits {
    per_ip = strlen(local.key) * 1000
  }
}
listener "web" {
  address = [local.key, local.up, "${local.key}:80", "127.0.0.1:${local.key}"]
  service = service.static.y
  allow   = [local.key]
  route {
    protocol = local.key
    host     = "${local.key}:80"
    path     = local.key
    service  = service.static.y
  }
}
`)
	_, src, diags := config.Load(filepath.Join(dir, "config.hcl"), options(nil))
	text := render(t, src, diags)
	if len(diags) < 18 {
		t.Errorf("only %d mistakes:\n%s", len(diags), text)
	}
	var b bytes.Buffer
	if err := src.WriteJSON(&b, diags); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{text, b.String(), diags.Error()} {
		if strings.Contains(strings.ToLower(s), "hunter2") {
			t.Errorf("the secret is shown:\n%s", s)
		}
	}
}

func TestSecretInDataDir(t *testing.T) {
	got := mistakes(t, options(nil), "data_dir = secret(\"x\")\n")
	if !strings.Contains(got, "because secrets lie there") {
		t.Error(got)
	}
}

func TestWarnings(t *testing.T) {
	const chat = `
service "chat" "lobby" {}
listener "web" {
  address = ":3001"
  service = service.chat.lobby
  %s
}
`
	for extra, want := range map[string]bool{
		"":                                true,
		`tls { self_signed = true }`:      false,
		`trusted_proxies = ["127.0.0.1"]`: false,
	} {
		got := mistakes(t, options(nil), strings.Replace(chat, "%s", extra, 1))
		if strings.Contains(got, "clear text") != want {
			t.Errorf("with %q: %s", extra, got)
		}
	}
}

func TestBounds(t *testing.T) {
	large := "# " + strings.Repeat("x", 1<<20)
	if got := mistakes(t, options(nil), large); !strings.Contains(got, "it is larger than 1024 KiB") {
		t.Error(got)
	}
	deep := map[string]func(n int) string{
		"brackets":  func(n int) string { return strings.Repeat("[", n) },
		"parens":    func(n int) string { return strings.Repeat("(", n) + "1" + strings.Repeat(")", n) },
		"blocks":    func(n int) string { return "1\n" + strings.Repeat("a {\n", n) },
		"templates": func(n int) string { return strings.Repeat(`"${`, n) },
		"unary":     func(n int) string { return strings.Repeat("!", n) + "true" },
		"minus":     func(n int) string { return strings.Repeat("-", n) + "1" },
		"binary":    func(n int) string { return "1" + strings.Repeat("+1", n) },
		"ternary":   func(n int) string { return strings.Repeat("true?1:", n) + "1" },
		"index":     func(n int) string { return "a" + strings.Repeat("[0]", n) },
		"splat":     func(n int) string { return "a" + strings.Repeat("[*]", n) },
		"calls":     func(n int) string { return strings.Repeat("upper(", n) },
	}
	for name, text := range deep {
		// What is just not looked at must not exhaust the stack.
		if got := mistakes(t, options(nil), "drain = "+text(7_990)); got == "" {
			t.Errorf("%s: no mistake", name)
		}
		if got := mistakes(t, options(nil), "drain = "+text(10_001)); !strings.Contains(got, "Nested too deeply") {
			t.Errorf("%s: %.300s", name, got)
		}
	}
	var chain strings.Builder
	for i := range 1100 {
		fmt.Fprintf(&chain, "  l%d = local.l%d\n", i, i+1)
	}
	if got := mistakes(t, options(nil), "locals {\n"+chain.String()+"  l1100 = 1\n}\n"); !strings.Contains(got, "Nested too deeply") {
		t.Errorf("%.500s", got)
	}
	if got := strings.Count(mistakes(t, options(nil), strings.Repeat("x {\n}\n", 1000)), "Error:"); got != 201 {
		t.Errorf("%d diagnostics are shown", got)
	}
}

func TestTooManyFiles(t *testing.T) {
	texts := map[string][]byte{"/c/a.hcl": []byte("include = \"d/*.hcl\"\n")}
	for i := range 300 {
		texts[fmt.Sprintf("/c/d/%d.hcl", i)] = nil
	}
	_, src, diags := config.Load("/c/a.hcl", config.InMemory(options(nil), texts))
	if got := render(t, src, diags); !strings.Contains(got, "A config has at most 256 files.") || len(diags) != 1 {
		t.Error(got)
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.hcl"): "It does not exist",
		dir:                            "it is a folder",
	} {
		cfg, src, diags := config.Load(path, options(nil))
		if got := render(t, src, diags); cfg != nil || !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestAddress(t *testing.T) {
	tcp := func(host string, port int) config.Address {
		return config.Address{Network: "tcp", Host: host, Port: port}
	}
	unix := config.Address{Network: "unix", Host: "/a"}
	for _, test := range []struct {
		a, b config.Address
		want bool
	}{
		{tcp("127.0.0.1", 80), tcp("127.0.0.1", 80), true},
		{tcp("127.0.0.1", 80), tcp("127.0.0.1", 81), false},
		{tcp("127.0.0.1", 80), tcp("127.0.0.2", 80), false},
		{tcp("127.0.0.1", 80), tcp("", 80), true},
		{tcp("::", 80), tcp("127.0.0.1", 80), false},
		{tcp("::", 80), tcp("0.0.0.0", 80), false},
		{tcp("::", 80), tcp("", 80), true},
		{tcp("::", 80), tcp("::1", 80), true},
		{tcp("0.0.0.0", 80), tcp("127.0.0.1", 80), true},
		{tcp("0.0.0.0", 80), tcp("::1", 80), false},
		{tcp("", 0), tcp("", 0), false},
		{unix, unix, true},
		{unix, tcp("", 80), false},
	} {
		if got := test.a.Overlaps(test.b); got != test.want {
			t.Errorf("%s, %s: %t", test.a, test.b, got)
		}
		if got := test.b.Overlaps(test.a); got != test.want {
			t.Errorf("%s, %s: %t", test.b, test.a, got)
		}
	}
	if tcp("", 80).Loopback() || tcp("192.0.2.1", 80).Loopback() || !tcp("127.0.0.5", 80).Loopback() || !tcp("::1", 80).Loopback() || !unix.Loopback() {
		t.Error("Loopback")
	}
	if s := tcp("::1", 80).String() + " " + tcp("", 80).String() + " " + unix.String(); s != "[::1]:80 :80 unix:/a" {
		t.Error(s)
	}
}

func TestWriteJSON(t *testing.T) {
	_, src, diags := config.Load("testdata/bad/everything_at_once.hcl", options(nil))
	var b bytes.Buffer
	if err := src.WriteJSON(&b, diags); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) {
		t.Error("not JSON")
	}
	golden(t, "testdata/everything_at_once.json", b.Bytes())
	b.Reset()
	if err := (&config.Source{}).WriteJSON(&b, nil); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"valid\": true,\n  \"errors\": 0,\n  \"warnings\": 0,\n  \"diagnostics\": []\n}\n"; b.String() != want {
		t.Error(b.String())
	}
}

func TestWriteText(t *testing.T) {
	src := config.SourceOf("x.hcl", []byte("\ta = \"\x1b[31m\"; b\n"+strings.Repeat("y", 500)+"\n"))
	at := func(line, col, from, to int) *hcl.Range {
		return &hcl.Range{Filename: "x.hcl", Start: hcl.Pos{Line: line, Column: col, Byte: from}, End: hcl.Pos{Line: line, Column: col + to - from, Byte: to}}
	}
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Red", Detail: strings.Repeat("word ", 20), Subject: at(1, 6, 5, 12)},
		{Severity: hcl.DiagWarning, Summary: "Long line", Subject: at(2, 301, 317, 318)},
		{Severity: hcl.DiagWarning, Summary: "Past the end", Subject: at(9, 1, 9000, 9001)},
		{Severity: hcl.DiagWarning, Summary: "Nowhere\x1b[0m", Detail: "One.\nTwo."},
	}
	var b bytes.Buffer
	if err := src.WriteText(&b, diags, 40, true); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/color.txt", b.Bytes())
}
