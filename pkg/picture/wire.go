package picture

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/porticod/portico/pkg/picture/sandbox"
)

// What daemon and worker say to each other over two pipes: a header in JSON, its
// length before it in four bytes, and behind it as many bytes as it says. The
// worker is believed nothing: it decodes what strangers sent.

// maxHeader bounds a header in bytes.
const maxHeader = 256 << 10

// A request is the first thing on the way to a worker (settings), and each
// picture (the rest), whose bytes follow.
type request struct {
	Settings *sandbox.Limits `json:",omitempty"`

	Specs    []Spec `json:",omitempty"`
	Blurhash bool   `json:",omitempty"`
	Size     int64  `json:",omitempty"`
}

// An answer is one of: the walls that stand (to the settings), a variant, whose
// bytes follow, or the end of a picture.
type answer struct {
	Report *sandbox.Report `json:",omitempty"`

	Made          bool `json:",omitempty"` // variant Index of the request
	Index         int
	Format        Format
	Width, Height int
	Size          int64

	Blurhash string
	Kind     string // of the error; "" where there is none
	Error    string
	Memory   int64 // bytes that the worker has from the kernel
}

// kinds are the errors that have a meaning across the pipe.
var kinds = [...]struct {
	name string
	err  error
}{
	{"format", ErrFormat},
	{"broken", ErrBroken},
	{"large", ErrTooLarge},
	{"encoder", ErrEncoder},
}

// fail puts an error into an answer.
func (a *answer) fail(err error) {
	a.Kind, a.Error = "other", err.Error()
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			a.Kind = k.name
		}
	}
}

// A remoteError is an error of a worker, as it said it.
type remoteError struct {
	text string
	is   error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

// failure is the error that an answer carries.
func (a *answer) failure() error {
	if a.Kind == "" {
		return nil
	}
	e := &remoteError{text: a.Error[:min(len(a.Error), 2000)]}
	for _, k := range kinds {
		if k.name == a.Kind {
			e.is = k.err
		}
	}
	return e
}

// send writes a header.
func send(w io.Writer, header any) error {
	b, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("encode header: %w", err)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// receive reads a header.
func receive(r io.Reader, header any) error {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(n[:])
	if size > maxHeader {
		return fmt.Errorf("a header of %d bytes", size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, header); err != nil {
		return fmt.Errorf("decode header: %w", err)
	}
	return nil
}
