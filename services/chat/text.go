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
// characters but newline and tab, something to see.
func checkText(text string, limit int) error {
	if len(text) > limit {
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("a text has at most %d bytes; this one has %d", limit, len(text))}
	}
	if !utf8.ValidString(text) {
		return badRequest("text is not valid UTF-8")
	}
	if strings.TrimSpace(text) == "" {
		return badRequest("text is empty")
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return badRequest(fmt.Sprintf("text holds the control character U+%04X; only newline and tab are allowed", r))
		}
	}
	return nil
}
