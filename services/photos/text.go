package photos

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// tokenKind says what a part of a text is.
type tokenKind uint8

const (
	tokenURL tokenKind = iota + 1
	tokenMention
	tokenTag
)

// A token is a part of a text that becomes a link. What is between tokens is
// text.
type token struct {
	kind       tokenKind
	start, end int    // bytes
	name       string // of a mention without the first @, of a tag without #
}

// The parts that become links: URLs, whose last character is none that usually
// ends a sentence, @name with or without a host, and #tag as Mastodon has it.
// What may stand before them is looked at apart. With its classes of Unicode it
// takes a megabyte, so it is compiled when there is a text.
var (
	tokenPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i:https?)://[^\s<>"]*[^\s<>".,;:!?)'\]]|` +
			`@[a-zA-Z0-9][a-zA-Z0-9_.]*(?:@[a-zA-Z0-9][a-zA-Z0-9.:-]*)?|` +
			`[#＃][\pL\pM\pN_·・\x{200c}]+`)
	})
	tagEnds = "·・\u200c"
)

const maxTag = 100 // characters

// tokens finds the parts of a line or a text that become links, in order.
func tokens(text string) []token {
	var out []token
	for _, m := range tokenPattern().FindAllStringIndex(text, -1) {
		t := token{start: m[0], end: m[1]}
		before, _ := utf8.DecodeLastRuneInString(text[:t.start])
		switch part := text[t.start:t.end]; part[0] {
		case '@':
			if isWord(before) || before == '=' || before == '/' || before == '@' {
				continue
			}
			// A dot at the end belongs to the sentence.
			name := strings.TrimRight(part[1:], ".:-_")
			t.kind, t.end, t.name = tokenMention, t.start+1+len(name), name
		case 'h', 'H':
			if isWord(before) {
				continue
			}
			t.kind = tokenURL
		default:
			_, hash := utf8.DecodeRuneInString(part)
			name := strings.TrimRight(part[hash:], tagEnds)
			if isWord(before) || before == '=' || before == '/' || before == ')' || before == '#' || !isTag(name) {
				continue
			}
			t.kind, t.end, t.name = tokenTag, t.start+hash+len(name), name
		}
		out = append(out, t)
	}
	return out
}

func isWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
}

// isTag: a tag has something beside digits and what separates.
func isTag(name string) bool {
	return utf8.RuneCountInString(name) <= maxTag &&
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) })
}

// normalTag is the name that a tag is kept and compared by; empty where it is
// not one.
func normalTag(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(name), "#"), "＃")
	if len(name) > maxTag*utf8.UTFMax || !utf8.ValidString(name) {
		return ""
	}
	t := tokens("#" + name)
	if len(t) != 1 || t[0].kind != tokenTag || t[0].name != name {
		return ""
	}
	name = norm.NFKC.String(strings.ToLower(norm.NFKC.String(name)))
	// Compatible forms may bring what no tag has: a half is 1, a slash and 2.
	return strings.Trim(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r) || r == '_' || strings.ContainsRune(tagEnds, r) {
			return r
		}
		return -1
	}, name), tagEnds)
}

// maxNamed is how many people, and how many tags, a post names at most. More
// stay text.
const maxNamed = 50

// named are the names of people and the normal names of tags in a text, each
// once, in order.
func named(text string) (people, tags []string) {
	add := func(list []string, name string) []string {
		if name == "" || len(list) >= maxNamed || slices.Contains(list, name) {
			return list
		}
		return append(list, name)
	}
	for _, t := range tokens(text) {
		switch t.kind {
		case tokenMention:
			people = add(people, strings.ToLower(t.name))
		case tokenTag:
			tags = add(tags, normalTag(t.name))
		}
	}
	return people, tags
}

// markup makes HTML of what people write. The zero markup links URLs only.
type markup struct {
	base   string            // of the links to tags; without it there are none
	tags   bool              // #tag becomes a link
	people map[string]string // URLs of who is named, by how they are: ann or ann@host
}

