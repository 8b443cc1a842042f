package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// SQLite's FTS5 finds words itself, folds them and keeps them in its own table.
// For PostgreSQL that is done here: its text search would need an extension to
// leave out accents, and a configuration that every server has.

// Bounds of what PostgreSQL is given of a message: a lexeme may have 2 KiB, all of
// them 1 MiB.
const (
	maxWord     = 200 // bytes; longer words are found by their beginnings
	maxAllWords = 256 << 10
	maxNearby   = 1000 // conversations that a search names
)

// wordsOf are the words of a text, as they are.
func wordsOf(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) })
}

// folded is a word without case and accents. What only looks like one, as the
// vowels of many scripts, stays.
func folded(word string) string {
	word = strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36f { // combining diacritical marks
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(word))
	word = norm.NFC.String(word)
	return strings.ToValidUTF8(word[:min(len(word), maxWord)], "")
}

// lexemes are the words of a message as a tsvector, with its conversation, so
// that a search need not look at those of other people.
func lexemes(m said) string {
	var b strings.Builder
	b.WriteString(place(m.conv))
	seen := map[string]bool{}
	for _, w := range wordsOf(m.text) {
		if w = folded(w); w != "" && !seen[w] && b.Len()+len(w) < maxAllWords {
			seen[w] = true
			fmt.Fprintf(&b, " '%s'", w)
		}
	}
	return b.String()
}

// place is the lexeme of a conversation, which no word is.
func place(conv store.ConvID) string { return fmt.Sprintf("'/%d'", conv) }

// index puts messages into the index.
func index(t *txn, all ...said) error {
	if t.Dialect() == sqldb.SQLite {
		for _, m := range all {
			if _, err := t.Exec(`INSERT INTO search (rowid, text) VALUES (?, ?)`, m.cursor, m.text); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		return nil
	}
	rows := make([][2]any, len(all))
	for i, m := range all {
		rows[i] = [2]any{m.cursor, lexemes(m)}
	}
	b, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = t.Exec(`INSERT INTO search (cursor, words)
		SELECT CAST(x ->> 0 AS bigint), CAST(x ->> 1 AS tsvector) FROM json_array_elements(CAST(CAST(? AS text) AS json)) x`, string(b))
	return err
}

// matching is the query for messages with all of words that a person may see, and
// its second argument; the others are the person, the conversation or 0, and how
// many.
func matching(q sqldb.Queryer, words []string, person int64, conv store.ConvID) (query, match string, err error) {
	const visible = ` AND e.type = 1 AND e.deleted = 0
		AND (e.seq BETWEEN m.from_seq AND coalesce(m.left_seq, e.seq)
			OR EXISTS (SELECT 1 FROM spans x WHERE x.conv = e.conv AND x.person = ?1 AND e.seq BETWEEN x.from_seq AND x.to_seq))
		AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.person = ?1 AND h.conv = e.conv AND h.seq = e.seq)`
	if q.Dialect() == sqldb.SQLite {
		for i, w := range words {
			words[i] = `"` + w + `"*` // quoted: nothing in it is an operator
		}
		return `SELECT ` + eventColumns + ` FROM search s JOIN ` + eventTables + ` JOIN members m ON m.conv = e.conv AND m.person = ?1
			WHERE search MATCH ?2 AND e.cursor = s.rowid AND (?3 = 0 OR e.conv = ?3)` + visible + `
			ORDER BY s.rowid DESC LIMIT ?4`, strings.Join(words, " "), nil
	}
	var all []string
	for _, w := range words {
		if w = folded(w); w != "" {
			all = append(all, "'"+w+"':*")
		}
	}
	convs := []store.ConvID{conv}
	if conv == 0 {
		if convs, err = column[store.ConvID](q, `SELECT conv FROM members WHERE person = ? ORDER BY conv LIMIT ?`, person, maxNearby+1); err != nil {
			return "", "", err
		}
	}
	if n := len(convs); n > 0 && n <= maxNearby {
		places := make([]string, n)
		for i, c := range convs {
			places[i] = place(c)
		}
		all = append(all, "("+strings.Join(places, "|")+")")
	}
	slices.Sort(all)
	return `SELECT ` + eventColumns + ` FROM search s JOIN events e ON e.cursor = s.cursor JOIN people p ON p.id = e.sender LEFT JOIN people u ON u.id = e.subject
			JOIN members m ON m.conv = e.conv AND m.person = ?1
			WHERE s.words @@ CAST(CAST(?2 AS text) AS tsquery) AND (e.conv = ?3 OR ?3 = 0)` + visible + `
			ORDER BY s.cursor DESC LIMIT ?4`, strings.Join(all, "&"), nil
}
