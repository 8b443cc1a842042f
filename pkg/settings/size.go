package settings

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written "20MiB", "64KiB", "1.5GB" or as a plain number.
type Size int64

// sizeUnits in the order in which String tries them.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
		{"B", 1},
	}
}

type sizeUnit struct {
	name  string
	bytes int64
}

// String writes the size so that ParseSize gives it back, in the largest unit
// that needs no fraction.
func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	for _, u := range sizeUnits() {
		if int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

var errSize = errors.New(`write a number and a unit, like "20MiB" (1024) or "20MB" (1000)`)

// ParseSize reads a size: a decimal number that may have a fraction, and a unit
// in any case; without one, bytes. KiB, MiB, GiB and TiB are powers of 1024,
// KB, MB, GB and TB powers of 1000. A part of a byte is dropped.
func ParseSize(s string) (Size, error) {
	if len(s) > 64 {
		return 0, errSize
	}
	end := strings.LastIndexAny(s, "0123456789") + 1
	digits, unit := s[:end], strings.TrimSpace(s[end:])
	if !isDecimal(digits) {
		return 0, errSize
	}
	factor := int64(1)
	if unit != "" {
		if factor = unitBytes(unit); factor == 0 {
			return 0, errSize
		}
	}
	n, ok := new(big.Rat).SetString(digits)
	if !ok {
		return 0, errSize
	}
	n.Mul(n, new(big.Rat).SetInt64(factor))
	whole := new(big.Int).Quo(n.Num(), n.Denom())
	if !whole.IsInt64() {
		return 0, errors.New("this is more than 8 EiB")
	}
	return Size(whole.Int64()), nil
}

func unitBytes(unit string) int64 {
	for _, u := range sizeUnits() {
		if strings.EqualFold(u.name, unit) {
			return u.bytes
		}
	}
	return 0
}

// isDecimal reports whether s is digits with at most one point between them:
// what big.Rat takes without its exponents, fractions and other bases.
func isDecimal(s string) bool {
	whole, frac, point := strings.Cut(s, ".")
	return allDigits(whole) && (!point || allDigits(frac))
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Duration reads a duration: "5s", "2m30s", "24h", or "0". It is never negative.
func Duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && strings.HasSuffix(s, "d") && allDigits(strings.TrimSuffix(s, "d")) && len(s) < 6:
		days, _ := strconv.Atoi(strings.TrimSuffix(s, "d"))
		return 0, fmt.Errorf("there is no unit for days; write \"%dh\"", days*24)
	case err != nil && allDigits(s):
		return 0, fmt.Errorf("the unit is missing; write %q for seconds", s+"s")
	case err != nil:
		return 0, errors.New(`write a number and a unit, like "500ms", "5s", "2m30s" or "24h"`)
	case d < 0:
		return 0, errors.New("a duration cannot be negative")
	}
	return d, nil
}
