package config

import (
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/blob/s3"
	"github.com/porticod/portico/pkg/bus/nats"
	"github.com/porticod/portico/pkg/postgres"
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
	l.cfg.Storage = storage.Config{
		Database: settings.Secret(v.Database.Value), Bus: settings.Secret(v.Bus.Value),
		Blobs: v.Blobs.Value, AccessKey: v.AccessKey, SecretKey: v.SecretKey,
	}
	l.nodes(v)
	l.bucket(v, at)
}

// isSet reports whether the file has the option.
func isSet(t settings.Text) bool { return t.At.Filename != "" }

// nodes checks what the block says of what several nodes share.
func (l *loader) nodes(v storageBlock) {
	if isSet(v.Database) {
		l.password(v.Database)
		if _, err := postgres.Where(v.Database.Value); err != nil {
			l.errorf(v.Database.At, "Invalid address of a database", "%s.", upperFirst(err.Error()))
		}
	}
	if !isSet(v.Bus) {
		return
	}
	l.password(v.Bus)
	if _, err := nats.Parse(v.Bus.Value); err != nil {
		l.errorf(v.Bus.At, "Invalid address of a bus", "%s.", upperFirst(err.Error()))
	}
	switch {
	case !isSet(v.Database):
		l.errorf(v.Bus.At, "A bus without a database", "Only those who share a database have something to tell each other. Name it beside the bus, like database = \"postgres://host/portico\", or take bus out.")
	case !isSet(v.Blobs):
		l.warnf(v.Bus.At, "Files stay on this machine", "Others who share the database do not find them. Name a bucket beside it, like blobs = \"s3://bucket\".")
	}
}

// password keeps the passwords of addresses out of messages.
func (l *loader) password(t settings.Text) {
	for _, one := range strings.Split(t.Value, ",") {
		_, rest, _ := strings.Cut(one, "://")
		if user, _, ok := strings.Cut(rest, "@"); ok {
			if _, password, ok := strings.Cut(user, ":"); ok && password != "" {
				l.secrets.Keep(password)
			}
		}
	}
}

// bucket checks what the block says of a bucket.
func (l *loader) bucket(v storageBlock, at hcl.Range) {
	if !isSet(v.Blobs) {
		if v.AccessKey != "" || v.SecretKey != "" {
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
