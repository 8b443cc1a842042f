package chat

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/services/chat/store"
)

// diskState is whether attachments could be stored lately.
type diskState struct {
	mu     sync.Mutex
	failed error     // guarded by mu; nil: they could
	tried  time.Time // guarded by mu; when that was found out last
}

const (
	probeEvery = time.Second // at least, between two tries of a disk that failed
	probeBytes = 4 << 10
)

// note keeps what an upload tells about the disk.
func (d *diskState) note(err error) {
	if err != nil && !isDiskError(err) {
		return // it tells nothing
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed, d.tried = err, time.Now()
}

func isDiskError(err error) bool {
	for _, known := range []error{blob.ErrAway, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// checkAttachments reports why attachments cannot be stored at present. A disk
// that failed is tried again by storing something small: an upload that was too
// large for what room there is does not make the service one that fails.
func (c *Chat) checkAttachments(ctx context.Context) error {
	d := &c.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil && time.Since(d.tried) > probeEvery {
		d.failed, d.tried = c.probeBlobs(ctx), time.Now()
	}
	return d.failed
}

func (c *Chat) probeBlobs(ctx context.Context) error {
	content := make([]byte, probeBytes)
	_, _ = rand.Read(content) // it never fails; nobody has these bytes
	id, _, err := c.blobs.Put(ctx, bytes.NewReader(content), probeBytes)
	if err != nil {
		return err
	}
	return c.blobs.Delete(ctx, id)
}

// unwanted removes the bytes of an upload that was refused after it was stored,
// unless somebody else sent the same. Where nobody knows what became of the
// record the sweep will find out.
func (c *Chat) unwanted(ctx context.Context, hash string, refusal error) {
	if hash == "" || !errors.Is(refusal, store.ErrQuota) && !errors.Is(refusal, store.ErrFull) {
		return
	}
	if err := c.drop(context.WithoutCancel(ctx), hash); err != nil {
		c.trouble(ctx, "remove a refused attachment", err)
	}
}
