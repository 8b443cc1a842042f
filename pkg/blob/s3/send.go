package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/porticod/portico/pkg/blob"
)

const (
	// askFirst is from how many bytes on the bucket is asked whether it has them,
	// before they are sent.
	askFirst = 64 << 10
	// partSize is what is sent in one request.
	partSize = 16 << 20
	// slowest is how many bytes a second a bucket takes at least.
	slowest = 256 << 10
)

// sendTime bounds the sending of so many bytes.
func sendTime(size int64) time.Duration {
	return answerTime + time.Duration(size/slowest)*time.Second
}

// send stores what is in f, durably: the server compares the hash in each request
// with what it got. With fresh it returns errThere where the object exists.
func (s *Store) send(ctx context.Context, f io.ReaderAt, id blob.ID, size int64, fresh bool) error {
	var opt minio.PutObjectOptions
	opt.DisableContentSha256 = true // the library's own; ours is in the request
	if fresh {
		opt.SetMatchETagExcept("*")
	}
	if size > partSize {
		return s.sendParts(ctx, f, id, size, opt)
	}
	return s.try(ctx, "store blob", sendTime(size), func(ctx context.Context) error {
		_, err := s.client.PutObject(ctx, s.at.Bucket, s.key(id), io.NewSectionReader(f, 0, size), size, "", id.String(), opt)
		return err
	})
}

// sendParts sends a long blob in parts, which become an object all at once.
func (s *Store) sendParts(ctx context.Context, f io.ReaderAt, id blob.ID, size int64, opt minio.PutObjectOptions) (err error) {
	var upload string
	if err := s.try(ctx, "store blob", answerTime, func(ctx context.Context) error {
		upload, err = s.client.NewMultipartUpload(ctx, s.at.Bucket, s.key(id), minio.PutObjectOptions{})
		return err
	}); err != nil {
		return err
	}
	defer func() {
		if err != nil { // else it costs until a sweep finds it
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
			defer cancel()
			_ = s.client.AbortMultipartUpload(ctx, s.at.Bucket, s.key(id), upload)
		}
	}()
	var parts []minio.CompletePart
	for off := int64(0); off < size; off += partSize {
		part := io.NewSectionReader(f, off, min(partSize, size-off))
		etag, err := s.sendPart(ctx, part, id, upload, len(parts)+1)
		if err != nil {
			return err
		}
		parts = append(parts, minio.CompletePart{PartNumber: len(parts) + 1, ETag: etag})
	}
	return s.try(ctx, "store blob", sendTime(size), func(ctx context.Context) error {
		_, err := s.client.CompleteMultipartUpload(ctx, s.at.Bucket, s.key(id), upload, parts, opt)
		if isGone(err) {
			return errThere // an answer was lost, or somebody swept it: who looks will see
		}
		return err
	})
}

// isGone says that an upload in parts is over.
func isGone(err error) bool { return minio.ToErrorResponse(err).Code == "NoSuchUpload" }

func (s *Store) sendPart(ctx context.Context, part *io.SectionReader, id blob.ID, upload string, number int) (etag string, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, part); err != nil {
		return "", fmt.Errorf("store blob: %w", err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	err = s.try(ctx, "store blob", sendTime(part.Size()), func(ctx context.Context) error {
		if _, err := part.Seek(0, io.SeekStart); err != nil {
			return err
		}
		done, err := s.client.PutObjectPart(ctx, s.at.Bucket, s.key(id), upload, number, part, part.Size(),
			minio.PutObjectPartOptions{Sha256Hex: sum, DisableContentSha256: true})
		etag = done.ETag
		return err
	})
	return etag, err
}

// putText stores a small object.
func (s *Store) putText(ctx context.Context, key, text string, opt minio.PutObjectOptions) error {
	sum := sha256.Sum256([]byte(text))
	opt.DisableContentSha256 = true
	return s.try(ctx, "write object", answerTime, func(ctx context.Context) error {
		_, err := s.client.PutObject(ctx, s.at.Bucket, key, strings.NewReader(text), int64(len(text)), "", hex.EncodeToString(sum[:]), opt)
		return err
	})
}

// drop removes an object, once: an answer that is late could be to a request that
// removes what somebody stores meanwhile.
func (s *Store) drop(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	err := s.client.RemoveObject(ctx, s.at.Bucket, key, minio.RemoveObjectOptions{})
	if err = s.explain("delete blob", err); errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}
