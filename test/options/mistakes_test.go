package options_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// mistaken has a mistake in each line that says so.
const mistaken = `
drain = "5" # wrong
limits { connections = -1 } # wrong
log {
  level  = "loud" # wrong
  format = "xml" # wrong
}
admin { address = "9090" } # wrong
accounts { registration = "free" } # wrong
service "chat" "c" {
  allowed_origins = ["app.test"] # wrong
  ping            = "1ms" # wrong
  limits {
    sends         = 0 # wrong
    failed_logins = 0 # wrong
  }
}
service "photos" "p" {
  max_upload = "1B" # wrong
  email      = "nobody" # wrong
  limits { caption = 0 } # wrong
}
service "images" "i" {
  root     = "."
  ladder   = [300, 200] # wrong
  quality  = 0 # wrong
  sign_key = "not long" # wrong
}
service "static" "s" {
  root          = "nowhere" # wrong
  index         = ["a/b"] # wrong
  cache_control = "a\nb" # wrong
}
service "proxy" "p" {
  upstreams    = ["127.0.0.1:9000"] # wrong
  balance      = "random" # wrong
  hash_key     = "header" # wrong
  strip_prefix = "api" # wrong
  weights      = { "http://x" = 3 } # wrong
}
service "tcp" "t" {
  upstreams    = ["127.0.0.1"] # wrong
  send_proxy   = "v3" # wrong
  idle_timeout = 0 # wrong
}
service "process" "p" {
  command     = [] # wrong
  stop_signal = "SIGFOO" # wrong
  pass        = "stdin" # wrong
}
service "redirect" "r" {
  to     = "example.org" # wrong
  status = 200 # wrong
}
service "respond" "r" {
  status  = 99 # wrong
  headers = { Content-Length = "3" } # wrong
}
service "echo" "e" { max_message = "1GiB" } # wrong
listener "l" {
  address         = "localhost" # wrong
  service         = service.echo.e
  trusted_proxies = ["10.0.0.0/33"] # wrong
  allow           = ["everybody"] # wrong
  detect { silent = "wait" } # wrong
  limits { burst = 3 } # wrong
  timeouts { header = 0 } # wrong
  tls {
    self_signed = true
    min_version = "1.1" # wrong
    client_auth = "ask" # wrong
  }
  route {
    host     = ["*"] # wrong
    path     = ["x"] # wrong
    protocol = "ftp" # wrong
    service  = service.redirect.r
    cors { origins = ["app.example.org"] } # wrong
    basic_auth { users = { ann = "{SHA}x" } } # wrong
    forward_auth { url = "x" } # wrong
  }
}
`

// Every mistake is told, all at once, each with its line and what to do.
func TestMistakesAreTold(t *testing.T) {
	t.Parallel()
	dir := files(t, "config.hcl", mistaken)
	out := portico(t, 2, dir, nil, "validate", "config.hcl")
	told := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?s)Error: [^\n]+\n  config\.hcl:(\d+):\d+.*?\^\n\n  (\S[^\n]*)`).FindAllStringSubmatch(out, -1) {
		told[m[1]] = len(m[2]) > 10
	}
	for i, line := range strings.Split(mistaken, "\n") {
		line, wrong := strings.CutSuffix(line, " # wrong")
		if at := strconv.Itoa(i + 1); wrong != told[at] {
			t.Errorf("line %s: %s: told %t", at, line, told[at])
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
