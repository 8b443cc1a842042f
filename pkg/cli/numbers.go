package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/porticod/portico/pkg/admin/watch"
)

// unknown stands for a number that there is not.
const unknown = "-"

// amount is a number with the digits that matter.
func amount(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.0fk", n/1e3)
	case n >= 10 || n == float64(int64(n)):
		return strconv.FormatFloat(n, 'f', 0, 64)
	case n >= 1:
		return strconv.FormatFloat(n, 'f', 1, 64)
	case n >= .01:
		return strconv.FormatFloat(n, 'f', 2, 64)
	}
	return "<.01"
}

// lasting is a short time in seconds; 0 is not known.
func lasting(s float64) string {
	switch {
	case s <= 0:
		return unknown
	case s < .001:
		return fmt.Sprintf("%.0fus", s*1e6)
	case s < .01:
		return fmt.Sprintf("%.1fms", s*1e3)
	case s < 1:
		return fmt.Sprintf("%.0fms", s*1e3)
	case s < 10:
		return fmt.Sprintf("%.1fs", s)
	}
	return fmt.Sprintf("%.0fs", s)
}

// quantity is one of a kind's own numbers.
func quantity(n watch.Number) string {
	switch n.Unit {
	case watch.UnitBytes:
		return size(int64(n.Value))
	case watch.UnitBytesPerSecond:
		return size(int64(n.Value)) + "/s"
	case watch.UnitSeconds:
		return lasting(n.Value)
	case watch.UnitShare:
		return fmt.Sprintf("%.0f%%", n.Value*100)
	case watch.UnitPerSecond:
		s := amount(n.Value) + "/s"
		if n.P50 > 0 {
			s += " p50 " + lasting(n.P50) + " p99 " + lasting(n.P99)
		}
		return s
	}
	return amount(n.Value)
}

// printable takes out of a text what a terminal would obey, be it only to write
// from right to left.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
