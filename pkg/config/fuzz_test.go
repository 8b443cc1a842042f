package config_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
)

// FuzzLoad loads two files, the first of which may include the second, and
// checks what every caller relies on.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.hcl", "testdata/good/*.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, []byte("drain = \"1s\"\n"))
		}
	}
	f.Add([]byte("include = \"b.hcl\"\n"), []byte("locals { a = file(\"b.hcl\") }\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		opt := config.InMemory(options(nil), map[string][]byte{"/c/a.hcl": a, "/c/b.hcl": b})
		cfg, src, diags := config.Load("/c/a.hcl", opt)
		if (cfg == nil) != diags.HasErrors() {
			t.Errorf("config %v with %v", cfg, diags)
		}
		if err := src.WriteText(io.Discard, diags, 80, true); err != nil {
			t.Error(err)
		}
		if err := src.WriteJSON(io.Discard, diags); err != nil {
			t.Error(err)
		}
		if out, diags := config.Format(a, "a.hcl"); !diags.HasErrors() {
			if _, diags := config.Format(out, "a.hcl"); diags.HasErrors() {
				t.Errorf("formatting broke the file: %v", diags)
			}
		}
		socket, dataDir := config.SocketGuess("/c/a.hcl", opt), config.DataDirGuess("/c/a.hcl", opt)
		if cfg != nil {
			checkConfig(t, cfg)
			if socket != cfg.Admin.Socket || dataDir != cfg.DataDir {
				t.Errorf("guessed %s and %s, they are %s and %s", socket, dataDir, cfg.Admin.Socket, cfg.DataDir)
			}
		}
	})
}

// checkConfig checks that references resolve and no address is taken twice.
func checkConfig(t *testing.T, cfg *config.Config) {
	known := map[service.Ref]bool{}
	for _, s := range cfg.Services {
		if known[s.Ref()] {
			t.Errorf("two services %s", s.Ref())
		}
		known[s.Ref()] = true
	}
	var taken []config.Address
	for _, l := range cfg.Listeners {
		if l.Service == nil && len(l.Routes) == 0 || len(l.Addresses) == 0 {
			t.Errorf("listener %q leads nowhere", l.Name)
		}
		if l.Service != nil && !known[*l.Service] {
			t.Errorf("no service %s", l.Service)
		}
		for _, r := range l.Routes {
			if !known[r.Service] {
				t.Errorf("no service %s", r.Service)
			}
		}
		for _, a := range l.Addresses {
			for _, b := range taken {
				if a.Overlaps(b) {
					t.Errorf("%s overlaps %s", a, b)
				}
			}
			taken = append(taken, a)
		}
	}
}
