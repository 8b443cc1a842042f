package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/porticod/portico/pkg/blob"
)

const (
	answerTime = 10 * time.Second // for an answer to begin, and for each piece of it
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
	maxTries   = 6

	forGood = 365 * 24 * time.Hour // for what has deadlines of its own
)

var (
	errThere      = errors.New("the object exists")
	errWrongBytes = errors.New("the bucket gave other bytes than were stored")
	errStalled    = errors.New("the bucket stopped amid its answer")
)

// try does something that may be done again, until it works, cannot work, or
// patience ends. Each time it has so long.
func (s *Store) try(ctx context.Context, action string, long time.Duration, do func(context.Context) error) error {
	end := time.Now().Add(s.opt.Patience)
	for n := 1; ; n++ {
		once, cancel := context.WithTimeout(ctx, long)
		err := do(once)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", action, ctx.Err())
		}
		pause := min(firstPause<<n, maxPause)
		pause = pause/2 + rand.N(pause/2)
		if !passes(err) || n == maxTries || time.Now().Add(pause).After(end) {
			return s.explain(action, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", action, ctx.Err())
		}
	}
}

// passes says of an error that the same request may work a little later.
func passes(err error) bool {
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return !errors.Is(err, errThere) && !errors.Is(err, blob.ErrNotFound) // the network, or what it made of the bytes
	}
	switch answer.Code {
	case "XAmzContentSHA256Mismatch", "BadDigest", "RequestTimeout", "SlowDown", "ConditionalRequestConflict", "OperationAborted":
		return true
	}
	return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout
}

// explain is what callers get of an error.
func (s *Store) explain(action string, err error) error {
	var answer minio.ErrorResponse
	is := errors.As(err, &answer)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errThere), is && answer.StatusCode == http.StatusPreconditionFailed:
		return errThere
	case errors.Is(err, blob.ErrNotFound), is && (answer.Code == "NoSuchKey" || answer.StatusCode == http.StatusNotFound && answer.Code != "NoSuchBucket" && !isGone(err)):
		return fmt.Errorf("%s: %w", action, blob.ErrNotFound)
	case is:
		return fmt.Errorf("%s: %w: the bucket %s says %d %s: %s", action, blob.ErrAway, s.at.Bucket, answer.StatusCode, answer.Code, answer.Message)
	}
	return fmt.Errorf("%s: %w: %v", action, blob.ErrAway, err) // its deadlines are not the caller's
}

// A watch ends requests whose answer does not begin or go on.
type watch struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper. Until the answer begins it is the
// context's deadline that counts.
func (w watch) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	resp, err := w.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	timer := time.AfterFunc(answerTime, func() { cancel(errStalled) })
	timer.Stop()
	resp.Body = &watched{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, timer: timer}
	return resp, nil
}

type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(answerTime)
	n, err := w.ReadCloser.Read(p)
	w.timer.Stop()
	if err != nil && errors.Is(context.Cause(w.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	err := w.ReadCloser.Close()
	w.cancel(nil)
	return err
}
