package config_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/config"
)

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

// TestLiteralSecretsAreNotShown is about people who write a secret into the file.
func TestLiteralSecretsAreNotShown(t *testing.T) {
	got := mistakes(t, options(nil), `
service "static" "x" {
  sign_key        = "hunter2"
  allowed_origins = "hunter2"
  bogus           = "hunter2"
  limits { per_ip = "hunter2" }
}
service "static" "y" {
  sign_key        = "hunter2"
  allowed_origins = "ftp://hunter2"
}
`)
	if strings.Contains(got, "hunter2") || strings.Count(got, "***") < 3 {
		t.Error(got)
	}
	if got := mistakes(t, options(nil), "service \"static\" \"x\" {\n  sign_key = [secret(\"name\")]\n}\n"); !strings.Contains(got, `secret("name")`) {
		t.Error(got)
	}
}

// A secret that is a word of the message takes none out of it, and is not shown
// where the message quotes it.
func TestSecretsThatAreWords(t *testing.T) {
	got := mistakes(t, options(nil), `
service "static" "x" {
  sign_key        = "file"
  root            = "/nowhere"
  allowed_origins = "file"
}
drain = "file"
`)
	if !strings.Contains(got, " file") || strings.Contains(got, `"file"`) || !strings.Contains(got, `"***"`) {
		t.Error(got)
	}
}

func TestRedaction(t *testing.T) {
	for _, c := range []struct{ secret, message, want string }{
		{"short", `It is too short: "short".`, `It is too short: "***".`},
		{"short", `"ftp://short@x" has a short name`, `"ftp://***@x" has a short name`},
		{"short", `a quote " too many, short`, `a quote " too many, ***`},
		{"hunter2", `is hunter2 and "xhunter2"`, `is *** and "x***"`},
		{"a long passphrase", "it is a long passphrase", "it is ***"},
		{`a"b"c`, `say "a\"b\"c"`, `say "***"`},
		{"short", `it is "Authorization: \"short\""`, `it is "Authorization: \"***\""`},
		{"short", `too short after "C:\\", "short"`, `too short after "C:\\", "***"`},
		{"short", `"\`, `"\`},
		{"short", `short "\"`, `*** "\"`},
		{"hunter", "lookup hunter: no such host", "lookup ***: no such host"},
		{"abc", `"abc"`, `"abc"`},
	} {
		if got := config.Redact(c.message, c.secret); got != c.want {
			t.Errorf("%s: got %s, want %s", c.message, got, c.want)
		}
	}
}
