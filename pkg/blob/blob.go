// Package blob keeps files under the SHA-256 of their content: the same bytes
// are stored once, what was stored never changes, and what Put acknowledged
// survives a power loss. It does not know who refers to a blob: its owner says
// so when it sweeps.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// An ID is the SHA-256 of a blob's bytes.
type ID [sha256.Size]byte

// String returns the ID as 64 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String wrote, and nothing else.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("blob id has %d characters, not %d", len(s), 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("blob id: %w", err)
	}
	if id.String() != s {
		return ID{}, errors.New("blob id: capital letters")
	}
	return id, nil
}

var (
	// ErrNotFound: there is no blob with this ID.
	ErrNotFound = errors.New("blob not found")
	// ErrTooLarge: the reader had more bytes than the limit.
	ErrTooLarge = errors.New("blob is too large")
	// ErrAway: the store cannot do it just now, or at all until somebody mends it.
	// Nothing is acknowledged.
	ErrAway = errors.New("the store of files does not work just now")
)

// A Store keeps blobs. All methods may be called from many goroutines.
type Store interface {
	// Put stores all that r has, at most limit bytes, and returns when it is
	// durable. Where the bytes are there already it only makes them young
	// again, for Sweep. After an error nothing is left behind: ErrTooLarge, an
	// error of r as it is, ctx's, or one of the store. It does not close r.
	Put(ctx context.Context, r io.Reader, limit int64) (id ID, size int64, err error)

	// Open returns the blob from its beginning, or ErrNotFound. The caller
	// closes it. A short one stays readable after a Delete; of one beyond 64 KiB
	// reads may fail then, and when ctx has ended.
	Open(ctx context.Context, id ID) (File, error)

	// Delete removes a blob. It is no error if there is none. Where other processes
	// put blobs in the store, one that was put lately stays: somebody may be about
	// to refer to it. A Sweep takes it later.
	Delete(ctx context.Context, id ID) error

	// Walk calls fn for every blob, in no order; blobs that come or go
	// meanwhile may be seen or not. An error of fn ends it and is returned.
	Walk(ctx context.Context, fn func(Info) error) error

	// Sweep removes the blobs that were last put before the given time and
	// that keep does not want. The grace between Put and the owner's own
	// record of it is what before is for: one hour ago, say. A blob that is put
	// again while Sweep looks at it stays.
	Sweep(ctx context.Context, before time.Time, keep func(ID) (bool, error)) (Swept, error)
}

// A File is an open blob. That of a Dir is an *os.File, so that net/http can use
// sendfile.
type File interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// Info describes a stored blob.
type Info struct {
	ID   ID
	Size int64     // bytes
	Time time.Time // when it was last put
}

// Swept is what a Sweep removed.
type Swept struct {
	Blobs int
	Bytes int64
}
