package acme_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/internal/testkit/program"
)

// The CA wants an account that it made itself, and reaches the machine at other
// ports than 80 and 443, as where a router leads them elsewhere.
func TestBoundAccountAndOtherPorts(t *testing.T) {
	ca := startCA(t, `"httpPort": 8080, "tlsPort": 8443, "externalAccountBindingRequired": true,
		"externalAccountMACKeys": {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}`)
	const account = `
      names     = ["named.example.test"]
      key_id    = "kid-1"
      mac_key   = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
      http_port = 8080
      tls_port  = 8443
`
	plain := `
listener "plain" {
  address = "127.0.0.1:8080"
  service = service.respond.hello
}
`
	// Over HTTP-01: TLS is at a port that the CA does not ask.
	d := testkit.StartBinary(t, program.Shipped(t), base+plain+ca.listener("9443", account, ""))
	ca.certificate(t, "named.example.test", "9443")
	d.Stop()

	// Over TLS-ALPN-01, with no plain listener at all.
	d = testkit.StartBinary(t, program.Shipped(t), base+ca.listener("8443", account, ""))
	ca.certificate(t, "named.example.test", "8443")
	if !strings.Contains(below(t, filepath.Join(d.Dir, "data", "tls", "acme")), "mailto:ops@example.test") {
		t.Error("the CA was not told where to write")
	}
	d.Stop()

	// Without the account it made, the CA gives nothing.
	without := strings.NewReplacer(`key_id    = "kid-1"`, "", `mac_key   = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"`, "").Replace(account)
	d = testkit.StartBinary(t, program.Shipped(t), base+ca.listener("8443", without, ""))
	d.Find("externalAccountRequired")
}

// below is the text of all files of a folder.
func below(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
