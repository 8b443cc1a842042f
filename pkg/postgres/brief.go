package postgres

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// A connectError is one of the library's in one line: what each server said, once,
// and not who we are.
type connectError struct {
	err  *pgconn.ConnectError
	text string
}

func (e *connectError) Error() string { return e.text }
func (e *connectError) Unwrap() error { return e.err }

// noise is what the library says of a server beside its address and what was wrong.
var noise = regexp.MustCompile(` \([^()]*\):|dial error: dial \w+ \S+: (connect: )?|hostname resolving error: |(server error|failed SASL auth|failed to receive message): (FATAL: )?| \(SQLSTATE \w+\)`)

// inBrief makes an error of connecting short. Others stay as they are.
func inBrief(err error) error {
	var ce *pgconn.ConnectError
	if short := (*connectError)(nil); !errors.As(err, &ce) || errors.As(err, &short) {
		return err
	}
	_, details, _ := strings.Cut(ce.Error(), "`:")
	var all []string
	for line := range strings.SplitSeq(strings.TrimSpace(details), "\n") {
		line = noise.ReplaceAllStringFunc(strings.TrimSpace(line), func(s string) string {
			if strings.HasSuffix(s, "):") {
				return ":"
			}
			return ""
		})
		if !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	if len(all) > 1 { // it was tried without, too
		all = slices.DeleteFunc(all, func(line string) bool { return strings.HasSuffix(line, "server refused TLS connection") })
	}
	return &connectError{ce, strings.Join(all, "; ")}
}
