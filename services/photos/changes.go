package photos

import (
	"context"

	"github.com/porticod/portico/pkg/account"
)

// concerns tells whether something of a kind that happened to an account is to
// be acted on. Sessions, suspensions and blocks are asked for each time.
func concerns(k account.ChangeKind) bool {
	return k == account.Deleted || k == account.Blocked || k == account.Profile
}

// actOn has the service's own data follow a change of an account. It may come
// again.
func (p *Photos) actOn(ctx context.Context, c account.Change) error {
	switch c.Kind {
	case account.Deleted:
		return p.erase(ctx, c.UserID)
	case account.Profile:
		return p.settleAvatar(ctx, c.UserID)
	case account.Blocked:
		// They may have made up, and follow each other again.
		if still, err := p.people.Blocked(ctx, c.UserID, c.OtherID); err != nil || !still {
			return err
		}
		return p.store.Part(ctx, c.UserID, c.OtherID)
	}
	return nil
}
