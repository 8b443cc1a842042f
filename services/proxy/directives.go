package proxy

import (
	"strconv"
	"strings"
	"time"
)

// never is a time that a directive did not give.
const never = time.Duration(-1)

// directives are what a Cache-Control header says to a shared cache: RFC 9111,
// section 5.2, and RFC 5861.
type directives struct {
	noStore, noCache, private, public, mustRevalidate, onlyIfCached bool

	maxAge, sMaxAge, minFresh, maxStale, whileRevalidate, ifError time.Duration
}

// parseDirectives reads the values of a Cache-Control header, joined by commas.
// Where it is in doubt it takes what keeps less: the shortest of several times, 0
// for what is no time, and no-cache and private as a whole where they name headers.
func parseDirectives(s string) directives {
	d := directives{maxAge: never, sMaxAge: never, minFresh: never, maxStale: never, whileRevalidate: never, ifError: never}
	for s != "" {
		var name, value string
		name, value, s = nextDirective(s)
		switch name {
		case "no-store":
			d.noStore = true
		case "no-cache":
			d.noCache = true
		case "private":
			d.private = true
		case "public":
			d.public = true
		case "must-revalidate", "proxy-revalidate":
			d.mustRevalidate = true
		case "only-if-cached":
			d.onlyIfCached = true
		case "max-age":
			shortest(&d.maxAge, value)
		case "s-maxage":
			shortest(&d.sMaxAge, value)
		case "min-fresh":
			shortest(&d.minFresh, value)
		case "max-stale":
			if value == "" {
				value = strconv.Itoa(maxSeconds) // any
			}
			shortest(&d.maxStale, value)
		case "stale-while-revalidate":
			shortest(&d.whileRevalidate, value)
		case "stale-if-error":
			shortest(&d.ifError, value)
		}
	}
	return d
}

// nextDirective cuts the first directive off: a token, perhaps with a token or a
// quoted string as its value. Its name is in lower case.
func nextDirective(s string) (name, value, rest string) {
	end := strings.IndexAny(s, ",=")
	if end < 0 {
		return strings.ToLower(strings.Trim(s, " \t")), "", ""
	}
	name, rest = strings.ToLower(strings.Trim(s[:end], " \t")), strings.TrimLeft(s[end+1:], " \t")
	if s[end] == ',' {
		return name, "", rest
	}
	if !strings.HasPrefix(rest, `"`) {
		value, rest, _ = strings.Cut(rest, ",")
		return name, strings.TrimRight(value, " \t"), rest
	}
	i := 1
	for i < len(rest) && rest[i] != '"' {
		if rest[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(rest))
	value = rest[1:i]
	_, rest, _ = strings.Cut(rest[i:], ",")
	return name, value, rest
}

const maxSeconds = 1 << 31 // RFC 9111, section 1.2.2

func shortest(d *time.Duration, value string) {
	n := parseSeconds(value)
	if *d == never || n < *d {
		*d = n
	}
}

// parseSeconds is 0 for what is no number of seconds.
func parseSeconds(s string) time.Duration {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = min(n*10+int(s[i]-'0'), maxSeconds)
	}
	return time.Duration(n) * time.Second
}
