package config

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// A Source has the text of the files of a load, so that diagnostics can show
// the line they are about. Secrets in the text are shown as ***.
type Source struct {
	files   map[string]*hcl.File
	secrets *secrets
}

const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	bold   = "\x1b[1m"
	reset  = "\x1b[0m"
)

// WriteText writes diagnostics for people: what is wrong, where, the source
// line underlined, and what to do. Text is wrapped at width columns; 0 does not
// wrap.
func (s *Source) WriteText(w io.Writer, diags hcl.Diagnostics, width int, color bool) error {
	out := bufio.NewWriter(w)
	for _, d := range diags {
		word, on, off := "Error", red, reset
		if d.Severity == hcl.DiagWarning {
			word, on = "Warning", yellow
		}
		if !color {
			on, off = "", ""
		}
		fmt.Fprintf(out, "%s%s:%s %s\n", on, word, off, printable(d.Summary))
		if d.Subject != nil {
			s.writePlace(out, d.Subject, on, off)
		}
		if d.Detail != "" {
			if d.Subject != nil {
				fmt.Fprintln(out)
			}
			writeDetail(out, d.Detail, width)
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

func writeDetail(out io.Writer, detail string, width int) {
	for line := range strings.Lines(detail) {
		column := 0
		for _, word := range strings.Fields(line) {
			word = printable(word)
			if n := utf8.RuneCountInString(word); column == 0 || width > 0 && column+1+n > width {
				if column > 0 {
					fmt.Fprintln(out)
				}
				fmt.Fprintf(out, "  %s", word)
				column = 2 + n
			} else {
				fmt.Fprintf(out, " %s", word)
				column += 1 + n
			}
		}
		fmt.Fprintln(out)
	}
}

// writePlace writes file, line and column, and the line with r underlined.
func (s *Source) writePlace(out io.Writer, r *hcl.Range, on, off string) {
	fmt.Fprintf(out, "  %s:%d:%d", printable(shortName(r.Filename)), r.Start.Line, r.Start.Column)
	if in := s.context(r); in != "" {
		fmt.Fprintf(out, ", in %s", printable(in))
	}
	fmt.Fprintln(out)
	before, marked, after, ok := s.line(r)
	if !ok {
		return
	}
	number := fmt.Sprint(r.Start.Line)
	fmt.Fprintf(out, "\n  %s | %s%s%s%s%s\n", number, before, on, marked, off, after)
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, before)
	fmt.Fprintf(out, "  %*s | %s%s%s%s\n", len(number), "", indent, on, strings.Repeat("^", max(1, len([]rune(marked)))), off)
}

// context is the header of the block around r, if r is inside and not the
// header itself.
func (s *Source) context(r *hcl.Range) string {
	f := s.files[r.Filename]
	if f == nil {
		return ""
	}
	nav, ok := f.Nav.(interface{ ContextString(offset int) string })
	if !ok {
		return ""
	}
	in := nav.ContextString(r.Start.Byte)
	if before, _, _, ok := s.line(r); ok && strings.TrimSpace(before) == "" && r.Start.Column == 1 {
		return "" // the header itself
	}
	return in
}

const maxLine = 160 // bytes of a source line that are shown

// line splits the first line of r into what is before, inside and after it.
func (s *Source) line(r *hcl.Range) (before, marked, after string, ok bool) {
	f := s.files[r.Filename]
	if f == nil || r.Start.Byte > len(f.Bytes) || r.End.Byte > len(f.Bytes) || r.End.Byte < r.Start.Byte {
		return "", "", "", false
	}
	src := string(f.Bytes)
	begin := strings.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	end := len(src)
	if i := strings.IndexByte(src[r.Start.Byte:], '\n'); i >= 0 {
		end = r.Start.Byte + i
	}
	stop := min(r.End.Byte, end)
	before, marked, after = src[begin:r.Start.Byte], src[r.Start.Byte:stop], src[stop:end]
	if s.secrets != nil {
		before, marked, after = s.secrets.redact(before), s.secrets.redact(marked), s.secrets.redact(after)
	}
	if len(before) > maxLine/2 {
		before = "..." + strings.ToValidUTF8(before[len(before)-maxLine/2:], "")
	}
	if len(marked) > maxLine {
		marked, after = strings.ToValidUTF8(marked[:maxLine], ""), "..."
	}
	if len(after) > maxLine {
		after = strings.ToValidUTF8(after[:maxLine], "") + "..."
	}
	return printable(before), printable(marked), strings.TrimRight(printable(after), " \t\ufffd"), true
}

// text is what stands at r.
func (s *Source) text(r hcl.Range) string {
	f := s.files[r.Filename]
	if f == nil || !r.CanSliceBytes(f.Bytes) {
		return ""
	}
	return string(r.SliceBytes(f.Bytes))
}

// printable keeps what a file contains from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, strings.TrimSuffix(s, "\r"))
}

// shortName is a path as seen from the working directory, if it lies below.
func shortName(path string) string {
	wd, err := os.Getwd()
	if err != nil || wd == string(filepath.Separator) {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// jsonDiag is a diagnostic as WriteJSON writes it.
type jsonDiag struct {
	Severity string     `json:"severity"` // error or warning
	Summary  string     `json:"summary"`
	Detail   string     `json:"detail,omitempty"`
	Range    *jsonRange `json:"range,omitempty"`
	Source   string     `json:"source,omitempty"` // the first line of the range
}

type jsonRange struct {
	File  string  `json:"file"` // absolute
	Start jsonPos `json:"start"`
	End   jsonPos `json:"end"`
}

// jsonPos counts lines and columns from 1, bytes from 0.
type jsonPos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// WriteJSON writes one object: valid, errors and warnings (counts), and the
// list diagnostics.
func (s *Source) WriteJSON(w io.Writer, diags hcl.Diagnostics) error {
	out := struct {
		Valid       bool       `json:"valid"`
		Errors      int        `json:"errors"`
		Warnings    int        `json:"warnings"`
		Diagnostics []jsonDiag `json:"diagnostics"`
	}{Valid: !diags.HasErrors(), Diagnostics: []jsonDiag{}}
	for _, d := range diags {
		j := jsonDiag{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			j.Severity = "warning"
			out.Warnings++
		} else {
			out.Errors++
		}
		if r := d.Subject; r != nil {
			j.Range = &jsonRange{r.Filename, jsonPos(r.Start), jsonPos(r.End)}
			before, marked, after, _ := s.line(r)
			j.Source = before + marked + after
		}
		out.Diagnostics = append(out.Diagnostics, j)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}
