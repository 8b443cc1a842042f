package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the commands for backups say about themselves.
func TestBackupHelp(t *testing.T) {
	dir := scene(t)
	for _, c := range []string{"backup", "restore"} {
		matches(t, "help-"+c, transcript(dir, "", c, "--help"))
	}
}

// times are what differs from one backup to the next.
var times = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d[:-]\d\d[:-]\d\dZ?|[0-9a-f]{64}|[0-9.]+(KiB|B)|portico [0-9].*`)

// A backup of what little a stopped daemon left, and the mistakes one can make.
func TestBackupCommands(t *testing.T) {
	dir := scene(t, "config.hcl", "", "data/VERSION", "1\n", "data/secrets/key", "secret", "bad.tar.zst", "no archive")
	var b strings.Builder
	for _, line := range []string{
		"backup a.tar.zst", "backup a.tar.zst", "backup --force --quiet a.tar.zst", "backup a.zip", "backup --keep 3 a.tar", "backup data/a.tar",
		"backup missing/a.tar", "backup folder/", "backup --data-dir . b.tar", "backup",
		"restore --check a.tar.zst", "restore --check folder", "restore --check bad.tar.zst", "restore --check missing", "restore a.tar.zst",
		"restore --data-dir new a.tar.zst", "restore --data-dir new --force folder", "restore --owner nobody-of-that-name a.tar.zst", "restore --check .",
	} {
		b.WriteString(transcript(dir, "", strings.Fields(line)...) + "\n")
	}
	matches(t, "backup", times.ReplaceAllString(b.String(), "…"))
	if got, err := os.ReadFile(filepath.Join(dir, "new/secrets/key")); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}

// A backup does not land in the data folder, whatever way leads there.
func TestBackupBesideTheData(t *testing.T) {
	dir := scene(t, "config.hcl", "", "data/VERSION", "1\n", "data/sub/file", "x", "data-of-another/file", "x")
	for link, to := range map[string]string{"link": "data", "deep": "data/sub", "out": "..", "data/away": "../data-of-another"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	refused := "lies in the data folder itself"
	for target, want := range map[string]bool{
		"data/a.tar": true, "data/": true, "data/new/": true, "link/a.tar": true, "link": true, "link/new/": true, "link/./": true, "deep/a.tar": true, "deep/new/": true,
		"data/../data/a.tar": true, "data-of-another/a.tar": false, "out/a.tar": false, "data/away/a.tar": true, "folder/": false,
	} {
		if said := transcript(dir, "", "backup", "--force", target); strings.Contains(said, refused) != want {
			t.Errorf("%s: %s", target, said)
		}
	}
	// Nor by way of the data folder's own name.
	if said := transcript(dir, "", "backup", "--data-dir", "link", "data/a.tar"); !strings.Contains(said, refused) {
		t.Errorf("a linked data folder: %s", said)
	}
}
