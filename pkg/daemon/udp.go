package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/mux"
)

// bind opens a socket for n, and begins to read from one of packets: nobody is
// let in before commit.
func (d *Daemon) bind(n *next, l config.Listener, key socketKey) error {
	addr := key.address()
	h3 := key.Network == "udp" && l.HTTP3
	if h3 && key.Port == 0 { // the port that the kernel picked for TCP
		tcp := key
		tcp.Network = "tcp"
		addr.Port, addr.Name = n.bound[tcp].Port(), ""
	}
	s, err := d.sockets.Open(addr)
	if err != nil {
		return err
	}
	n.bound[key], n.fresh[key] = s, s
	switch {
	case key.Network != "udp":
		return nil
	case !h3:
		n.packetServers[key] = mux.NewPackets(s.PacketConn())
		return nil
	}
	keys, err := quicKeys(n.cfg.DataDir)
	if err != nil {
		return err
	}
	q, err := mux.NewQUIC(s.PacketConn(), keys)
	if err != nil {
		return err
	}
	n.packetServers[key] = q
	return nil
}

// quicKeys are made once and kept, so that a new process can speak for the old.
func quicKeys(dataDir string) (keys mux.QUICKeys, err error) {
	file := filepath.Join(dataDir, "secrets", "quic")
	b, err := os.ReadFile(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return keys, fmt.Errorf("read the keys of QUIC: %w", err)
	case len(b) != len(keys.Reset)+len(keys.Token): // none, or not ours
		b = make([]byte, len(keys.Reset)+len(keys.Token))
		rand.Read(b) // never fails
		if err := durable.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return keys, fmt.Errorf("keep the keys of QUIC: %w", err)
		}
		if err := durable.WriteFile(file, 0o600, b); err != nil {
			return keys, fmt.Errorf("keep the keys of QUIC: %w", err)
		}
	}
	copy(keys.Token[:], b[copy(keys.Reset[:], b):])
	return keys, nil
}

// altSvc tells clients of a listener where its HTTP/3 is (RFC 7838): at the port
// of its first address.
func (d *Daemon) altSvc(cfg config.Listener) string {
	for _, a := range sockets(cfg) {
		if s := d.bound[keyOf(cfg, a)]; a.Network == "udp" && cfg.HTTP3 && s != nil {
			return fmt.Sprintf(`h3=":%d"; ma=86400`, s.Port())
		}
	}
	return ""
}

// A packetServer serves what comes to one UDP socket.
type packetServer interface {
	SetPort(*mux.Port)
	Close(context.Context)
}

// closePackets ends what is served on UDP sockets that go, side by side.
func closePackets(ctx context.Context, all []packetServer) {
	var wg sync.WaitGroup
	for _, q := range all {
		wg.Go(func() { q.Close(ctx) })
	}
	wg.Wait()
}
