package account

import (
	"context"
	"time"
)

// Erasure is the deletion of a user, which is done when every service that
// follows the log has acted on it. The Directory's own part is done at once.
type Erasure struct {
	Seq      int64     `json:"seq"` // of the Deleted in the log
	UserID   int64     `json:"user_id,string"`
	Username string    `json:"username"`
	At       time.Time `json:"at"`
	Waiting  []string  `json:"waiting,omitempty"` // kind.name of the services that have not erased; none: done
}

// Done reports whether nothing is left to erase.
func (e Erasure) Done() bool { return len(e.Waiting) == 0 }

// CatchUp has a service, kind.name, act on all changes that it has not acted on,
// in order, and remembers up to where it came. A service calls it when it is
// opened and, in a goroutine of its own, after each change that Watch tells it of.
// It returns when there are no more changes, or with the first error of act, whose
// change then comes again. After a crash changes may come a second time. When act
// has returned nil, what the change asks for must be on disk: data of a Deleted
// user is erased then, or stands in a durable queue.
//
// From its first CatchUp on, even one that failed, a service has to act before an
// erasure is done.
func (d *Directory) CatchUp(ctx context.Context, service string, act func(context.Context, Change) error) error {
	cursor, err := d.Follow(ctx, service)
	for err == nil {
		var changes []Change
		if changes, err = d.Changes(ctx, cursor, 100); err != nil || len(changes) == 0 {
			return err
		}
		done := cursor
		for _, c := range changes {
			if err = act(ctx, c); err != nil {
				break
			}
			done = c.Seq
		}
		if done == cursor {
			return err
		}
		// What was acted on counts, also where ctx has ended meanwhile.
		ackErr := d.Ack(context.WithoutCancel(ctx), service, done)
		if err == nil {
			cursor, err = done, ackErr
		}
	}
	return err
}

// Follow is the first step of CatchUp, for a service that does the others itself:
// it notes that the service follows the log, and returns the position up to which
// it has acted, 0 for a new one.
func (d *Directory) Follow(ctx context.Context, service string) (cursor int64, err error) {
	if service == "" {
		return 0, &Invalid{"service", "is missing"}
	}
	s, err := d.open(ctx)
	if err != nil {
		return 0, err
	}
	return s.Follow(ctx, service)
}

// Ack is the last step of CatchUp: the service has acted on the changes up to
// position cursor, and has erased what they say. It never goes back.
func (d *Directory) Ack(ctx context.Context, service string, cursor int64) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.Ack(ctx, service, cursor)
}

// Unfollow forgets a service whose data is gone for good: erasures do not wait
// for it any more.
func (d *Directory) Unfollow(ctx context.Context, service string) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	return s.Unfollow(ctx, service)
}

// Erasure returns how far the deletion of a user is, or ErrNotFound where the
// user was not deleted.
func (d *Directory) Erasure(ctx context.Context, user int64) (Erasure, error) {
	s, err := d.open(ctx)
	if err != nil {
		return Erasure{}, err
	}
	return s.Erasure(ctx, user)
}

// Erasures returns up to limit deletions that are not done, in order, after the
// position after.
func (d *Directory) Erasures(ctx context.Context, after int64, limit int) ([]Erasure, error) {
	s, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	return s.Erasures(ctx, after, clamp(limit))
}
