package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What follows is the part of CycloneDX 1.6 that is used here.
type (
	bom struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Serial       string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp  string      `json:"timestamp"`
		Lifecycles []lifecycle `json:"lifecycles"`
		Component  component   `json:"component"`
	}
	lifecycle struct {
		Phase string `json:"phase"`
	}
	component struct {
		Type       string       `json:"type"`
		Ref        string       `json:"bom-ref"`
		Name       string       `json:"name"`
		Version    string       `json:"version"`
		Scope      string       `json:"scope,omitempty"`
		Hashes     []hash       `json:"hashes,omitempty"`
		Licences   []expression `json:"licenses,omitempty"`
		PURL       string       `json:"purl"`
		Properties []property   `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	expression struct {
		Expression string `json:"expression"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// writeSBOM writes the bill of materials of a program. What the program itself
// says that it is made of has to be what the tree says.
func writeSBOM(out io.Writer, all []module, version, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read what the program is made of: %w", err)
	}
	if info.Main.Path != ours {
		return fmt.Errorf("%s is not portico, but %s", program, info.Main.Path)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	in := map[string]string{goModule: strings.TrimPrefix(info.GoVersion, "go"), ours: version}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		in[d.Path] = d.Version
	}
	all = slices.Clone(all)
	known := map[string]bool{}
	for i, m := range all {
		known[m.Path] = true
		switch v, ok := in[m.Path]; {
		case !ok:
			all[i].Path = "" // linked on another platform
		case m.Path == ours || m.Path == goModule:
			all[i].Version = v
		case v != m.Version:
			return fmt.Errorf("the program has %s %s, and the tree %s", m.Path, v, m.Version)
		}
	}
	for path, v := range in {
		if !known[path] {
			return fmt.Errorf("the program has %s %s, which the tree has not", path, v)
		}
	}
	all = slices.DeleteFunc(all, func(m module) bool { return m.Path == "" })
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(newBOM(all, info, sha256.Sum256(content)))
}

func newBOM(all []module, info *buildinfo.BuildInfo, sum [sha256.Size]byte) bom {
	refs := map[string]string{}
	for _, m := range all {
		refs[m.Path] = m.purl()
	}
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Serial: "urn:uuid:" + uuidOf(sum), Components: []component{},
	}
	b.Metadata.Timestamp = when().Format(time.RFC3339)
	b.Metadata.Lifecycles = []lifecycle{{"build"}}
	for _, m := range all {
		c := m.component()
		if m.Path == ours {
			c.Type = "application"
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum[:])}}
			for _, s := range info.Settings {
				if slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED"}, s.Key) {
					c.Properties = append(c.Properties, property{"go:" + s.Key, s.Value})
				}
			}
			b.Metadata.Component = c
		} else {
			c.Scope = "required"
			b.Components = append(b.Components, c)
		}
		d := dependency{Ref: c.Ref, DependsOn: []string{}}
		for _, n := range m.Needs {
			if refs[n] != "" {
				d.DependsOn = append(d.DependsOn, refs[n])
			}
		}
		b.Dependencies = append(b.Dependencies, d)
	}
	return b
}

func (m module) purl() string {
	return "pkg:golang/" + m.Path + "@" + strings.NewReplacer("+", "%2B").Replace(m.Version)
}

func (m module) component() component {
	c := component{
		Type: "library", Ref: m.purl(), Name: m.Path, Version: m.Version, PURL: m.purl(),
		Licences: []expression{{strings.Join(m.Licences, " AND ")}},
	}
	// h1 is SHA-256 of a list of the module's files, in base64.
	if b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(b) == sha256.Size {
		c.Properties = []property{{"go:sum", m.Sum}}
	}
	return c
}

// uuidOf makes the same name for the same program: a UUID of version 8 (RFC 9562).
func uuidOf(sum [sha256.Size]byte) string {
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// when is the time that reproducible builds carry.
func when() time.Time {
	if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(s, 0).UTC()
	}
	return time.Now().UTC()
}
