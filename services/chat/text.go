package chat

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/porticod/portico/services/chat/store"
)

const timeLayout = "2006-01-02T15:04:05.000Z"

// formatTime renders Unix milliseconds as the protocol does: RFC 3339, UTC.
func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format(timeLayout) }

// timeOrNone is formatTime, empty for 0.
func timeOrNone(ms int64) string {
	if ms == 0 {
		return ""
	}
	return formatTime(ms)
}

func convName(id store.ConvID) string { return "c_" + strconv.FormatInt(int64(id), 10) }

// parseConv reads a conversation's name. A name that cannot exist is as unknown
// as one that does not.
func parseConv(s string) (store.ConvID, error) {
	digits, ok := strings.CutPrefix(s, "c_")
	if !ok || len(digits) == 0 || digits[0] < '1' || digits[0] > '9' {
		return 0, errConv
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, errConv
	}
	return store.ConvID(n), nil
}

// checkCID accepts 1 to 64 of A-Z a-z 0-9 _ - . :
func checkCID(cid string) error {
	if cid == "" || len(cid) > 64 {
		return badRequest("cid is required: 1 to 64 of A-Z a-z 0-9 _ - . :")
	}
	for i := range len(cid) {
		c := cid[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '_', c == '-', c == '.', c == ':':
		default:
			return badRequest("cid is required: 1 to 64 of A-Z a-z 0-9 _ - . :")
		}
	}
	return nil
}

// checkText accepts what a message may say: at most limit bytes, no control
// characters but newline and tab. It may be empty.
func checkText(text string, limit int) error {
	if len(text) > limit {
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("a text has at most %d bytes; this one has %d", limit, len(text))}
	}
	if !utf8.ValidString(text) {
		return badRequest("text is not valid UTF-8")
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return badRequest(fmt.Sprintf("text holds the control character U+%04X; only newline and tab are allowed", r))
		}
	}
	return nil
}

// isBlank says that there is nothing to see in a text.
func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

const maxTitle = 100 // characters of a group's title

// cleanTitle returns the title of a group as it is kept.
func cleanTitle(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s):
		return "", badRequest("title is not valid UTF-8")
	case s == "":
		return "", badRequest("title is required: a group has a name")
	case utf8.RuneCountInString(s) > maxTitle:
		return "", badRequest(fmt.Sprintf("title has more than %d characters", maxTitle))
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", badRequest("title holds a control character")
	}
	return s, nil
}

const maxEmoji = 64 // bytes: families with skin tones are long

// checkEmoji accepts what looks like one emoji: symbols with what joins and
// varies them, no letters, no spaces. Which ones there are changes every year.
func checkEmoji(s string) error {
	wrong := badRequest("emoji must be one emoji")
	if s == "" || len(s) > maxEmoji || !utf8.ValidString(s) {
		return wrong
	}
	symbols := 0
	for _, r := range s {
		switch {
		case r >= 0x1F000, r == 0x2139, unicode.Is(unicode.So, r), r >= 0x2030 && r < 0x3300 && unicode.In(r, unicode.P, unicode.S), r == 0x20E3:
			symbols++
		case r == 0x200D, r >= 0xFE00 && r <= 0xFE0F, unicode.Is(unicode.Sk, r), r >= '0' && r <= '9', r == '#', r == '*':
		default:
			return wrong
		}
	}
	if symbols == 0 || symbols > 10 {
		return wrong
	}
	return nil
}
