package photos

import (
	"io/fs"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/sqldb"
	"github.com/porticod/portico/services/photos/store/sqlstore"
)

var _ service.Keeper = Type{}

// Keeps implements service.Keeper.
func (Type) Keeps() service.Kept {
	var refs []service.Column
	for _, table := range []string{"media", "sizes", "portraits", "variants", "upload_parts"} {
		refs = append(refs, service.Column{Table: table, Name: "hash"})
	}
	return service.Kept{
		Databases: []service.Database{{
			Path: sqlstore.File, Schema: sqlstore.Schema(), Blobs: "blobs", Refs: refs,
			Move: &service.Move{
				Migrations: func(d sqldb.Dialect) (fs.FS, error) { return sqlstore.Migrations(d), nil },
				Leave:      []string{"words", "turns", "messages", "events"}, Finish: sqlstore.Moved,
			},
		}},
		Leave: []string{"spool"},
	}
}
