package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services"
)

// What the peers are started with is what they take.
func TestPeersConfigs(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	dir := t.TempDir()
	c, err := writeCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := freeAddrs(8)
	if err != nil {
		t.Fatal(err)
	}
	http := nginxFiles(a[0], a[1], dir, c) + nginxAnswers(a[2], a[3], answer, c) + nginxProxy(a[4], a[0]) + nginxListeners(a[5:7], "one")
	prefix, file, err := nginxConfig(dir, http, nginxRelay(a[7], a[0]))
	if err != nil {
		t.Fatal(err)
	}
	accept(t, "nginx", "-t", "-q", "-p", prefix, "-c", file)
	_, file, err = writeConfig(dir, "haproxy.cfg", haproxyFile(haproxyAnswers(a[0], answer)+haproxyFronts(a[1], a[2], a[3], a[4])))
	if err != nil {
		t.Fatal(err)
	}
	accept(t, "haproxy", "-c", "-q", "-f", file)
}

func accept(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", command[0], err, out)
	}
}

// So is what portico is started with.
func TestOwnConfigs(t *testing.T) {
	kinds := service.NewRegistry(services.All(services.New())...)
	dir := t.TempDir()
	c, err := writeCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"http": httpConfig(c), "fronts": frontsConfig("127.0.0.1:1"), "delivery": deliveryConfig(dir, c), "pictures": picturesConfig(dir),
		"chat": chatService + listener("chat", "chat.bench", patient) + listener("chat-tls", "chat.bench", c.hcl()), "listeners": listenersConfig([]string{"127.0.0.1:1", "127.0.0.1:2"}, "one"),
	} {
		file := filepath.Join(dir, name+".hcl")
		if err := os.WriteFile(file, []byte(quiet+text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, diags := config.Load(file, config.Options{Kinds: kinds, Getenv: func(string) string { return "" }}); diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

// Without the peers it is said what to install, and that is all.
func TestMissingPeers(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // neither peers nor apt-get
	err := havePeers(t.Context(), []part{{name: "pictures", needs: []string{"vips", "vipsthumbnail"}}})
	if err == nil || !strings.Contains(err.Error(), "as root: apt-get install --no-install-recommends libvips-tools), or choose parts by -only") {
		t.Errorf("%v", err)
	}
	if err := havePeers(t.Context(), []part{{name: "x"}}); err != nil {
		t.Errorf("a part that needs nobody: %v", err)
	}
}
