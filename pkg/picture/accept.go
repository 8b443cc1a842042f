package picture

import (
	"strconv"
	"strings"
)

// Accepts reports whether Accept headers name a media type (RFC 9110, section 12.5.1).
// Wildcards do not count: who sends */* may read JPEG only.
func Accepts(headers []string, mediaType string) bool {
	for _, header := range headers {
		for item := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return weight(params) > 0
			}
		}
	}
	return false
}

// weight is what parameters say, 1 where they say nothing of it and 0 where it
// cannot be read.
func weight(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}
