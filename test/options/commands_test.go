package options_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit"
)

// A page of the docs with commands that somebody copies into a shell.
type page struct {
	file     string
	from, to string   // part of the page, if not all of it
	edits    []string // old, new, old, new: what a reader puts in place of what is written
	statuses []string // beside 2xx and 3xx
	want     []string // patterns of what is printed
}

// value is a text in the JSON of the last answer, in a shell.
func value(name string) string { return `$(value ` + name + `)` }

var pagesWithCommands = []page{
	{
		file: "docs/chat.md", to: "## Accounts",
		edits: []string{"TOKEN=...", "TOKEN=" + value("token"), "alice", "alix", "bob", "bobo"},
		want:  []string{`"kind":"direct"`, `"messages":\[\{[^\n]*"text":"hello"`},
	},
	{
		file: "README.md", to: "**The daemon**",
		edits: []string{"A=...", "A=$token", "  # alice's token", "",
			"C=...", "C=" + value("id"), "    curl localhost:2001/api/v2/media",
			"    curl localhost:2001/api/v1/accounts -d username=reader -d 'password=correct horse'\n    T=" + value("access_token") + "\n    curl localhost:2001/api/v2/media",
			"\"correct horse\"}'    # the answer has a token", "\"correct horse\"}'\n    token=" + value("token")},
		want: []string{`"cid":"1"`, `"preview_url":"`, `"name":"dunes\.jpg"`},
	},
	{
		file: "docs/photos.md", from: "## From sign-up", to: "An app registers",
		edits: []string{"token=...", "token=" + value("access_token"), "media_ids[]=...", "media_ids[]=$media",
			"A lake at dawn'", "A lake at dawn'\n    media=" + value("id") + "\n    small=" + value("preview_url"),
			"$base/media/.../640.jpg", "$small", "media_ids[]=$media'", "media_ids[]='$media\n    post=" + value("id"), "statuses/...", "statuses/$post"},
		want: []string{`"description":"A lake at dawn"`, `Good morning`},
	},
	{
		file: "docs/photos.md", from: "An app registers", to: "Parameters may come",
		edits: []string{"'scopes=read write'", "'scopes=read write'\n    client=" + value("client_id") + "\n    secret=" + value("client_secret"),
			"client_id=...", "client_id=$client", "client_secret=...", "client_secret=$secret",
			"    curl $base/oauth/revoke", "    token=" + value("access_token") + "\n    curl $base/oauth/revoke", "-d token=...", "-d token=$token"},
		want: []string{`"access_token":"[^"]+"`},
	},
	{
		file: "docs/photos.md", from: "## Resumable uploads", to: "An `Upload-Offset`",
		edits: []string{"    loc=", "    curl $base/api/v1/accounts -d username=tus -d 'password=correct horse'\n    token=" + value("access_token") + "\n    loc="},
		want:  []string{`(?i)portico-media-id: \d+`},
	},
	{file: "docs/images.md", to: "**WebP and AVIF**", want: []string{`lake\.jpg`, `\[206\]`}},
	{file: "docs/static.md", want: []string{`200 OK`, `"name":"film\.mp4"`, `\[206\]`}},
	{file: "docs/proxy.md", want: []string{`asked for /items by portico`, `asked for / by \n`}},
	{file: "docs/redirect.md", want: []string{`\[308\]`, `Location: https://www\.example\.org/a\?b=c`}},
	{file: "docs/respond.md", statuses: []string{"503"}, want: []string{`Back at noon\.`, `Retry-After: 3600`}},
	{file: "docs/echo.md", want: []string{`a body`}},
	{file: "docs/operations.md", want: []string{`"listeners":`}},
	{file: "docs/watching.md", edits: []string{"/run/portico/", "data/"}, want: []string{`\[200\]`}},
}

// shell is what the commands run in: curl says the status too and keeps the last
// answer, of which value finds a text by its name.
const shell = `
curl() { command curl -sS --max-time 20 -w '\n[%{http_code}]\n' "$@" | tee "$PWD/last"; }
value() { grep -o "\"$1\": *\"[^\"]*\"" last | head -1 | cut -d'"' -f4; }
base=http://127.0.0.1:2001
`

