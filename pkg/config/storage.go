package config

import (
	"reflect"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/blob/s3"
	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/pkg/storage"
)

// storage decodes the storage block.
func (l *loader) storage() {
	for _, b := range l.blocks("storage") {
		for _, e := range settings.Secrets(b.Body, reflect.TypeFor[storageBlock]()) {
			l.keepLiterals(e)
		}
	}
	var v storageBlock
	at := l.single("storage", &v)
	l.cfg.places["storage"] = at
	l.cfg.Storage = storage.Config{Blobs: v.Blobs.Value, AccessKey: v.AccessKey, SecretKey: v.SecretKey}
	l.bucket(v, at)
}

// bucket checks what the block says of a bucket.
func (l *loader) bucket(v storageBlock, at hcl.Range) {
	keys := v.AccessKey != "" || v.SecretKey != ""
	if v.Blobs.At.Filename == "" {
		if keys {
			l.errorf(at, "Keys for no bucket", "access_key and secret_key are those of the bucket that blobs names. Name it, like blobs = \"s3://bucket\", or take them out.")
		}
		return
	}
	to, err := s3.Parse(v.Blobs.Value)
	switch {
	case err != nil:
		l.errorf(v.Blobs.At, "Invalid address of a bucket", "%s.", upperFirst(err.Error()))
	case v.AccessKey == "" || v.SecretKey == "":
		l.errorf(at, "The bucket has no keys", "Name them beside blobs: access_key, and secret_key = secret(\"bucket-key\").")
	case to.Plain && !to.Loopback():
		l.warnf(v.Blobs.At, "Files travel in clear text", "The endpoint is plain HTTP and lies beyond loopback. Use https:// where the server has it.")
	}
}
