package sqldb

import (
	"strings"
	"unicode/utf8"
)

// Text is a text as every engine can have it: UTF-8 without zeros. SQLite takes
// anything, so stores do not look; people mean nothing by it.
func Text(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
