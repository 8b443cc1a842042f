package chat

import (
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/chat/store/sqlstore"
)

var _ service.Keeper = Type{}

// Keeps implements service.Keeper.
func (Type) Keeps() service.Kept {
	return service.Kept{
		Databases: []service.Database{{
			Path: sqlstore.File, Schema: sqlstore.Schema(), Blobs: "blobs",
			Refs: []service.Column{{Table: "blobs", Name: "hash"}},
			// Epoch and positions stay: clients go on where they were.
			Move: &service.Move{Migrations: sqlstore.Migrations, Leave: []string{"search", "leases"}, Finish: sqlstore.Moved},
		}},
		Leave: []string{"tmp"},
		Mark:  sqlstore.RestoredMark,
	}
}
