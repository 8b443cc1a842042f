package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

// A failure is an answer other than a picture: what the client is told, and the
// cause for the log.
type failure struct {
	status int
	code   string // for programs
	text   string // for people
	cause  error
	retry  time.Duration // Retry-After; 0: none
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.text + ": " + f.cause.Error()
	}
	return f.text
}

func (f *failure) Unwrap() error { return f.cause }

func badRequest(format string, args ...any) error {
	return &failure{status: http.StatusBadRequest, code: "bad_request", text: fmt.Sprintf(format, args...)}
}

func forbidden(text string) error {
	return &failure{status: http.StatusForbidden, code: "bad_signature", text: text}
}

var errNotFound = &failure{status: http.StatusNotFound, code: "not_found", text: "there is no such picture"}

// failureOf is the one place that maps errors to answers.
func failureOf(err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, picture.ErrBusy):
		return &failure{http.StatusServiceUnavailable, "busy", "too many pictures are being made, try again soon", err, picture.RetryAfter}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &failure{http.StatusServiceUnavailable, "stopping", "the work on the picture was given up", err, picture.RetryAfter}
	case errors.Is(err, picture.ErrTooLarge):
		return &failure{status: http.StatusUnprocessableEntity, code: "too_large", text: "the picture is too large to be made smaller", cause: err}
	case errors.Is(err, picture.ErrFormat), errors.Is(err, picture.ErrBroken), errors.Is(err, picture.ErrSlow):
		return &failure{status: http.StatusUnprocessableEntity, code: "unreadable", text: "the picture cannot be decoded", cause: err}
	case errors.Is(err, fs.ErrNotExist), pathError(err):
		return &failure{status: http.StatusNotFound, code: errNotFound.code, text: errNotFound.text, cause: err}
	}
	return &failure{status: http.StatusInternalServerError, code: "internal", text: "the picture cannot be read", cause: err}
}

// pathError: the name leads out of the root, through a file, or in circles.
func pathError(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p) && p.Op != "read" && !errors.Is(err, fs.ErrPermission)
}

// fail answers with err. Answers that are no pictures are never kept.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := failureOf(err)
	if f.status >= 500 && r.Context().Err() == nil {
		s.log.Error().Err(err).Str("path", r.URL.Path).Int("status", f.status).Msg("picture not delivered")
	}
	h := w.Header()
	for _, name := range []string{"ETag", "Last-Modified", "Content-Security-Policy"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.retry+time.Second-1)/time.Second)))
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		var body struct {
			Error struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			} `json:"error"`
		}
		body.Error.Code, body.Error.Message = f.code, f.text
		h.Set("Content-Type", "application/json")
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(body) // the client is gone if this fails
		return
	}
	http.Error(w, f.text, f.status)
}
