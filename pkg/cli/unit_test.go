package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeUnit puts a systemctl first on PATH that says what lines say of
// portico.service, and nothing of other units.
func fakeUnit(t *testing.T, lines ...string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\n[ \"$1 $2\" = \"show portico.service\" ] || exit 1\ncat <<'END'\n" + strings.Join(lines, "\n") + "\nEND\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// hardened is what systemd says of systemd/portico.service, for a file.
func hardened(file string, more ...string) []string {
	return append([]string{
		"LoadState=loaded", "User=portico",
		fmt.Sprintf("ExecStart={ path=/usr/bin/portico ; argv[]=/usr/bin/portico run %s ; ignore_errors=no ; start_time=[n/a] ; status=0/0 }", file),
		"Environment=FDSTORE=4096 PORTICO_VAR_port=80",
		"AmbientCapabilities=cap_net_bind_service", "CapabilityBoundingSet=cap_net_bind_service", "SystemCallFilter=accept bind read write",
		"ProtectHome=yes", "ProtectSystem=strict", "PrivateTmp=no",
		"StateDirectory=portico", "RuntimeDirectory=portico", "LogsDirectory=portico", "CacheDirectory=", "ReadWritePaths=",
		"BindPaths=" + os.TempDir() + ":" + os.TempDir() + ":rbind", // where the file lies, whatever that is
	}, more...)
}

const demanding = `
variable "port" { type = number }
log {
  access { file = "/srv/log/access.log" }
}
service "process" "app" {
  command = ["/bin/sh", "-c", "true"]
  user    = "daemon"
}
service "static" "site" { root = "/root" }
listener "web" {
  address = "127.0.0.1:${var.port}"
  route {
    path    = ["/app/*"]
    service = service.process.app
  }
  service = service.static.site
}
`

// What the file needs and the unit forbids is a warning with its drop-in, for
// whoever asks, root too.
func TestUnit(t *testing.T) {
	demands := strings.Replace(demanding, "{ type = number }", "{}", 1)
	for _, c := range []struct {
		name string
		unit []string
	}{
		{"unit-hardened", nil},
		{"unit-no-capability", []string{"AmbientCapabilities="}},
		{"unit-drop-ins", []string{
			"AmbientCapabilities=cap_net_bind_service cap_setuid cap_setgid cap_kill", "CapabilityBoundingSet=cap_net_bind_service cap_setuid cap_setgid cap_kill",
			"SystemCallFilter=setuid setgid setgroups", "ProtectHome=read-only", "ReadWritePaths=-/srv/log",
		}},
		{"unit-filter", []string{
			"AmbientCapabilities=cap_net_bind_service cap_setuid cap_setgid cap_kill", "CapabilityBoundingSet=cap_net_bind_service cap_setuid cap_setgid cap_kill",
			"SystemCallFilter=~setgroups", "ProtectHome=no", "ProtectSystem=full",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := scene(t, "config.hcl", demands)
			t.Setenv("PORTICO_VAR_port", "none") // that of the unit counts
			t.Setenv("STATE_DIRECTORY", "/nonexistent")
			fakeUnit(t, hardened(filepath.Join(dir, "config.hcl"), c.unit...)...)
			matches(t, c.name, transcript(dir, "", "validate"))
		})
	}
}

// The paths of a file that the unit does not run are nobody's business: it may be
// a draft. The rights are.
func TestUnitRunsAnotherFile(t *testing.T) {
	scene(t, "config.hcl", strings.Replace(demanding, "{ type = number }", "{ default = 0 }", 1))
	fakeUnit(t, hardened("/etc/portico/config.hcl")...)
	status, _, stderr := portico("", "validate")
	if status != 0 || !strings.Contains(stderr, "lacks CAP_SETUID") || strings.Contains(stderr, "hides") || strings.Contains(stderr, "/srv/log") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

// check says the same among what it finds of the host, and that all is well.
func TestUnitInCheck(t *testing.T) {
	dir := scene(t, "config.hcl", strings.Replace(demanding, "{ type = number }", "{}", 1))
	fakeUnit(t, hardened(filepath.Join(dir, "config.hcl"))...)
	if _, stdout, _ := portico("", "check", "--host"); strings.Count(stdout, "\nwarn: unit: the unit portico.service ") != 3 {
		t.Error(stdout)
	}
	fakeUnit(t, hardened(filepath.Join(dir, "config.hcl"), "User=root", "CapabilityBoundingSet=cap_setuid cap_setgid cap_kill cap_net_bind_service",
		"SystemCallFilter=", "ProtectHome=no", "ProtectSystem=no")...)
	if _, stdout, _ := portico("", "check", "--host"); strings.Contains(stdout, "unit portico.service") {
		t.Error(stdout)
	}
}

// The unit runs a file that its command line names in any way, that its
// environment names, or the packaged one.
func TestWhatTheUnitRuns(t *testing.T) {
	dir := scene(t, "config.hcl", strings.Replace(demanding, "{ type = number }", "{ default = 0 }", 1))
	file := filepath.Join(dir, "config.hcl")
	for _, c := range []struct {
		argv, environment string
		runs              bool
	}{
		{"run " + file, "", true},
		{"run --config=" + file, "", true},
		{"--config " + file + " run --var port=80", "", true},
		{"-c " + file + " run", "", true},
		{"run", "PORTICO_CONFIG=" + file, true},
		{"run --admin /run/s --var port=80", "PORTICO_CONFIG=" + file, true},
		{"run", "", false},
		{"run --config /etc/other.hcl", "PORTICO_CONFIG=" + file, false},
		{"run /etc/other.hcl", "PORTICO_CONFIG=" + file, false},
		{"run --config=" + file + " /etc/other.hcl", "", false},
	} {
		fakeUnit(t, hardened(file, "Environment="+c.environment,
			"ExecStart={ path=/usr/bin/portico ; argv[]=/usr/bin/portico "+c.argv+" ; ignore_errors=no ; status=0/0 }")...)
		if _, _, stderr := portico("", "validate"); strings.Contains(stderr, "hides") != c.runs {
			t.Errorf("%s with %s: %s", c.argv, c.environment, stderr)
		}
	}
}
