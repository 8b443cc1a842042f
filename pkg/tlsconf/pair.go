package tlsconf

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// A pair is a chain and its key in files, as they were when they were last good.
type pair struct {
	files Pair
	cert  atomic.Pointer[tls.Certificate]

	// Used by the watcher only, once the pair is in use.
	seen   [2]stamp
	staple staple
}

// A stamp tells whether a file is still the same.
type stamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) (stamp, error) {
	fi, err := os.Stat(path) // follows links: some tools swap a link, not a file
	if err != nil {
		return stamp{}, err
	}
	return stamp{fi.ModTime(), fi.Size()}, nil
}

func (f Pair) stamps() (both [2]stamp, err error) {
	if both[0], err = stampOf(f.Cert); err != nil {
		return both, err
	}
	both[1], err = stampOf(f.Key)
	return both, err
}

func (f Pair) load() (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	return &c, nil
}

func loadPair(files Pair) (*pair, error) {
	p := &pair{files: files}
	var err error
	if p.seen, err = files.stamps(); err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", files.Cert, files.Key, err)
	}
	c, err := files.load()
	if err != nil {
		return nil, err
	}
	p.cert.Store(c)
	return p, nil
}

// refresh takes files that changed. Those that do not fit each other, as while
// somebody replaces one after the other, are looked at again when they change
// again; until then the old certificate serves.
func (k *Keeper) refresh(ctx context.Context, p *pair) {
	now, err := p.files.stamps()
	if err == nil && now == p.seen {
		k.keepStapled(ctx, p)
		return
	}
	if err != nil {
		now = [2]stamp{} // away: whatever comes is new
		if now == p.seen {
			return // said already
		}
	}
	p.seen = now
	var c *tls.Certificate
	if err == nil {
		c, err = p.files.load()
	}
	if err != nil {
		k.log.Warn().Err(err).Msg("a certificate's files changed and cannot be used; the old one goes on serving")
		return
	}
	p.staple = staple{}
	p.cert.Store(c)
	k.log.Info().Str("file", p.files.Cert).Strs("names", c.Leaf.DNSNames).Time("not_after", c.Leaf.NotAfter).Msg("certificate replaced")
	k.keepStapled(ctx, p)
}
