package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/porticod/portico/pkg/blob"
)

// How a blob is removed while other nodes may put it. A bucket has no lock, so who
// removes says so first, by an object that only one can make:
//
//	make going/ID, unless it exists    look: is ID still old?    delete ID    delete going/ID
//
// and who renews a blob looks for that object afterwards:
//
//	copy ID onto itself    wait while going/ID exists    look: is ID there?    if not, store it
//
// Either the look sees the copy and spares it, or the copy is followed by the wait,
// and by a look that sees what became of it. Who stores a blob that is not there
// comes after the delete. A remover that died leaves its object; it counts for
// removalLife, which is longer than a remover takes or gives up after.
const (
	goingName   = "going/"
	removalTime = 2 * answerTime // from the first step to the request of the third
	removalLife = 2 * time.Minute
)

// Delete implements blob.Store. It leaves a blob that is younger than the grace to
// Sweep.
func (s *Store) Delete(ctx context.Context, id blob.ID) error {
	before := time.Time{}
	if s.opt.Grace > 0 {
		before = time.Now().Add(-s.opt.Grace)
	}
	_, err := s.remove(ctx, id, before)
	return err
}

// remove deletes a blob that was last put before a time, or ever where that is
// zero, unless somebody else does.
func (s *Store) remove(ctx context.Context, id blob.ID, before time.Time) (gone bool, err error) {
	began, mark := time.Now(), s.at.Prefix+goingName+id.String()
	var opt minio.PutObjectOptions
	opt.SetMatchETagExcept("*")
	if err := s.putText(ctx, mark, "", opt); errors.Is(err, errThere) {
		return false, s.dropStale(ctx, mark)
	} else if err != nil {
		return false, err
	}
	defer func() {
		if derr := s.drop(context.WithoutCancel(ctx), mark); derr != nil {
			err = errors.Join(err, derr)
		}
	}()
	info, err := s.stat(ctx, s.key(id))
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case !before.IsZero() && info.LastModified.Add(time.Second).After(before): // it is cut off to whole seconds
		return false, nil
	case time.Since(began) > removalTime:
		return false, fmt.Errorf("delete blob: %w: the bucket is slow", blob.ErrAway)
	}
	if err := s.drop(ctx, s.key(id)); err != nil {
		return false, err
	}
	return true, nil
}

// dropStale takes away the mark of a remover that died. The next one begins anew.
func (s *Store) dropStale(ctx context.Context, mark string) error {
	info, err := s.stat(ctx, mark)
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	if err != nil || time.Since(info.LastModified) < removalLife {
		return err
	}
	return s.drop(ctx, mark)
}

// awaitRemoval waits until nobody is removing a blob that was renewed at a time of
// the server's clock.
func (s *Store) awaitRemoval(ctx context.Context, id blob.ID, renewed time.Time) error {
	for end := time.Now().Add(s.opt.Patience); ; {
		info, err := s.stat(ctx, s.at.Prefix+goingName+id.String())
		switch {
		case errors.Is(err, blob.ErrNotFound):
			return nil
		case err != nil:
			return err
		case renewed.Sub(info.LastModified) > removalLife:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("store blob: %w: it is being deleted", blob.ErrAway)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(firstPause):
		}
	}
}

// Walk implements blob.Store.
func (s *Store) Walk(ctx context.Context, fn func(blob.Info) error) error {
	return s.list(ctx, func(o minio.ObjectInfo) error {
		id, err := blob.ParseID(o.Key[len(s.at.Prefix):])
		if err != nil {
			return nil // a stranger
		}
		return fn(blob.Info{ID: id, Size: o.Size, Time: o.LastModified})
	})
}

// list calls fn for all objects, in their order. Where the list breaks off it goes
// on after the last one.
func (s *Store) list(ctx context.Context, fn func(minio.ObjectInfo) error) error {
	var last string
	var stopped error // by fn
	err := s.try(ctx, "list blobs", forGood, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range s.client.ListObjectsIter(ctx, s.at.Bucket, minio.ListObjectsOptions{Prefix: s.at.Prefix, Recursive: true, StartAfter: last}) {
			if o.Err != nil {
				return o.Err
			}
			if stopped = fn(o); stopped != nil {
				return nil
			}
			last = o.Key
		}
		return ctx.Err()
	})
	return errors.Join(stopped, err)
}

// Sweep implements blob.Store. It also takes away what uploads in parts have left
// that were broken off.
func (s *Store) Sweep(ctx context.Context, before time.Time, keep func(blob.ID) (bool, error)) (swept blob.Swept, err error) {
	err = s.Walk(ctx, func(i blob.Info) error {
		if !i.Time.Before(before) {
			return nil
		}
		if ok, err := keep(i.ID); err != nil || ok {
			return err
		}
		gone, err := s.remove(ctx, i.ID, before)
		if gone {
			swept.Blobs++
			swept.Bytes += i.Size
		}
		return err
	})
	if err != nil {
		return swept, err
	}
	return swept, s.sweepParts(ctx, before)
}

func (s *Store) sweepParts(ctx context.Context, before time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the list
	for u := range s.client.ListIncompleteUploads(ctx, s.at.Bucket, s.at.Prefix, true) {
		switch {
		case isGone(u.Err), minio.ToErrorResponse(u.Err).Code == "NotImplemented":
			return nil // there are none, or cannot be any
		case u.Err != nil:
			return s.explain("sweep uploads", u.Err)
		}
		if u.Initiated.After(before) {
			continue
		}
		if err := s.client.AbortMultipartUpload(ctx, s.at.Bucket, u.Key, u.UploadID); err != nil && !isGone(err) {
			return s.explain("sweep uploads", err)
		}
	}
	return ctx.Err()
}
