package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ours is portico's own module.
const ours = "github.com/porticod/portico"

// goModule stands for the standard library and the run-time system.
const goModule = "std"

// platforms are those that releases are made for.
var platforms = []string{"amd64", "arm64"}

// A module is one that the program is linked with.
type module struct {
	Path, Version string
	Sum           string // h1: of go.sum; "" for Go itself
	Licences      []string
	Files         []licenceFile // in the order of their paths
	Needs         []string      // the modules that its packages import, in order
}

// A licenceFile is a file with a licence or a notice.
type licenceFile struct {
	Path string // in the module
	Text string
}

// a goPackage is what go list says about a package.
type goPackage struct {
	ImportPath, Dir     string
	Standard            bool
	Imports, EmbedFiles []string
	Module              *struct{ Path, Version, Dir, Sum string }
}

func (p goPackage) module() string {
	if p.Standard || p.Module == nil {
		return goModule
	}
	return p.Module.Path
}

// linked are the modules that cmd/portico is linked with on any of the
// platforms, with their licences, Go itself first. What has no licence, or one
// that is not allowed, is an error.
func linked(ctx context.Context, root string) ([]module, error) {
	packages := map[string]goPackage{}
	for _, arch := range platforms {
		if err := list(ctx, root, arch, packages); err != nil {
			return nil, err
		}
	}
	found := map[string]*module{}
	dirs := map[string]map[string]bool{} // of each module, relative
	for _, p := range packages {
		name := p.module()
		m := found[name]
		if m == nil {
			m = &module{Path: name}
			found[name], dirs[name] = m, map[string]bool{".": true}
		}
		for _, i := range p.Imports {
			if to, ok := packages[i]; ok && to.module() != name && !slices.Contains(m.Needs, to.module()) {
				m.Needs = append(m.Needs, to.module())
			}
		}
		if name == goModule {
			continue
		}
		m.Version, m.Sum = p.Module.Version, p.Module.Sum
		for _, dir := range placesOf(p) {
			dirs[name][dir] = true
		}
	}
	goroot, version, err := toolchain(ctx, root)
	if err != nil {
		return nil, err
	}
	found[goModule].Version = version
	var all []module
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(found)) {
		m := found[name]
		slices.Sort(m.Needs)
		dir := goroot
		for _, p := range packages {
			if p.module() == name && name != goModule {
				dir = p.Module.Dir
				break
			}
		}
		if name != ours {
			errs = append(errs, m.readLicences(dir, slices.Sorted(maps.Keys(dirs[name]))))
		} else {
			m.Licences = []string{"Apache-2.0"}
		}
		all = append(all, *m)
	}
	return all, errors.Join(errs...)
}

// list adds what the program is made of on one architecture.
func list(ctx context.Context, root, arch string, packages map[string]goPackage) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-tags=nodynamic", "-deps", "-json=ImportPath,Dir,Standard,Imports,EmbedFiles,Module", "./cmd/portico")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return fmt.Errorf("list the packages: %w", err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("list the packages: %w", err)
		}
		packages[p.ImportPath] = p
	}
}

// toolchain says where Go lies, and which one it is.
func toolchain(ctx context.Context, root string) (goroot, version string, err error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("ask for Go's version: %w", err)
	}
	goroot, version, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return goroot, strings.TrimPrefix(version, "go"), nil
}

// placesOf are the folders of the module that may say something about the
// licence of p: its own, those above, those of what it embeds, and those just
// below that hold no code.
func placesOf(p goPackage) (dirs []string) {
	for dir := p.Dir; ; dir = filepath.Dir(dir) {
		rel, err := filepath.Rel(p.Module.Dir, dir)
		if err != nil {
			return dirs
		}
		dirs = append(dirs, rel)
		if rel == "." {
			break
		}
	}
	own := dirs[0]
	for _, f := range p.EmbedFiles {
		dirs = append(dirs, filepath.Join(own, filepath.Dir(f)))
	}
	below, _ := os.ReadDir(p.Dir) // go list has just read it
	for _, e := range below {
		if !e.IsDir() || e.Name() == "testdata" {
			continue
		}
		if code, _ := filepath.Glob(filepath.Join(p.Dir, e.Name(), "*.go")); len(code) == 0 {
			dirs = append(dirs, filepath.Join(own, e.Name()))
		}
	}
	return dirs
}

// aLicence are the names of files that matter.
var aLicence = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense|notice|patents)([.-].*)?$`)

// beside are files with such a name that are about something else.
var beside = map[string]string{
	"modernc.org/memory LICENSE-LOGO":              "the picture on its page",
	"github.com/quic-go/quic-go assets/LICENSE.md": "its logo",
	"modernc.org/sqlite LICENSE-SQLITE_VEC":        "an extension that is not linked",
}

// readLicences reads the files of the module in dir, and judges them.
func (m *module) readLicences(dir string, places []string) error {
	for _, place := range places {
		entries, err := os.ReadDir(filepath.Join(dir, place))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for licences: %w", err)
		}
		for _, e := range entries {
			path := filepath.ToSlash(filepath.Join(place, e.Name()))
			if !e.Type().IsRegular() || !aLicence.MatchString(e.Name()) || beside[m.Path+" "+path] != "" {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, place, e.Name()))
			if err != nil {
				return fmt.Errorf("read a licence: %w", err)
			}
			m.Files = append(m.Files, licenceFile{path, string(b)})
		}
	}
	slices.SortFunc(m.Files, func(a, b licenceFile) int { return strings.Compare(a.Path, b.Path) })
	return m.judge()
}
