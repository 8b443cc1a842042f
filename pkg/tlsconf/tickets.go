package tlsconf

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// Keys of session tickets are made daily and good for a week, as crypto/tls has
// it. They are kept over a restart, which would cost all clients a full handshake
// otherwise.
const (
	ticketKeyEvery = 24 * time.Hour
	ticketKeyLife  = 7 * 24 * time.Hour
)

// ticketKeys are the keys, the newest first.
type ticketKeys struct {
	file string

	mu   sync.Mutex
	list []ticketKey // guarded by mu; empty: not read yet
	tls  tls.Config  // encrypts and decrypts tickets, nothing else
}

type ticketKey struct {
	Made time.Time `json:"made"`
	Key  [32]byte  `json:"key"`
}

// rotate makes the keys current at now. Without a file it begins anew; a file
// that cannot be read is replaced, because all it costs is handshakes.
func (t *ticketKeys) rotate(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.list) == 0 {
		b, err := os.ReadFile(t.file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the keys of session tickets: %w", err)
		}
		if json.Unmarshal(b, &t.list) != nil {
			t.list = nil
		}
	} else if age := now.Sub(t.list[0].Made); age >= 0 && age < ticketKeyEvery {
		return nil
	}
	t.list = slices.DeleteFunc(t.list, func(k ticketKey) bool {
		age := now.Sub(k.Made)
		return age < 0 || age > ticketKeyLife
	})
	var err error
	if len(t.list) == 0 || now.Sub(t.list[0].Made) >= ticketKeyEvery {
		fresh := ticketKey{Made: now}
		rand.Read(fresh.Key[:]) // never fails
		t.list = slices.Insert(t.list, 0, fresh)
		err = t.save()
	}
	keys := make([][32]byte, len(t.list))
	for i, k := range t.list {
		keys[i] = k.Key
	}
	t.tls.SetSessionTicketKeys(keys)
	return err // the keys in memory are good in any case
}

func (t *ticketKeys) save() error {
	b, err := json.Marshal(t.list)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(t.file), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(t.file, 0o600, b)
}

// shareTickets makes the tickets of s good for every source that lets the same
// clients in, also after a reload and a restart.
func (k *Keeper) shareTickets(s *Source) {
	if err := k.tickets.rotate(time.Now()); err != nil {
		k.log.Warn().Err(err).Msg("the keys of session tickets are not kept")
	}
	keys, tag := &k.tickets.tls, s.tag()
	s.config.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		ss.Extra = append(ss.Extra, tag)
		return keys.EncryptTicket(cs, ss)
	}
	s.config.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		ss, err := keys.DecryptTicket(ticket, cs)
		if err != nil || ss == nil || !slices.ContainsFunc(ss.Extra, func(x []byte) bool { return bytes.Equal(x, tag) }) {
			return nil, err
		}
		return ss, nil
	}
}
