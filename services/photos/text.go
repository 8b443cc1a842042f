package photos

import (
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// link finds URLs in text; what usually ends a sentence does not end one.
var link = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)'\]]`)

// toHTML makes escaped HTML of a caption: paragraphs, line breaks and links,
// nothing else.
func toHTML(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if text == "" {
		return ""
	}
	var b strings.Builder
	for para := range strings.SplitSeq(text, "\n\n") {
		b.WriteString("<p>")
		for i, line := range strings.Split(strings.Trim(para, "\n"), "\n") {
			if i > 0 {
				b.WriteString("<br />")
			}
			linkify(&b, line)
		}
		b.WriteString("</p>")
	}
	return b.String()
}

func linkify(b *strings.Builder, line string) {
	at := 0
	for _, m := range link.FindAllStringIndex(line, -1) {
		url := html.EscapeString(line[m[0]:m[1]])
		b.WriteString(html.EscapeString(line[at:m[0]]))
		b.WriteString(`<a href="` + url + `" rel="nofollow noopener noreferrer" target="_blank">` + url + `</a>`)
		at = m[1]
	}
	b.WriteString(html.EscapeString(line[at:]))
}

// tooLong tells whether text has more than limit characters.
func tooLong(text string, limit int) bool {
	return len(text) > limit && utf8.RuneCountInString(text) > limit
}
