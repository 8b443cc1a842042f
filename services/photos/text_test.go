package photos

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// ours is the markup that texts get, and all of it.
var ours = regexp.MustCompile(`<p>|</p>|<br />|</a>|</span>|` +
	`<a href="(?i:https?)://[^"<>]*" target="_blank" rel="nofollow noopener noreferrer" translate="no">|` +
	`<a href="https://photos\.example/tags/[^"<>]*" class="mention hashtag" rel="tag">|<a href="https://photos\.example/@ann" class="u-url mention">|` +
	`<span class="h-card" translate="no">|<span class="(?:invisible|ellipsis)?">|<span>`)

var fullMarkup = markup{base: "https://photos.example", tags: true, people: map[string]string{
	"ann": "https://photos.example/@ann", "ann@photos.example": "https://photos.example/@ann",
}}

func TestText(t *testing.T) {
	const tag = `<a href="https://photos.example/tags/%s" class="mention hashtag" rel="tag">#<span>%s</span></a>`
	tagged := func(name, text string) string {
		return strings.Replace(strings.Replace(tag, "%s", name, 1), "%s", text, 1)
	}
	const ann = `<span class="h-card" translate="no"><a href="https://photos.example/@ann" class="u-url mention">@<span>ann</span></a></span>`
	for text, want := range map[string]string{
		"":                       "",
		" \r\n \n":               "",
		"a\rb":                   "<p>a<br />b</p>",
		"a\n\n\n\nb\n":           "<p>a</p><p>b</p>",
		"<script>alert(1)":       "<p>&lt;script&gt;alert(1)</p>",
		"#Sea.":                  "<p>" + tagged("sea", "Sea") + ".</p>",
		"#ÜBER #日本語":             "<p>" + tagged("%C3%BCber", "ÜBER") + " " + tagged("%E6%97%A5%E6%9C%AC%E8%AA%9E", "日本語") + "</p>",
		"＃sea":                   "<p>" + tagged("sea", "sea") + "</p>",
		"#1 #2024 a#b /#c ##d #": "<p>#1 #2024 a#b /#c ##d #</p>",
		"#a_1·":                  "<p>" + tagged("a_1", "a_1") + "·</p>",
		"(#sea)":                 "<p>(" + tagged("sea", "sea") + ")</p>",
		"hi @ann, @bob":          "<p>hi " + ann + ", @bob</p>",
		"@ann.":                  "<p>" + ann + ".</p>",
		"@ann@photos.example":    "<p>" + ann + "</p>",
		"me@ann @ann@elsewhere":  "<p>me@ann @ann@elsewhere</p>",
		"https://a.example/@ann": `<p><a href="https://a.example/@ann" target="_blank" rel="nofollow noopener noreferrer" translate="no"><span class="invisible">https://</span><span class="">a.example/@ann</span><span class="invisible"></span></a></p>`,
		"http://www.example.org/a/long/path/that/goes/on#sea": `<p><a href="http://www.example.org/a/long/path/that/goes/on#sea" target="_blank" rel="nofollow noopener noreferrer" translate="no">` +
			`<span class="invisible">http://www.</span><span class="ellipsis">example.org/a/long/path/that/g</span><span class="invisible">oes/on#sea</span></a></p>`,
		"javascript://x": "<p>javascript://x</p>",
	} {
		if got := fullMarkup.html(text); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestNamed(t *testing.T) {
	people, tags := named("@Ann @bob@here @ann #Sea #sea #ＳＥＡ #\u0065\u0301t\u00e9 https://x.example/@no#not")
	if want := []string{"ann", "bob@here"}; !slices.Equal(people, want) {
		t.Errorf("people %q", people)
	}
	if want := []string{"sea", "été"}; !slices.Equal(tags, want) {
		t.Errorf("tags %q", tags)
	}
	people, tags = named(strings.Repeat("x @a", 1) + manyNames())
	if len(people) != maxNamed || len(tags) != maxNamed {
		t.Errorf("%d people, %d tags", len(people), len(tags))
	}
	for _, bad := range []string{"", "#", "a b", "a-b", "1", "<b>", strings.Repeat("a", maxTag+1), "a\xff"} {
		if name := normalTag(bad); name != "" {
			t.Errorf("%q is the tag %q", bad, name)
		}
	}
}

func manyNames() string {
	var b strings.Builder
	for i := range 2 * maxNamed {
		b.WriteString(" @a" + strings.Repeat("b", i) + " #c" + strings.Repeat("d", i))
	}
	return b.String()
}

func TestLengthOf(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "äöü": 3, "https://example.org/" + strings.Repeat("x", 100): charactersPerURL, "a http://b.c d": charactersPerURL + 4,
		"@ann@photos.example": len("@ann"), "@ann": 4,
	} {
		if got := lengthOf(text); got != want {
			t.Errorf("%q has %d characters, not %d", text, got, want)
		}
	}
}

// FuzzToHTML: whatever people write, the markup is ours, it holds all that they
// wrote, and a text that was made clean before stays as it is.
func FuzzToHTML(f *testing.F) {
	for _, s := range []string{
		"hi", "a\n\nb\r\nc", "<script>", "https://x.example/?a=1&b=\"<>'", "http://https://x.example.", "&lt;",
		"@ann #tag @ann@photos.example", "#<b>", "@ann\"><x>", "＃日本·", "#a\u200cb", "https://www.", "HTTP://A/#b @c",
		"#a½", "#İ", "#ﷺ", "#ǅ", "#ﬃ", "#a\u0345", "#ͅa",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // package params lets none through
		}
		for _, m := range []markup{{}, fullMarkup} {
			out := m.html(text)
			rest := ours.ReplaceAllString(out, "")
			if strings.ContainsAny(rest, "<>\"'") {
				t.Errorf("%q becomes %q", text, out)
			}
			words := func(s string) string {
				return strings.Join(strings.Fields(strings.ReplaceAll(s, "\x00", "\ufffd")), "")
			}
			plain := strings.ReplaceAll(text, "＃", "#")
			got := strings.ReplaceAll(html.UnescapeString(rest), "＃", "#")
			if m.people != nil {
				plain = strings.ReplaceAll(strings.ToLower(plain), "@ann@photos.example", "@ann")
				got = strings.ReplaceAll(strings.ToLower(got), "@ann@photos.example", "@ann")
			}
			if words(got) != words(plain) {
				t.Errorf("%q says %q", text, got)
			}
			clean := strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"))
			if m.html(clean) != out {
				t.Errorf("%q becomes something else once it is clean", text)
			}
		}
		_ = lengthOf(text)
		_, tags := named(text)
		for _, name := range tags {
			if normalTag(name) != name {
				t.Errorf("the tag %q is not as it is kept: %q", name, normalTag(name))
			}
		}
	})
}
