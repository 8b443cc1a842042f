package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// prosodyConfig keeps every message in an archive, in files, as prosody does where
// nobody says otherwise: it appends and does not wait for the disk. In SQLite it is
// ten times as slow. Federation and what stores messages a second time are off.
const prosodyConfig = `
run_as_root = true
pidfile = "%[1]s/prosody.pid"
data_path = "%[1]s/data"
interfaces = { "127.0.0.1" }
c2s_ports = { %[2]s }
c2s_direct_tls_ports = { %[3]s }
s2s_ports = {}
http_ports = {}
https_ports = {}
modules_enabled = { "saslauth", "tls", "mam", "smacks" }
modules_disabled = { "s2s", "offline" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
default_archive_policy = true
archive_expires_after = "never"
certificates = "%[1]s"
ssl = { certificate = "%[4]s", key = "%[5]s" }
c2s_direct_tls_ssl = { certificate = "%[4]s", key = "%[5]s" }
log = { warn = "*console" }
VirtualHost "localhost"
Component "rooms.localhost" "muc"
  modules_enabled = { "muc_mam" }
  muc_log_by_default = true
  muc_log_presences = false
  muc_room_locking = false
  max_history_messages = 0
`

// prosody is the peer of the chat.
type prosody struct {
	*server
	addr, secure string // plain and TLS
}

// startProsody starts one with so many accounts as portico's chat has here.
func startProsody(ctx context.Context, b *bench) (*prosody, error) {
	addrs, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	dir, file, err := writeProsody(b.dir, addrs)
	if err != nil {
		return nil, err
	}
	people := filepath.Join(dir, "data", "localhost", "accounts")
	if err := os.MkdirAll(people, 0o700); err != nil {
		return nil, err
	}
	for i := range chatPeople {
		account := filepath.Join(people, xmppUser(i)+".dat")
		if err := os.WriteFile(account, []byte("return {\n\t[\"password\"] = \"secret\";\n};\n"), 0o600); err != nil {
			return nil, err
		}
	}
	s, err := spawn(ctx, addrs[0], "prosody", "-F", "--config", file)
	if err != nil {
		return nil, err
	}
	if err := s.listens(ctx, addrs[1]); err != nil {
		return nil, err
	}
	return &prosody{server: s, addr: addrs[0], secure: addrs[1]}, nil
}

// writeProsody writes the file of one.
func writeProsody(parent string, addrs []string) (dir, file string, err error) {
	if dir, file, err = writeConfig(parent, "prosody.cfg.lua", ""); err != nil {
		return "", "", err
	}
	c, err := writeCertificate(dir)
	if err != nil {
		return "", "", err
	}
	port := func(addr string) string {
		_, p, _ := net.SplitHostPort(addr)
		return p
	}
	config := fmt.Sprintf(strings.TrimSpace(prosodyConfig)+"\n", dir, port(addrs[0]), port(addrs[1]), c.cert, c.key)
	return dir, file, os.WriteFile(file, []byte(config), 0o644)
}

func xmppUser(i int) string { return fmt.Sprintf("u%04d", i) }
