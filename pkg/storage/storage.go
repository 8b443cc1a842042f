// Package storage opens what services keep things in: the engines that the storage
// block names, or, without it, files in the service's own folder. It knows no
// service, and moves nothing from one engine to another.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/blob/s3"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/settings"
)

// Config is the storage block. The zero Config is a block that is not there.
type Config struct {
	Blobs                string // s3://...; "": files in the service's folder
	AccessKey, SecretKey settings.Secret
}

// Storage is what services of one process keep things in. A nil Storage is that
// of a config without the block. It is made with New and works once it was given
// its Config.
type Storage struct {
	cfg   Config
	blobs *s3.Target // nil: in the services' folders
}

// New returns a Storage that keeps everything in the services' folders.
func New() *Storage { return &Storage{} }

// Configure takes the block. It is called once, before any service opens, and asks
// no engine anything.
func (s *Storage) Configure(cfg Config) error {
	at, err := cfg.target()
	if err != nil {
		return err
	}
	s.cfg, s.blobs = cfg, at
	return nil
}

// Where says where services keep things that are not in their folders, by what it
// is; empty: everything is there.
func (c Config) Where() map[string]string {
	where := map[string]string{}
	if at, err := c.target(); err == nil && at != nil {
		where["blobs"] = at.String()
	}
	return where
}

// Where says where services keep things; see Config.
func (s *Storage) Where() map[string]string { return s.cfg.Where() }

// CheckBlobs writes, reads and deletes an object in the bucket, if there is one.
func (c Config) CheckBlobs(ctx context.Context) error {
	at, err := c.target()
	if err != nil || at == nil {
		return err
	}
	store, err := s3.Open(*at, s3.Options{AccessKey: c.AccessKey.Reveal(), SecretKey: c.SecretKey.Reveal(), Patience: 5 * time.Second})
	if err != nil {
		return err
	}
	return errors.Join(store.Check(ctx), store.Close())
}

// target is where blobs are kept; nil: in the services' folders.
func (c Config) target() (*s3.Target, error) {
	if c.Blobs == "" {
		return nil, nil
	}
	at, err := s3.Parse(c.Blobs)
	if err != nil {
		return nil, fmt.Errorf("storage.blobs: %w", err)
	}
	return &at, nil
}

// A Place is a service's own.
type Place struct {
	Kind, Name string
	Dir        string // its folder
}

// deleteGrace is how young a blob may be that is not deleted at once: longer than
// any row takes from the bytes that it is about to the commit.
const deleteGrace = time.Hour

// Blobs opens the blobs of a service. It needs no closing.
func (s *Storage) Blobs(p Place) (blob.Store, error) {
	if err := s.claim(p); err != nil {
		return nil, err
	}
	if s == nil || s.blobs == nil {
		return blob.OpenDir(filepath.Join(p.Dir, blobFolder))
	}
	return s3.Open(s.blobs.Below(p.Kind, p.Name), s3.Options{
		AccessKey: s.cfg.AccessKey.Reveal(), SecretKey: s.cfg.SecretKey.Reveal(),
		Spool: filepath.Join(p.Dir, spoolFolder), Grace: deleteGrace,
	})
}

// Names in a service's folder.
const (
	blobFolder  = "blobs"    // a blob.Dir
	spoolFolder = "put"      // what is on its way to a bucket; nothing stays there
	markFile    = "blobs.at" // names the bucket that has the blobs; not there: blobFolder has them
)

// Elsewhere says where the blobs of the service with a folder are, "" where they
// are in the folder.
func Elsewhere(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find the blobs: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// claim makes sure that a service's blobs are where they were, because rows refer
// to them, and notes where a new service's are.
func (s *Storage) claim(p Place) error {
	want := ""
	if s != nil && s.blobs != nil {
		want = s.blobs.Below(p.Kind, p.Name).String()
	}
	have, err := Elsewhere(p.Dir)
	if err != nil || have == want {
		return err
	}
	switch {
	case have != "" && want == "":
		return fmt.Errorf("the files of service.%s.%s are in %s, but the config has no storage.blobs; put it back", p.Kind, p.Name, have)
	case have != "":
		return fmt.Errorf("the files of service.%s.%s are in %s, not in %s; put storage.blobs back as it was, "+
			"or copy the objects there and remove %s", p.Kind, p.Name, have, want, filepath.Join(p.Dir, markFile))
	}
	if used, err := hasBlobs(filepath.Join(p.Dir, blobFolder)); err != nil || used {
		return errors.Join(err, fmt.Errorf("the files of service.%s.%s are in %s, not in %s; take storage.blobs out", p.Kind, p.Name, filepath.Join(p.Dir, blobFolder), want))
	}
	if err := durable.MkdirAll(p.Dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(p.Dir, markFile), 0o600, []byte(want+"\n")); err != nil {
		return fmt.Errorf("note where the files are: %w", err)
	}
	return nil
}

// hasBlobs reports whether a blob.Dir has any.
func hasBlobs(dir string) (used bool, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		if _, perr := blob.ParseID(e.Name()); perr == nil && e.Type().IsRegular() {
			used = true
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("look for files: %w", err)
	}
	return used, nil
}
