package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// plainSyntax rewords what HCL's parser says, keeps one message for a line, and
// drops what a string that is not closed leads to. A message that a later
// version of HCL words in another way stays as it is.
func plainSyntax(diags hcl.Diagnostics, src []byte) (kept hcl.Diagnostics) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		_, byteA := position(a, nil)
		_, byteB := position(b, nil)
		return byteA - byteB
	})
	lines := map[int]bool{}
	open := false // a string went on to the lines below
	for _, d := range diags {
		if d.Subject == nil {
			kept = append(kept, d)
			continue
		}
		line := d.Subject.Start.Line
		if lines[line] || open && strings.Contains(d.Summary, "string") {
			continue
		}
		lines[line] = true
		open = open || d.Summary == "Invalid multi-line string"
		rewordSyntax(d, lineAt(src, d.Subject.Start.Byte), src)
		kept = append(kept, d)
	}
	return kept
}

// lineAt is the line of src around offset.
func lineAt(src []byte, offset int) string {
	offset = min(offset, len(src))
	text := string(src)
	begin := strings.LastIndexByte(text[:offset], '\n') + 1
	line, _, _ := strings.Cut(text[begin:], "\n")
	return strings.TrimSuffix(line, "\r")
}

var (
	bareValue  = regexp.MustCompile(`^\s*([a-z][a-z0-9_]*)\s*=\s*'?([^"'\[{(#$]{1,80}?)'?\s*$`)
	withColon  = regexp.MustCompile(`^\s*"?([a-z][a-z0-9_]*)"?\s*:\s*(.{1,80}?),?\s*$`)
	noEquals   = regexp.MustCompile(`^\s*([a-z][a-z0-9_]*)\s+("[^"]*")\s*$`)
	noValue    = regexp.MustCompile(`^\s*[a-z][a-z0-9_]*\s*=\s*(#.*)?$`)
	redefined  = regexp.MustCompile(`already set at .*:(\d+),[\d-]+\.`)
	argument   = regexp.MustCompile(`The argument ("[^"]*")`)
	braceAlone = regexp.MustCompile(`^\s*\{`)
)

func rewordSyntax(d *hcl.Diagnostic, line string, src []byte) {
	switch d.Summary {
	case "Attribute redefined":
		if m := argument.FindStringSubmatch(d.Detail); m != nil {
			d.Summary = m[1] + " is set twice"
		}
		if m := redefined.FindStringSubmatch(d.Detail); m != nil {
			d.Detail = fmt.Sprintf("The other place is line %s. Remove one.", m[1])
		}
	case "Unclosed configuration block":
		d.Summary = "A closing brace is missing"
		d.Detail = "The block that begins here goes on to the end of the file. Close it, or look for a brace too few in one of those that follow."
	case "Invalid single-argument block definition":
		d.Summary = "Too much for one line"
		d.Detail = "A block in one line holds one option. Give each option a line of its own."
	case "Invalid multi-line string", "Unterminated template string":
		d.Summary = "The string is not closed"
		d.Detail = `A closing quote is missing in this line. For a line break inside of a string write \n.`
	case "Unclosed template interpolation sequence":
		d.Summary = `"${" is not closed`
		d.Detail = "A closing brace is missing. For a dollar sign and a brace as they are write $${."
	case "Unexpected comma after argument":
		d.Summary = "A comma too many"
		d.Detail = "Options stand on lines of their own, without commas."
	case "Missing item separator":
		d.Summary = "A comma is missing"
		d.Detail = "The elements of a list are separated by commas."
	case "Argument or block definition required":
		rewordLine(d, line)
	case "Invalid block definition":
		rewordHeader(d, line, src)
	case "Missing newline after argument", "Invalid number literal", "Invalid expression", "Invalid attribute name", "Invalid character":
		rewordValue(d, line)
	}
}

// rewordLine is for lines that are neither option nor block.
func rewordLine(d *hcl.Diagnostic, line string) {
	if strings.HasPrefix(strings.TrimSpace(line), "}") {
		d.Summary, d.Detail = "A closing brace too many", "No block is open here. Remove it, or look for a brace too much above."
		return
	}
	d.Summary = "This is neither an option nor a block"
	d.Detail = "Options are written name = value, blocks name { ... }."
	if double := strings.ReplaceAll(line, "'", `"`); strings.Count(line, "'") > 1 {
		d.Summary, d.Detail = "Single quotes", "Text and names are put in double quotes: "+strings.TrimSpace(double)
		return
	}
	if m := withColon.FindStringSubmatch(line); m != nil {
		d.Summary = "An equals sign is missing"
		d.Detail = fmt.Sprintf("Write %s = %s", m[1], m[2])
	}
}

// rewordHeader is for a header that no brace follows.
func rewordHeader(d *hcl.Diagnostic, line string, src []byte) {
	rest := src[min(d.Subject.Start.Byte, len(src)):]
	if braceAlone.Match([]byte(strings.TrimLeft(string(rest), "\r\n\t "))) {
		d.Summary = "The brace stands on the wrong line"
		d.Detail = "A block's opening brace stands at the end of its header: " + strings.TrimSpace(line) + " {"
		return
	}
	d.Summary = "The block has no body"
	d.Detail = "After the header comes { ... }, on the same line."
	if m := noEquals.FindStringSubmatch(line); m != nil {
		d.Summary = "An equals sign or a brace is missing"
		d.Detail = fmt.Sprintf("An option is written %s = %s, a block %s %s { ... }.", m[1], m[2], m[1], m[2])
	}
}

// rewordValue is for values that cannot be read, most often text without quotes.
func rewordValue(d *hcl.Diagnostic, line string) {
	if noValue.MatchString(line) {
		d.Summary, d.Detail = "The value is missing", "After the equals sign comes a value, on the same line."
		return
	}
	if m := bareValue.FindStringSubmatch(line); m != nil {
		d.Summary = "The value cannot be read"
		d.Detail = fmt.Sprintf("Text is put in double quotes: %s = %q", m[1], m[2])
		return
	}
	if d.Summary == "Missing newline after argument" {
		d.Summary = "The line goes on after the value"
		d.Detail = "Each option has a line of its own. Is a quote, a comma or an operator missing?"
	}
}
