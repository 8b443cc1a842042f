package hostcheck

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxEnvFile bounds a file of variables, in bytes.
const maxEnvFile = 1 << 20

// fromFiles adds what EnvironmentFile= sets, later files over earlier ones and over
// what vars has. Files that the caller cannot read, for they may be for root's eyes,
// and those that are not there add nothing: starting the unit is what fails then.
func (u *Unit) fromFiles(vars map[string]string) {
	for entry := range strings.Lines(u.props["EnvironmentFiles"]) {
		pattern, _, _ := strings.Cut(strings.TrimSuffix(entry, "\n"), " (ignore_errors=")
		paths, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, path := range paths {
			text, err := readBounded(path)
			if err != nil {
				continue
			}
			parseEnv(text, vars)
		}
	}
}

func readBounded(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // systemd names it
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxEnvFile))
	return string(b), err
}

// parseEnv reads a file as systemd.exec(5) has it: NAME=value in lines, comments
// after # or ; at the start of one, values plain, 'as they are' or "quoted", also
// piece by piece; a backslash keeps the next byte, and before the end of a line it
// joins the next one.
func parseEnv(text string, vars map[string]string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for text != "" {
		text = strings.TrimLeft(text, " \t\n")
		if strings.HasPrefix(text, "#") || strings.HasPrefix(text, ";") {
			_, text, _ = strings.Cut(text, "\n")
			continue
		}
		end := strings.IndexAny(text, "=\n")
		if end < 0 {
			return
		}
		if text[end] == '\n' { // no assignment: systemd passes it over
			text = text[end:]
			continue
		}
		name := strings.TrimSpace(text[:end])
		var value string
		value, text = envValue(strings.TrimLeft(text[end+1:], " \t"))
		if name != "" && !strings.ContainsAny(name, " \t'\"$") {
			vars[name] = value
		}
	}
}

// envValue reads a value to the end of its line; rest is what follows. Blanks at its
// end are dropped where they are plain.
func envValue(text string) (value, rest string) {
	var b strings.Builder
	kept, quote, i := 0, byte(0), 0 // bytes that stay, the quote that is open, and where we are
	for ; i < len(text) && (quote != 0 || text[i] != '\n'); i++ {
		switch c := text[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(text):
			i++
			if text[i] == '\n' {
				continue
			}
			if quote == '"' && !strings.ContainsRune("\"\\`$", rune(text[i])) {
				b.WriteByte(c)
			}
			b.WriteByte(text[i])
			kept = b.Len()
		case c == quote:
			quote, kept = 0, b.Len()
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		default:
			b.WriteByte(c)
		}
	}
	value = b.String()
	return value[:max(kept, len(strings.TrimRight(value, " \t")))], text[i:]
}
