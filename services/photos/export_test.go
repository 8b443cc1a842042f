package photos

import (
	"context"

	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/bus"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/photos/store"
)

// Start opens a service on parts of the test's. It owns the store.
func Start(ctx context.Context, t Type, env service.Env, cfg Config, st store.Store, blobs blob.Store, b bus.Bus) (*Photos, error) {
	return t.start(ctx, env, cfg, parts{st, blobs, b})
}

// EnterUpload has an upload of user begin, until leave.
func (p *Photos) EnterUpload(user int64) (leave func(), err error) {
	return func() { p.uploads.leave(user) }, p.uploads.enter(user)
}