// toHTML makes escaped HTML of a text: paragraphs, line breaks and links,
// nothing else.
func toHTML(text string) string { return markup{}.html(text) }

func (m markup) html(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"))
	if text == "" {
		return ""
	}
	var b strings.Builder
	for para := range strings.SplitSeq(text, "\n\n") {
		if para = strings.Trim(para, "\n"); para == "" {
			continue
		}
		b.WriteString("<p>")
		for i, line := range strings.Split(para, "\n") {
			if i > 0 {
				b.WriteString("<br />")
			}
			m.line(&b, line)
		}
		b.WriteString("</p>")
	}
	return b.String()
}

// linkify writes a line with its URLs as links.
func linkify(b *strings.Builder, line string) { markup{}.line(b, line) }

func (m markup) line(b *strings.Builder, line string) {
	at := 0
	for _, t := range tokens(line) {
		link, ok := m.link(t, line[t.start:t.end])
		if !ok {
			continue
		}
		b.WriteString(html.EscapeString(line[at:t.start]))
		b.WriteString(link)
		at = t.end
	}
	b.WriteString(html.EscapeString(line[at:]))
}

// link is the markup of a token, with the classes that clients know from
// Mastodon.
func (m markup) link(t token, text string) (string, bool) {
	switch t.kind {
	case tokenURL:
		return linkURL(text), true
	case tokenTag:
		name := normalTag(t.name)
		if !m.tags || name == "" {
			return "", false
		}
		return `<a href="` + html.EscapeString(tagURL(m.base, name)) + `" class="mention hashtag" rel="tag">#<span>` + html.EscapeString(t.name) + `</span></a>`, true
	case tokenMention:
		url, ok := m.people[strings.ToLower(t.name)]
		if !ok {
			return "", false
		}
		short, _, _ := strings.Cut(t.name, "@")
		return `<span class="h-card" translate="no"><a href="` + html.EscapeString(url) + `" class="u-url mention">@<span>` +
			html.EscapeString(short) + `</span></a></span>`, true
	}
	return "", false
}

// maxShown is how many characters of a URL are shown.
const maxShown = 30

func linkURL(url string) string {
	prefix := url[:strings.Index(url, "://")+len("://")]
	rest := url[len(prefix):]
	if www, found := strings.CutPrefix(rest, "www."); found {
		prefix, rest = prefix+"www.", www
	}
	shown, hidden, class := rest, "", ""
	if cut := cutAfter(rest, maxShown); cut < len(rest) {
		shown, hidden, class = rest[:cut], rest[cut:], "ellipsis"
	}
	return `<a href="` + html.EscapeString(url) + `" target="_blank" rel="nofollow noopener noreferrer" translate="no">` +
		`<span class="invisible">` + html.EscapeString(prefix) + `</span><span class="` + class + `">` + html.EscapeString(shown) +
		`</span><span class="invisible">` + html.EscapeString(hidden) + `</span></a>`
}

// cutAfter is the number of bytes of the first n characters of s.
func cutAfter(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// charactersPerURL is what a URL counts in the length of a post, however long it
// is; clients are told so.
const charactersPerURL = 23

// lengthOf is the number of characters of a post, as clients count them.
func lengthOf(text string) int {
	n := utf8.RuneCountInString(text)
	for _, t := range tokens(text) {
		part := utf8.RuneCountInString(text[t.start:t.end])
		switch t.kind {
		case tokenURL:
			n += charactersPerURL - part
		case tokenMention:
			if short, _, found := strings.Cut(t.name, "@"); found {
				n += len(short) + 1 - part
			}
		}
	}
	return n
}

// tooLong tells whether text has more than limit characters.
func tooLong(text string, limit int) bool {
	return len(text) > limit && utf8.RuneCountInString(text) > limit
}
