package tlsconf

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// watchEvery is how often files are looked at.
const watchEvery = 2 * time.Second

// A Keeper has what the TLS of all listeners shares, and watches the files of
// those in use. It does nothing before the first Load.
type Keeper struct {
	dir     string // for certificates and staples, made with mode 0700
	tickets ticketKeys
	log     zerolog.Logger

	mu     sync.Mutex
	used   []*Source          // guarded by mu
	cancel context.CancelFunc // guarded by mu; nil: nothing is watched
	done   sync.WaitGroup
}

// NewKeeper returns a Keeper for the data folder at dataDir.
func NewKeeper(dataDir string, log zerolog.Logger) *Keeper {
	return &Keeper{
		dir: filepath.Join(dataDir, "tls"), log: log,
		tickets: ticketKeys{file: filepath.Join(dataDir, "secrets", "tls-tickets")},
	}
}

// Use watches the files of these sources from now on, and no others.
func (k *Keeper) Use(sources []*Source) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used = sources
	if k.cancel != nil || len(sources) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	k.done.Go(func() { k.watch(ctx) })
}

// Close ends the watching.
func (k *Keeper) Close() {
	k.mu.Lock()
	cancel := k.cancel
	k.mu.Unlock()
	if cancel != nil {
		cancel()
		k.done.Wait()
	}
}

func (k *Keeper) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		k.mu.Lock()
		used := k.used
		k.mu.Unlock()
		for _, s := range used {
			for _, p := range s.pairs {
				k.refresh(ctx, p)
			}
			k.renew(s, time.Now())
		}
		if err := k.tickets.rotate(time.Now()); err != nil {
			k.log.Warn().Err(err).Msg("the keys of session tickets are not renewed")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
