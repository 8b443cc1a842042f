package sqldb

import (
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
)

// A Migration is one step of a schema.
type Migration struct {
	Name string
	SQL  string
}

var migrationName = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+\.sql$`)

// Migrations returns those at the root of fsys in order: files 0001_name.sql,
// 0002_name.sql and so on, without a gap. Other files are ignored; nil has none.
func Migrations(fsys fs.FS) ([]Migration, error) {
	if fsys == nil {
		return nil, nil
	}
	entries, err := fs.ReadDir(fsys, ".") // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var ms []Migration
	for _, e := range entries {
		m := migrationName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		if n, _ := strconv.Atoi(m[1]); n != len(ms)+1 {
			return nil, fmt.Errorf("read migrations: %s is not number %04d", e.Name(), len(ms)+1)
		}
		text, err := fs.ReadFile(fsys, e.Name())
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		ms = append(ms, Migration{e.Name(), string(text)})
	}
	return ms, nil
}

// Schema is the number of the last migration: the newest schema that a program
// with them knows.
func Schema(migrations fs.FS) (int, error) {
	ms, err := Migrations(migrations)
	return len(ms), err
}
