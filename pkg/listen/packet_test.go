package listen_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/listen"
)

var anyUDP = listen.Address{Network: "udp", Host: "127.0.0.1", Name: "dns"}

// A socket of packets outlives the process as listening ones do: what was sent
// meanwhile waits in it.
func TestPacketsOutliveTheProcess(t *testing.T) {
	kept := newStore(t)
	old := listen.New(zerolog.Nop())
	old.Keeper = kept
	k := open(t, old, anyUDP)
	addr := k.Addr()
	if !k.Held() {
		t.Fatal("the keeper has no copy")
	}
	if err := k.Release(); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("meanwhile")); err != nil {
		t.Fatal(err)
	}

	next := listen.New(zerolog.Nop())
	next.Keeper = kept
	if err := next.Inherit(kept.passed(t)...); err != nil {
		t.Fatal(err)
	}
	again := open(t, next, anyUDP)
	if left := next.CloseInherited(); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	pc := again.PacketConn()
	_ = pc.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 64)
	n, _, err := pc.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:n]) != "meanwhile" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(kept.passed(t)); n != 0 {
		t.Errorf("the keeper holds %d sockets after the last Close", n)
	}
}

// A UDP port and a TCP port with one number are two ports.
func TestPacketsBesideConnections(t *testing.T) {
	set := listen.New(zerolog.Nop())
	defer set.Close()
	for range 20 { // somebody else may have the other port
		u := open(t, set, anyUDP)
		tcp, err := set.Open(listen.Address{Network: "tcp", Host: "127.0.0.1", Port: u.Port()})
		if err != nil {
			_ = u.Close()
			continue
		}
		if tcp.PacketConn() != nil || u.PacketConn() == nil {
			t.Error("which one has packets?")
		}
		return
	}
	t.Error("never were both ports free")
}

// The commonest edit, from one address to all: the new socket is bound beside
// the old one, and the more specific one gets the packets.
func TestPacketsOverlap(t *testing.T) {
	set := listen.New(zerolog.Nop())
	defer set.Close()
	one := open(t, set, anyUDP)
	all := open(t, set, listen.Address{Network: "udp", Port: one.Port()})
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", one.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = all.PacketConn().SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := all.PacketConn().ReadFromUDPAddrPort(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestPacketsInUse(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	a := listen.Address{Network: "udp", Host: "127.0.0.1", Port: taken.LocalAddr().(*net.UDPAddr).Port}
	_, err = listen.New(zerolog.Nop()).Open(a)
	if err == nil || !strings.Contains(err.Error(), "in use by "+comm(t)) {
		t.Errorf("got %v", err)
	}
}

func comm(t *testing.T) string {
	b, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
