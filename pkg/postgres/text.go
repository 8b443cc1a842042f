package postgres

import (
	"strconv"
	"strings"
	"sync"
)

// maxTexts bounds the texts that are kept translated. No store has more, unless
// it builds them.
const maxTexts = 1000

// texts are statements as PostgreSQL takes them, by what stores write.
type texts struct {
	trace func(string) // nil: nobody asks

	mu  sync.Mutex
	all map[string]string // guarded by mu
}

func (t *texts) of(query string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.all[query]; ok {
		return s
	}
	if t.all == nil || len(t.all) >= maxTexts {
		t.all = map[string]string{}
	}
	s := translate(query)
	t.all[query] = s
	if t.trace != nil {
		t.trace(s)
	}
	return s
}

// translate numbers parameters as PostgreSQL does: ? and ?7 become $1 and $7.
// What stands in quotes and comments stays as it is.
func translate(query string) string {
	var b strings.Builder
	for i, next := 0, 1; i < len(query); {
		switch c := query[i]; {
		case c == '\'' || c == '"':
			end := quoted(query, i)
			b.WriteString(query[i:end])
			i = end
		case strings.HasPrefix(query[i:], "--"):
			end := len(query)
			if n := strings.IndexByte(query[i:], '\n'); n >= 0 {
				end = i + n
			}
			b.WriteString(query[i:end])
			i = end
		case c == '?':
			i++
			end := i
			for end < len(query) && '0' <= query[end] && query[end] <= '9' {
				end++
			}
			number := query[i:end]
			if number == "" {
				number = strconv.Itoa(next)
				next++
			}
			b.WriteString("$" + number)
			i = end
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

// quoted returns the end of what is in quotes from i on. A doubled quote ends
// one text and begins another, which comes to the same.
func quoted(query string, i int) int {
	if n := strings.IndexByte(query[i+1:], query[i]); n >= 0 {
		return i + 1 + n + 1
	}
	return len(query)
}