// The lines with curl in the README and on the pages do what is said beside
// them, with the config that stands there.
func TestCommandsOfTheDocs(t *testing.T) {
	t.Parallel()
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("asked for " + r.URL.Path + " by " + r.Header.Get("X-From") + "\n"))
	})
	config := read(t, "config.hcl")
	for _, file := range []string{"docs/static.md", "docs/proxy.md", "docs/redirect.md", "docs/respond.md", "docs/echo.md"} {
		config += firstConfig(t, file)
	}
	config = strings.NewReplacer(
		"= \"./images\"", "= \"./images\"\n  sign_key = \"0123456789abcdef\"", "precompressed = true", "browse = true",
		"http://127.0.0.1:9000", "http://"+app, "http://10.0.0.5:8000", "http://"+app, `, "https://10.0.0.6", "unix:/run/api.sock"`, "",
	).Replace(config)
	ports := regexp.MustCompile(`(?m)^listener "(\w+)" {\n  address = "[^"]*:(\d+)"`)
	listeners := map[string]string{}
	for _, m := range ports.FindAllStringSubmatch(config, -1) {
		listeners[m[2]] = m[1]
	}
	config = regexp.MustCompile(`(?m)^  address = "[^"]*:\d+"`).ReplaceAllString(config, `  address = "127.0.0.1:0"`)

	lake, dunes := read(t, "images/lake.jpg"), read(t, "images/dunes.jpg")
	dir := files(t, "www/film.mp4", strings.Repeat("film", 100), "images/lake.jpg", lake, "images/dunes.jpg", dunes)
	d := start(t, strings.NewReplacer(`"./www"`, `"`+dir+`/www"`, `"./images"`, `"`+dir+`/images"`).Replace(config))
	d.Write("lake.jpg", lake) // to be uploaded
	for _, p := range pagesWithCommands {
		t.Run(p.file, func(t *testing.T) { p.run(t, d, listeners) })
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// firstConfig is the first of a page. Names of listeners have the page's before
// them, as some stand on two.
func firstConfig(t *testing.T, file string) string {
	t.Helper()
	_, text, ok := strings.Cut(read(t, file), "```hcl\n")
	text, _, closed := strings.Cut(text, "```\n")
	if !ok || !closed {
		t.Fatalf("%s has no config", file)
	}
	name := strings.TrimSuffix(filepath.Base(file), ".md")
	return "\n" + regexp.MustCompile(`(?m)^listener "`).ReplaceAllString(text, `listener "`+name+"_")
}

// commands are the lines of a page that a shell can run here: curl, and what
// sets variables for it.
func (p page) commands(t *testing.T) string {
	t.Helper()
	text := read(t, p.file)
	if p.from != "" {
		_, text, _ = strings.Cut(text, p.from)
	}
	if p.to != "" {
		text, _, _ = strings.Cut(text, p.to)
	}
	for i := 0; i+1 < len(p.edits); i += 2 {
		if !strings.Contains(text, p.edits[i]) {
			t.Errorf("%s has no %q any more", p.file, p.edits[i])
		}
		text = strings.ReplaceAll(text, p.edits[i], p.edits[i+1])
	}
	wanted := regexp.MustCompile(`^    (?:curl |[A-Za-z]+=)`)
	var lines []string
	more := false
	for line := range strings.Lines(text) {
		if more || wanted.MatchString(line) {
			lines = append(lines, line)
			more = strings.HasSuffix(line, "\\\n")
		}
	}
	return strings.Join(lines, "")
}

func (p page) run(t *testing.T, d *testkit.Daemon, listeners map[string]string) {
	commands := shell + p.commands(t)
	for port, name := range listeners {
		commands = regexp.MustCompile(`(?:127\.0\.0\.1|localhost):`+port+`\b`).ReplaceAllLiteralString(commands, d.Addr(name))
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", commands)
	cmd.Dir, cmd.Env = d.Dir, []string{"PATH=" + os.Getenv("PATH")} // and no proxy
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, m := range regexp.MustCompile(`(?m)^\[(\d+)\]$`).FindAllStringSubmatch(out, -1) {
		if m[1] < "200" || m[1] >= "400" && !slices.Contains(p.statuses, m[1]) {
			t.Errorf("status %s:\n%s\n%s", m[1], commands, out)
			break
		}
	}
	for _, want := range p.want {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s:\n%s\n%.5000s", want, commands, out)
		}
	}
}
