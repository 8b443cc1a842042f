package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A peerPackage says where a command comes from.
type peerPackage struct {
	command  string
	packages []string // Debian's
	also     []string // patterns of files that have to be there, too
	version  []string // command line that tells it; empty: nobody wants to know
}

var peerPackages = []peerPackage{
	{command: "wrk", packages: []string{"wrk"}},
	{command: "nginx", packages: []string{"nginx-light", "libnginx-mod-stream"}, also: []string{"/usr/lib/nginx/modules/ngx_stream_module.so"}, version: []string{"nginx", "-v"}},
	{command: "haproxy", packages: []string{"haproxy"}, version: []string{"haproxy", "-v"}},
	{command: "sslh-select", packages: []string{"sslh"}, version: []string{"sslh-select", "-V"}},
	{command: "vipsthumbnail", packages: []string{"libvips-tools"}, version: []string{"vips", "--version"}},
	{command: "vips", packages: []string{"libvips-tools"}},
	{command: "psql", packages: []string{"postgresql"}, also: []string{"/usr/lib/postgresql/*/bin/initdb"}, version: []string{"psql", "--version"}},
	{command: "nats-server", packages: []string{"nats-server"}, version: []string{"nats-server", "--version"}},
	{command: "prosody", packages: []string{"prosody"}, version: []string{"prosodyctl", "about"}},
}

func peerOf(command string) (peerPackage, bool) {
	i := slices.IndexFunc(peerPackages, func(p peerPackage) bool { return p.command == command })
	if i < 0 {
		return peerPackage{}, false
	}
	return peerPackages[i], true
}

// missing are the packages that these parts need and that are not there.
func missing(chosen []part) (packages []string) {
	for _, part := range chosen {
		for _, command := range part.needs {
			peer, _ := peerOf(command)
			_, err := exec.LookPath(command)
			for _, pattern := range peer.also {
				if found, _ := filepath.Glob(pattern); len(found) == 0 {
					err = errors.Join(err, fs.ErrNotExist)
				}
			}
			if err != nil {
				packages = append(packages, peer.packages...)
			}
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// havePeers installs what is missing, or says what to install.
func havePeers(ctx context.Context, chosen []part) error {
	path := os.Getenv("PATH") // where servers are is not in everybody's
	if err := os.Setenv("PATH", path+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	packages := missing(chosen)
	if len(packages) == 0 {
		return nil
	}
	advice := fmt.Errorf("the peers of these parts are missing; install them (on Debian, as root: apt-get install --no-install-recommends %s), or choose parts by -only", strings.Join(packages, " "))
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return advice
	}
	say("installing %s", strings.Join(packages, " "))
	if err := aptInstall(ctx, packages); err != nil {
		return fmt.Errorf("%w: %w", advice, err)
	}
	if still := missing(chosen); len(still) > 0 {
		return fmt.Errorf("installed, and yet not there: %s", strings.Join(still, " "))
	}
	return nil
}

// policyFile keeps packages from starting services of their own: invoke-rc.d asks
// it.
const policyFile = "/usr/sbin/policy-rc.d"

func aptInstall(ctx context.Context, packages []string) (err error) {
	f, err := os.OpenFile(policyFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	switch {
	case errors.Is(err, fs.ErrExist):
	case err != nil:
		return fmt.Errorf("keep packages from starting services: %w", err)
	default:
		defer func() { err = errors.Join(err, os.Remove(policyFile)) }()
		_, werr := f.WriteString("#!/bin/sh\nexit 101\n")
		if err := errors.Join(werr, f.Close()); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// peerVersions says which versions of peers a part met.
func peerVersions(ctx context.Context, commands []string) string {
	var all []string
	for _, command := range commands {
		peer, _ := peerOf(command)
		if len(peer.version) == 0 {
			continue
		}
		out, _ := exec.CommandContext(ctx, peer.version[0], peer.version[1:]...).CombinedOutput()
		if v := versionNumber.Find(out); v != nil {
			all = append(all, fmt.Sprintf("%s %s", strings.TrimSuffix(command, "-select"), v))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "Beside " + strings.Join(all, ", ") + "."
}
