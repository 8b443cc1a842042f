package sqlstore

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store"
)

const (
	maxWords  = 16   // of a search
	maxFound  = 2000 // posts with the words that are looked at, the newest
	maxPrefix = 64   // bytes of a word
	maxTerm   = 1000 // bytes of a word without accents, of which PostgreSQL takes 2,046
	maxVector = 5000 // words of a post
)

// match is an engine's query for posts with all words of text, as prefixes; empty
// where there is none. Quoted, nothing in it is syntax.
func match(engine sqldb.Dialect, text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	var terms []string
	for _, w := range words[:min(len(words), maxWords)] {
		if len(w) > maxPrefix {
			w = strings.ToValidUTF8(w[:maxPrefix], "")
		}
		if engine == sqldb.SQLite {
			terms = append(terms, `"`+w+`"*`)
		}
		for _, part := range folded(w) {
			if engine == sqldb.Postgres {
				terms = append(terms, `'`+part+`':*`)
			}
		}
	}
	return strings.Join(terms, engine.Pick(" ", " & "))
}

// vector is the words of a text as PostgreSQL keeps them.
func vector(text string) string {
	words := folded(text)
	slices.Sort(words)
	words = slices.Compact(words)
	var b strings.Builder
	for _, w := range words[:min(len(words), maxVector)] {
		b.WriteString(`'` + w + `' `)
	}
	return b.String()
}

// folded are the words of a text without case and accents, about as FTS5 has
// them. There are no quotes in them.
func folded(text string) []string {
	text = strings.Map(func(r rune) rune {
		if 0x300 <= r && r < 0x370 { // accents
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(text))
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
	for i, w := range words {
		if len(w) > maxTerm {
			words[i] = strings.ToValidUTF8(w[:maxTerm], "")
		}
	}
	return words
}

// SearchStatuses finds posts that the viewer may see, as far as this store knows.
func (d *DB) SearchStatuses(ctx context.Context, s store.StatusSearch) (list []store.Status, err error) {
	terms := match(d.db.Dialect(), s.Words)
	if terms == "" {
		return nil, nil
	}
	upper := s.Max
	if upper <= 0 {
		upper = 1<<63 - 1
	}
	err = d.db.Read(ctx, func(q sqldb.Queryer) error {
		ids, err := collect(q, scanID, `SELECT s.id FROM
			(SELECT rowid AS id FROM words WHERE words MATCH ?1 AND rowid > ?2 AND rowid < ?3 ORDER BY rowid DESC LIMIT ?4) w
			CROSS JOIN statuses s ON s.id = w.id
			WHERE (CAST(?5 AS bigint) = 0 OR s.author_id = ?5) AND s.author_id NOT IN (SELECT value FROM json_each(?6))
			AND (s.visibility <= 2 OR s.author_id = ?7 OR EXISTS (SELECT 1 FROM mentions m WHERE m.status_id = s.id AND m.user_id = ?7)
				OR s.visibility = 3 AND EXISTS (SELECT 1 FROM follows f WHERE f.follower_id = ?7 AND f.target_id = s.author_id AND f.state = 2))
			ORDER BY s.id DESC LIMIT ?8 OFFSET ?9`,
			terms, s.Min, upper, maxFound, s.Author, jsonList(s.Exclude), s.Viewer, s.Limit, s.Offset)
		if err != nil {
			return err
		}
		list, err = statusesByID(q, ids)
		return err
	})
	return list, wrap("search posts", err)
}
