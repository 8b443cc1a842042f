package account

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of what people may enter, in bytes where not said otherwise.
const (
	MaxUsername = 30
	MinPassword = 8
	MaxPassword = 256
	MaxName     = 64  // characters
	MaxAbout    = 500 // characters
	maxAvatar   = 200 // characters
	maxDevice   = 128
	maxScopes   = 1024
)

var (
	username = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9_.]{0,28}[a-z0-9])?$`)
	reserved = []string{"admin", "root", "support", "system", "me", "current", "everyone", "here"}
)

// ValidateUsername returns the username that somebody who enters s gets: s in
// lower case. The error is an *Invalid.
func ValidateUsername(s string) (string, error) {
	// Checked before lower-casing, which makes letters of ASCII from others
	// (the Kelvin sign becomes k).
	for _, r := range s {
		if r >= utf8.RuneSelf {
			return "", &Invalid{"username", "may hold only the letters a-z, digits, _ and ."}
		}
	}
	s = strings.ToLower(s)
	switch {
	case s == "":
		return "", &Invalid{"username", "is missing"}
	case len(s) > MaxUsername:
		return "", &Invalid{"username", "is longer than 30 characters"}
	case !username.MatchString(s):
		return "", &Invalid{"username", "may hold only the letters a-z, digits, _ and ., and starts and ends with a letter or digit"}
	case strings.Contains(s, ".."):
		return "", &Invalid{"username", "has two dots in a row"}
	case slices.Contains(reserved, s):
		return "", &Invalid{"username", "is reserved"}
	}
	return s, nil
}

func validatePassword(field, s string) error {
	switch {
	case len(s) < MinPassword:
		return &Invalid{field, "is shorter than 8 characters"}
	case len(s) > MaxPassword:
		return &Invalid{field, "is longer than 256 bytes"}
	}
	return nil
}

// cleanText returns s without white space around it. Where lines is false it may
// not have several lines.
func cleanText(field, s string, maxRunes int, lines bool) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxRunes*utf8.UTFMax || !utf8.ValidString(s) {
		return "", &Invalid{field, "is too long or not UTF-8"}
	}
	if utf8.RuneCountInString(s) > maxRunes {
		return "", &Invalid{field, "is too long"}
	}
	for _, r := range s {
		if unicode.IsControl(r) && (!lines || r != '\n' && r != '\t') {
			return "", &Invalid{field, "has control characters"}
		}
	}
	return s, nil
}

// cut shortens what a program, not a person, wrote: s without control characters,
// at most n bytes.
func cut(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > n {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
