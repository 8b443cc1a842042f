package chat

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/chat/store"
)

// Code names an error for programs. The set is the protocol's.
type Code string

// The codes of errors, the same over HTTP and WebSocket.
const (
	CodeBadRequest   Code = "bad_request"
	CodeUnauthorized Code = "unauthorized"
	CodeForbidden    Code = "forbidden"
	CodeBlocked      Code = "blocked"
	CodeNotFound     Code = "not_found"
	CodeConflict     Code = "conflict"
	CodeTooLarge     Code = "too_large"
	CodeRateLimited  Code = "rate_limited"
	CodeUnavailable  Code = "unavailable"
	CodeNoSpace      Code = "no_space"
	CodeInternal     Code = "internal"
)

// An Error is what a client is told: a code for the program, a message for the
// person. It never carries the cause, which goes to the log.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // 0: not given
	Status     int           // HTTP status where it is not the code's own
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// MarshalJSON writes the wire form.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
		Retry   int64  `json:"retry_after_ms,omitempty"`
	}{e.Code, e.Message, e.RetryAfter.Milliseconds()})
}

func (e *Error) status() int {
	if e.Status != 0 {
		return e.Status
	}
	switch e.Code {
	case CodeBadRequest:
		return http.StatusBadRequest
	case CodeUnauthorized:
		return http.StatusUnauthorized
	case CodeForbidden, CodeBlocked:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeConflict:
		return http.StatusConflict
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeRateLimited:
		return http.StatusTooManyRequests
	case CodeUnavailable:
		return http.StatusServiceUnavailable
	case CodeNoSpace:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

// retrySeconds is the Retry-After header: whole seconds, at least one.
func (e *Error) retrySeconds() string {
	return strconv.FormatInt(max(1, int64(math.Ceil(e.RetryAfter.Seconds()))), 10)
}

func badRequest(msg string) *Error { return &Error{Code: CodeBadRequest, Message: msg} }
func notFound(msg string) *Error   { return &Error{Code: CodeNotFound, Message: msg} }

var (
	errToken       = &Error{Code: CodeUnauthorized, Message: "sign in first: the token is missing or not valid"}
	errConv        = notFound("there is no such conversation")
	errConnections = &Error{Code: CodeRateLimited, RetryAfter: 30 * time.Second,
		Message: "too many connections of this account are open"}
	errUnavailable = &Error{Code: CodeUnavailable, RetryAfter: time.Second,
		Message: "not stored, or not known whether: send the same again, with the same cid"}
	errAway = &Error{Code: CodeUnavailable, RetryAfter: time.Second,
		Message: "this cannot be done now; try again in a moment"}
)

// storeErrors are those of the store that are the client's affair.
var storeErrors = []struct {
	err error
	pub *Error
}{
	{store.ErrNotFound, errConv},
	{store.ErrMessage, notFound("there is no such message")},
	{store.ErrMember, notFound("this person is not in the group")},
	{store.ErrBlob, notFound("there is no such attachment")},
	{store.ErrInvite, notFound("this invite link is not valid any more")},
	{store.ErrCursor, badRequest("after must be the next of the page before")},
	{store.ErrForbidden, &Error{Code: CodeForbidden, Message: "you may not do that here"}},
	{store.ErrLeft, &Error{Code: CodeForbidden, Message: "you are not in this group any more"}},
	{store.ErrBlocked, &Error{Code: CodeBlocked, Message: "one of you two has blocked the other"}},
	{store.ErrGroupOnly, badRequest("only groups have this")},
	{store.ErrCrowded, &Error{Code: CodeConflict, Message: "the group would have too many members"}},
	{store.ErrQuota, &Error{Code: CodeNoSpace, Message: "your attachments take all the room that you have; delete some"}},
	{store.ErrEmpty, badRequest("text is empty")},
	{store.ErrReplyTo, badRequest("reply_to names no message of this conversation")},
	{store.ErrConflict, &Error{Code: CodeConflict, Message: "this cid was used for another body"}},
}

// publicError turns any error into what the client may see; known is false for
// those that the log should hear of.
func publicError(err error) (pub *Error, known bool) {
	if errors.As(err, &pub) {
		return pub, true
	}
	for _, known := range storeErrors {
		if errors.Is(err, known.err) {
			return known.pub, true
		}
	}
	var invalid *account.Invalid
	var limited *store.Limited
	switch {
	case errors.As(err, &invalid):
		return badRequest(invalid.Error()), true
	case errors.As(err, &limited):
		return &Error{Code: CodeRateLimited, Message: "too many messages at once; wait a moment", RetryAfter: limited.After}, true
	case errors.Is(err, store.ErrFull), errors.Is(err, sqldb.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &Error{Code: CodeNoSpace, Message: "there is no room left here to store anything"}, false
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, blob.ErrAway), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO):
		return errUnavailable, false
	case sqldb.Temporary(err), errors.Is(err, account.ErrNotOpen): // those of the accounts
		return errAway, false
	case errors.Is(err, blob.ErrTooLarge):
		return &Error{Code: CodeTooLarge, Message: "the attachment is too large"}, true
	case errors.Is(err, blob.ErrNotFound):
		return notFound("there is no such attachment"), false
	case errors.Is(err, account.ErrTooManyBlocks):
		return &Error{Code: CodeConflict, Message: accountText(err)}, true
	case errors.Is(err, account.ErrToken), errors.Is(err, account.ErrCredentials):
		return &Error{Code: CodeUnauthorized, Message: accountText(err)}, true
	case errors.Is(err, account.ErrClosed), errors.Is(err, account.ErrInvite), errors.Is(err, account.ErrSuspended):
		return &Error{Code: CodeForbidden, Message: accountText(err)}, true
	case errors.Is(err, account.ErrTaken):
		return &Error{Code: CodeConflict, Message: accountText(err)}, true
	case errors.Is(err, account.ErrNotFound):
		return notFound(accountText(err)), true
	case errors.Is(err, account.ErrTooManyTries):
		return &Error{Code: CodeRateLimited, Message: accountText(err), RetryAfter: account.RetryAfter(err)}, true
	case errors.Is(err, account.ErrBusy):
		return &Error{Code: CodeUnavailable, Message: accountText(err), RetryAfter: max(time.Second, account.RetryAfter(err))}, true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errUnavailable, false
	}
	return &Error{Code: CodeInternal, Message: "something went wrong here; it was logged"}, false
}

// accountText is the sentinel's own text, without what it was wrapped in.
func accountText(err error) string {
	for _, s := range []error{
		account.ErrTaken, account.ErrClosed, account.ErrInvite, account.ErrCredentials,
		account.ErrToken, account.ErrNotFound, account.ErrTooManyBlocks, account.ErrSuspended, account.ErrTooManyTries, account.ErrBusy,
	} {
		if errors.Is(err, s) {
			return s.Error()
		}
	}
	return err.Error()
}
