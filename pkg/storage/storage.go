// Package storage opens what services keep things in: the engines that the storage
// block names, or, without it, files in the service's own folder. It moves all from
// one to another, and knows no service.
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

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/blob/s3"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/bus/nats"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/postgres"
	"github.com/porticod/portico/pkg/sqldb"
)

// Storage is what services of one process keep things in. A nil Storage is that
// of a config without the block. It is made with New and works once it was given
// its Config.
type Storage struct {
	cfg   Config
	blobs *s3.Target // nil: in the services' folders
	bus   *nats.Bus  // nil: there are no other nodes
}

// New returns a Storage that keeps everything in the services' folders.
func New() *Storage { return &Storage{} }

// Open takes the block and connects to the bus, which may be away. It is called
// once, before any service opens.
func (s *Storage) Open(cfg Config, log zerolog.Logger) error {
	at, err := cfg.target()
	if err != nil {
		return err
	}
	s.cfg, s.blobs = cfg, at
	if cfg.Bus == "" {
		return nil
	}
	servers, err := nats.Parse(cfg.Bus.Reveal())
	if err != nil {
		return fmt.Errorf("storage.bus: %w", err)
	}
	s.bus, err = nats.Open(servers, log.With().Str("part", "bus").Logger())
	return err
}

// Close leaves the bus, after the last service was closed.
func (s *Storage) Close() error {
	if s.bus == nil {
		return nil
	}
	return s.bus.Close()
}

// Bus is how nodes tell each other that something happened. Where there is none it
// is one without other nodes.
func (s *Storage) Bus() bus.Bus {
	if s == nil || s.bus == nil {
		return new(bus.Local).Node()
	}
	return s.bus
}

// Database opens the database of a service, or of the accounts, with the
// migrations that it has for PostgreSQL. It is nil where the block names none: then
// the caller opens the file of SQLite with that name in the place's folder.
func (s *Storage) Database(ctx context.Context, p Place, file string, migrations fs.FS, log zerolog.Logger) (sqldb.DB, error) {
	want := ""
	var err error
	if s != nil {
		if want, err = s.cfg.database(p); err != nil {
			return nil, err
		}
	}
	err = p.claim(databaseMark, "data", "storage.database", want, func() (string, error) {
		path := filepath.Join(p.Dir, file)
		_, err := os.Stat(path)
		return path, err
	})
	if err != nil || want == "" {
		return nil, err
	}
	return postgres.Open(ctx, s.cfg.Database.Reveal(), postgres.Options{Schema: p.schema(), Migrations: migrations, Log: log})
}

// Where says where services keep things; see Config. Of a bus that is away it says
// that.
func (s *Storage) Where() map[string]string {
	where := s.cfg.Where()
	if s.bus != nil && !s.bus.Healthy() {
		where["bus"] += " (away)"
	}
	return where
}

// A Place is a service's own, or, without a name, that of something that services
// share.
type Place struct {
	Kind, Name string
	Dir        string // its folder
}

func (p Place) schema() string {
	if p.Name == "" {
		return postgres.SchemaName(p.Kind)
	}
	return postgres.SchemaName(p.Kind, p.Name)
}

// who is how messages name it.
func (p Place) who() string {
	if p.Name == "" {
		return "the " + p.Kind
	}
	return "service." + p.Kind + "." + p.Name
}

// deleteGrace is how young a blob may be that is not deleted at once: longer than
// any row takes from the bytes that it is about to the commit.
const deleteGrace = time.Hour

// Names in a service's folder.
const (
	blobFolder   = "blobs"       // a blob.Dir
	spoolFolder  = "put"         // what is on its way to a bucket; nothing stays there
	blobMark     = "blobs.at"    // names the bucket that has the blobs; not there: blobFolder has them
	databaseMark = "database.at" // names what has the rows; not there: a file of SQLite
)

// Blobs opens the blobs of a service. It needs no closing.
func (s *Storage) Blobs(p Place) (blob.Store, error) {
	dir, want := filepath.Join(p.Dir, blobFolder), ""
	if s != nil && s.blobs != nil {
		want = s.blobs.Below(p.Kind, p.Name).String()
	}
	if err := p.claim(blobMark, "files", "storage.blobs", want, func() (string, error) { return dir, hasBlobs(dir) }); err != nil {
		return nil, err
	}
	if want == "" {
		return blob.OpenDir(dir)
	}
	return s3.Open(s.blobs.Below(p.Kind, p.Name), s3.Options{
		AccessKey: s.cfg.AccessKey.Reveal(), SecretKey: s.cfg.SecretKey.Reveal(),
		Spool: filepath.Join(p.Dir, spoolFolder), Grace: deleteGrace,
	})
}

// Elsewhere says where the blobs of the service with a folder are, "" where they
// are in the folder.
func Elsewhere(dir string) (string, error) { return readMark(filepath.Join(dir, blobMark)) }

// DatabaseElsewhere says the same of its rows.
func DatabaseElsewhere(dir string) (string, error) { return readMark(filepath.Join(dir, databaseMark)) }

func readMark(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find out where the data is: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// claim makes sure that something is where it was, and notes in the file mark where
// that of a new service is: want, as the option says, or "" for the folder. local
// names what the folder has of it, with fs.ErrNotExist where it has nothing.
func (p Place) claim(mark, what, option, want string, local func() (string, error)) error {
	mark = filepath.Join(p.Dir, mark)
	have, err := readMark(mark)
	if err != nil || have == want {
		return err
	}
	switch {
	case want == "":
		return fmt.Errorf("the %s of %s are in %s, but the config has no %s; put it back, or take them home with portico migrate --home", what, p.who(), have, option)
	case have != "":
		return fmt.Errorf("the %s of %s are in %s, not in %s; put %s back as it was, or, where it is the same under another name, write that into %s",
			what, p.who(), have, want, option, mark)
	}
	at, err := local()
	if err == nil {
		return fmt.Errorf("the %s of %s are in %s, not in %s; take them there with portico migrate, or take %s out", what, p.who(), at, want, option)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find out where the data is: %w", err)
	}
	if err := durable.MkdirAll(p.Dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := durable.WriteFile(mark, 0o600, []byte(want+"\n")); err != nil {
		return fmt.Errorf("note where the data is: %w", err)
	}
	return nil
}

// hasBlobs is nil where a blob.Dir has some, and fs.ErrNotExist where it has none.
func hasBlobs(dir string) error {
	none := fs.ErrNotExist
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if _, perr := blob.ParseID(e.Name()); perr == nil && e.Type().IsRegular() {
			none = nil
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return err
	}
	return none
}
