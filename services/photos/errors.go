package photos

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/params"
	"github.com/porticod/portico/services/photos/store"
)

// A problem is an error with the answer that it gets. Its text is for people.
type problem struct {
	status int
	body   entity.Error
	retry  time.Duration // Retry-After; 0: none
}

func (p *problem) Error() string { return p.body.Error }

func (p *problem) setRetry(h http.Header) {
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retry.Seconds()))))
	}
}

func fail(status int, format string, args ...any) error {
	return &problem{status: status, body: entity.Error{Error: fmt.Sprintf(format, args...)}}
}

func badRequest(format string, args ...any) error {
	return fail(http.StatusBadRequest, format, args...)
}

// invalid is the answer to values that break a rule.
func invalid(format string, args ...any) error {
	return fail(http.StatusUnprocessableEntity, "Validation failed: "+format, args...)
}

// oauthError is an error in the form of RFC 6749, section 5.2.
func oauthError(status int, code, description string) error {
	return &problem{status: status, body: entity.Error{Error: code, Description: description}}
}

var (
	errNotFound = fail(http.StatusNotFound, "Record not found")
	errToken    = fail(http.StatusUnauthorized, "The access token is invalid")
	errScope    = fail(http.StatusForbidden, "This action is outside the authorized scopes")
	errUploads  = &problem{status: http.StatusServiceUnavailable, body: entity.Error{Error: "Too many uploads at a time; try again"}, retry: retryAfter}
	errUser     = fail(http.StatusUnprocessableEntity, "This method requires an authenticated user")
)

// readErrors are those of package params, with what it says about them.
var readErrors = []struct {
	err    error
	status int
}{
	{params.ErrMalformed, http.StatusBadRequest},
	{params.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{params.ErrType, http.StatusUnsupportedMediaType},
}

// answers are the errors of packages below. People read what they are, not what
// they were wrapped in.
var answers = []struct {
	err    error
	status int
}{
	{picture.ErrFormat, http.StatusUnprocessableEntity},
	{picture.ErrBroken, http.StatusUnprocessableEntity},
	{picture.ErrTooLarge, http.StatusUnprocessableEntity},
	{picture.ErrSlow, http.StatusUnprocessableEntity},
	{picture.ErrBusy, http.StatusServiceUnavailable},
	{account.ErrTooManyTries, http.StatusTooManyRequests},
	{account.ErrBusy, http.StatusServiceUnavailable},
	{account.ErrTooManyApps, http.StatusServiceUnavailable},
	{account.ErrCredentials, http.StatusUnprocessableEntity},
	{account.ErrNotOpen, http.StatusServiceUnavailable},
	{account.ErrSuspended, http.StatusForbidden},
	{sqldb.ErrFull, http.StatusInsufficientStorage},
	{syscall.ENOSPC, http.StatusInsufficientStorage},
	{syscall.EDQUOT, http.StatusInsufficientStorage},
	{blob.ErrAway, http.StatusServiceUnavailable},
	{sqldb.ErrAway, http.StatusServiceUnavailable},
	{sqldb.ErrBusy, http.StatusServiceUnavailable},
	{sqldb.ErrClosed, http.StatusServiceUnavailable},
}

// retryAfter is what a client that is told to come again waits at least.
const retryAfter = 2 * time.Second

// problemOf is the one place that maps errors to answers. What is not meant for
// people becomes a 500 without its text; unexpected is true for those.
func problemOf(err error) (p *problem, unexpected bool) {
	if errors.As(err, &p) {
		return p, false
	}
	answer := func(status int, text string) (*problem, bool) {
		p := &problem{status: status, body: entity.Error{Error: text}}
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			p.retry = max(account.RetryAfter(err), retryAfter)
		}
		return p, false
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, account.ErrNotFound), errors.Is(err, blob.ErrNotFound):
		return errNotFound.(*problem), false
	case errors.Is(err, store.ErrMedia):
		return answer(http.StatusUnprocessableEntity, "Validation failed: media_ids has a picture that is not there, not yours, or in a post already")
	case errors.Is(err, store.ErrParent):
		return answer(http.StatusNotFound, "The post you are trying to reply to does not appear to exist.")
	case errors.Is(err, store.ErrPins):
		return answer(http.StatusUnprocessableEntity, fmt.Sprintf("Validation failed: You have already pinned the maximum number of posts (%d)", store.MaxPins))
	case errors.Is(err, store.ErrTooManyTags):
		return answer(http.StatusUnprocessableEntity, fmt.Sprintf("Validation failed: you follow as many hashtags as you may (%d)", store.MaxTagFollows))
	case errors.Is(err, store.ErrPending):
		return answer(http.StatusUnprocessableEntity, "Cannot attach files that have not finished processing. Try again in a moment!")
	case errors.Is(err, store.ErrItem):
		return answer(http.StatusUnprocessableEntity, "Validation failed: status_ids has a post that is not there or not yours")
	case errors.Is(err, store.ErrTooMany):
		return answer(http.StatusUnprocessableEntity, "Validation failed: you have as many as are allowed; remove some")
	case errors.Is(err, store.ErrQuota):
		return answer(http.StatusUnprocessableEntity, "Validation failed: your pictures would take more room than you have; delete some")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return answer(http.StatusServiceUnavailable, "The request was given up")
	}
	for _, a := range readErrors {
		if errors.Is(err, a.err) {
			return answer(a.status, err.Error())
		}
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return answer(a.status, a.err.Error())
		}
	}
	p, _ = answer(http.StatusInternalServerError, "Something went wrong here; it was logged")
	return p, true
}

// writeProblem answers with err below /api and /oauth.
func (p *Photos) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	pr, unexpected := problemOf(err)
	if unexpected || errors.Is(err, blob.ErrAway) { // people read less than that
		p.log.Error().Err(err).Str("method", r.Method).Str("path", r.URL.Path).Msg("request failed")
	}
	pr.setRetry(w.Header())
	if pr.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="portico"`)
	}
	writeJSON(w, pr.status, pr.body)
}
