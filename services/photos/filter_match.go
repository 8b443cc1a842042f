package photos

import (
	"regexp"
	"strings"
	"time"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// A matcher tells which filters of a viewer meet a post.
type matcher []matchedFilter

type matchedFilter struct {
	filter   store.Filter
	keywords []matchedKeyword
}

type matchedKeyword struct {
	text    string // in lower case
	pattern *regexp.Regexp
	is      string // as it was written
}

// newMatcher makes one of those filters that have not expired.
func newMatcher(filters []store.Filter, now time.Time) (m matcher) {
	for _, f := range filters {
		if !f.Expires.IsZero() && !now.Before(f.Expires) {
			continue
		}
		mf := matchedFilter{filter: f}
		for _, k := range f.Keywords {
			mk := matchedKeyword{text: strings.ToLower(k.Text), is: k.Text}
			if k.WholeWord {
				mk.pattern = wholeWord(k.Text)
			}
			mf.keywords = append(mf.keywords, mk)
		}
		m = append(m, mf)
	}
	return m
}

// wholeWord matches text where it is not a part of a longer word. Borders are
// wanted only at ends that are of words: a keyword may be an emoji.
func wholeWord(text string) *regexp.Regexp {
	const letter = `[\pL\pN_]`
	border := func(end string, start bool) string {
		if !regexp.MustCompile(letter).MatchString(end) {
			return ""
		}
		if start {
			return `(?:^|[^\pL\pN_])`
		}
		return `(?:$|[^\pL\pN_])`
	}
	runes := []rune(text)
	return regexp.MustCompile(`(?i)` + border(string(runes[0]), true) + regexp.QuoteMeta(text) + border(string(runes[len(runes)-1]), false))
}

// match tells why a post is filtered; none of it: an empty list.
func (m matcher) match(s store.Status) []entity.FilterResult {
	out := []entity.FilterResult{}
	if len(m) == 0 {
		return out
	}
	text := strings.Join(textsOf(s), "\n")
	lower := strings.ToLower(text)
	for _, f := range m {
		r := entity.FilterResult{Filter: filterEntity(f.filter)}
		for _, k := range f.keywords {
			if k.pattern != nil && k.pattern.MatchString(text) || k.pattern == nil && strings.Contains(lower, k.text) {
				r.KeywordMatches = append(r.KeywordMatches, k.is)
			}
		}
		for _, named := range f.filter.Statuses {
			if named.Status == s.ID {
				r.StatusMatches = append(r.StatusMatches, entity.ID(s.ID))
			}
		}
		if r.KeywordMatches != nil || r.StatusMatches != nil {
			out = append(out, r)
		}
	}
	return out
}

// textsOf is what a post says: a caption, a warning, descriptions.
func textsOf(s store.Status) []string {
	texts := []string{s.Spoiler, s.Text}
	for _, m := range s.Media {
		texts = append(texts, m.Description)
	}
	return texts
}
