package cli_test

import (
	"regexp"
	"strings"
	"testing"
)

// where is what differs from one test of a move to the next.
var where = regexp.MustCompile(`DIR/data\S*|/tmp/\S+`)

// What portico migrate says about itself, and to those who made a mistake.
func TestMigrate(t *testing.T) {
	const config = "service \"chat\" \"own\" {}\n"
	dir := scene(t, "config.hcl", config, "storage.hcl", "storage {\n  database = \"postgres://nobody@127.0.0.1:1/none\"\n}\n",
		"broken.hcl", "storage {\n  blobs = \"nowhere\"\n}\n", "data/chat/own/chat.db", "")
	matches(t, "help-migrate", transcript(dir, "", "migrate", "--help"))
	var b strings.Builder
	for _, c := range []string{
		"migrate", "migrate --home --to storage.hcl", "migrate --to missing.hcl", "migrate --to broken.hcl", "migrate --home",
		"migrate --to storage.hcl --dry-run", "migrate --to storage.hcl", "migrate --to storage.hcl --abandon", "migrate --to config.hcl",
	} {
		b.WriteString(transcript(dir, "", strings.Fields(c)...))
	}
	matches(t, "migrate", where.ReplaceAllString(b.String(), "PATH"))
}
