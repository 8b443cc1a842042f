// Package s3 keeps blobs as objects of a bucket. Several processes may use one
// place at a time. It does not make the bucket, and keeps no copies: what a bucket
// loses is lost.
package s3

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/durable"
)

// Options of a Store.
type Options struct {
	AccessKey, SecretKey string
	// Spool is the folder of what is on its way to the bucket, which is made; "":
	// that of temporary files.
	Spool string
	// Grace is how old a blob must be for Delete to remove it at once. In a
	// younger one somebody's row may be on its way on another node; it stays until
	// a Sweep finds that nobody wants it.
	Grace time.Duration
	// Patience is for how long what fails is tried again; default 15s.
	Patience time.Duration
}

// A Store is a blob.Store in a bucket. Errors that are not the caller's match
// blob.ErrAway.
type Store struct {
	at     Target
	opt    Options
	client *minio.Core
	idle   func() // closes connections that nobody uses
}

var _ blob.Store = (*Store)(nil)

// Open prepares a store. It asks the bucket nothing.
func Open(at Target, opt Options) (*Store, error) {
	if opt.Patience == 0 {
		opt.Patience = 15 * time.Second
	}
	if opt.Spool != "" {
		if err := durable.MkdirAll(opt.Spool, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of blobs on their way: %w", err)
		}
	}
	transport := newTransport()
	client, err := minio.NewCore(at.Endpoint, &minio.Options{
		Creds:      credentials.NewStaticV4(opt.AccessKey, opt.SecretKey, ""),
		Secure:     !at.Plain,
		Region:     at.Region,
		Transport:  watch{transport},
		MaxRetries: 1, // what may be tried again is known here
	})
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s: %w", at.Bucket, err)
	}
	return &Store{at: at, opt: opt, client: client, idle: transport.CloseIdleConnections}, nil
}

// Close lets connections go.
func (s *Store) Close() error {
	s.idle()
	return nil
}

func (s *Store) key(id blob.ID) string { return s.at.Prefix + id.String() }

// Put implements blob.Store. The bytes go through a file without a name, because
// the key of the object is their hash.
func (s *Store) Put(ctx context.Context, r io.Reader, limit int64) (blob.ID, int64, error) {
	f, err := os.CreateTemp(s.opt.Spool, "put-*")
	if err != nil {
		return blob.ID{}, 0, fmt.Errorf("store blob: %w", err)
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return blob.ID{}, 0, fmt.Errorf("store blob: %w", err)
	}
	h := sha256.New()
	size, err := blob.Copy(ctx, io.MultiWriter(f, h), r, limit)
	if err != nil {
		return blob.ID{}, 0, err
	}
	id := blob.ID(h.Sum(nil))
	if err := s.store(ctx, f, id, size); err != nil {
		return blob.ID{}, 0, err
	}
	return id, size, nil
}

// store makes an object of what is in f, or makes the one young that is there. It
// begins anew where somebody removes or stores it meanwhile.
func (s *Store) store(ctx context.Context, f io.ReaderAt, id blob.ID, size int64) error {
	fresh := true // it may not exist
	for range 5 {
		exists := false
		if fresh && size > askFirst {
			_, err := s.stat(ctx, s.key(id))
			if exists = err == nil; err != nil && !errors.Is(err, blob.ErrNotFound) {
				return err
			}
		}
		if !exists {
			err := s.send(ctx, f, id, size, fresh)
			if err == nil && fresh || err != nil && !errors.Is(err, errThere) {
				return err
			}
		}
		found, err := s.renew(ctx, id)
		if err != nil || found == size {
			return err
		}
		fresh = found < 0 // with another length somebody damaged it: replace it
	}
	return fmt.Errorf("store blob: %w: it comes and goes", blob.ErrAway)
}

// stat asks what is known of an object: blob.ErrNotFound where there is none.
func (s *Store) stat(ctx context.Context, key string) (info minio.ObjectInfo, err error) {
	err = s.try(ctx, "look at blob", answerTime, func(ctx context.Context) error {
		info, err = s.client.StatObject(ctx, s.at.Bucket, key, minio.StatObjectOptions{})
		return err
	})
	return info, err
}

// renew makes an object young, by copying it onto itself, and returns its length,
// -1 where it is gone. It waits for who is removing it.
func (s *Store) renew(ctx context.Context, id blob.ID) (size int64, err error) {
	var copied minio.ObjectInfo
	err = s.try(ctx, "renew blob", answerTime, func(ctx context.Context) error {
		copied, err = s.client.CopyObject(ctx, s.at.Bucket, s.key(id), s.at.Bucket, s.key(id),
			map[string]string{"x-amz-metadata-directive": "REPLACE"}, minio.CopySrcOptions{}, minio.PutObjectOptions{})
		return err
	})
	if err == nil {
		err = s.awaitRemoval(ctx, id, copied.LastModified)
	}
	var info minio.ObjectInfo
	if err == nil {
		info, err = s.stat(ctx, s.key(id))
	}
	if errors.Is(err, blob.ErrNotFound) {
		return -1, nil
	}
	return info.Size, err
}

// Open implements blob.Store. A blob that is not long stays readable after a
// Delete, of a longer one what was read. Reads end with ctx.
func (s *Store) Open(ctx context.Context, id blob.ID) (blob.File, error) {
	f := &file{store: s, ctx: ctx, id: id}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

// Check stores, reads and removes an object, as whoever set the bucket up wants to
// know that it works.
func (s *Store) Check(ctx context.Context) error {
	key := s.at.Prefix + "check-" + fmt.Sprint(time.Now().UnixNano())
	const text = "portico checks that it may write, read and delete here"
	if err := s.putText(ctx, key, text, minio.PutObjectOptions{}); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := s.try(ctx, "read object", answerTime, func(ctx context.Context) error {
		body, _, _, err := s.client.GetObject(ctx, s.at.Bucket, key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer body.Close()
		got, err := io.ReadAll(io.LimitReader(body, 1000))
		if err == nil && string(got) != text {
			return errWrongBytes
		}
		return err
	}); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := s.drop(ctx, key); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := s.try(ctx, "list objects", answerTime, func(ctx context.Context) error {
		for o := range s.client.ListObjectsIter(ctx, s.at.Bucket, minio.ListObjectsOptions{Prefix: s.at.Prefix, MaxKeys: 1}) {
			return o.Err
		}
		return nil
	}); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	t.DisableCompression = true
	return t
}
