package config

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/durable"
)

// lastGood is the saved copy: every file that was read, under the absolute path
// of the original. Loading reads from it as if the originals were there, so that
// relative paths, includes and file() mean what they meant. Secrets and
// certificates are not in it: they stay where they are.
type lastGood struct {
	Version int               `json:"version"`
	Main    string            `json:"main"`
	Files   map[string]string `json:"files"`
}

const (
	lastGoodVersion = 1
	lastGoodName    = "config.json"
	maxLastGood     = 2 * maxFiles * maxFile
)

// SaveLastGood writes a copy of the files that cfg was made of to the folder
// dir, mode 0600, replacing an older one whole or not at all.
func SaveLastGood(cfg *Config, dir string) error {
	copied := lastGood{Version: lastGoodVersion, Main: cfg.File, Files: map[string]string{}}
	for path, b := range cfg.texts {
		copied.Files[path] = string(b)
	}
	b, err := json.MarshalIndent(copied, "", "  ")
	if err != nil {
		return fmt.Errorf("encode last good config: %w", err)
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder of last good config: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, lastGoodName), 0o600, b); err != nil {
		return fmt.Errorf("save last good config: %w", err)
	}
	return nil
}

// LoadLastGood loads the copy in the folder dir. Its Config names the original
// files. Variables, environment and secrets are those of now. Without a copy the
// error is fs.ErrNotExist and there are no diagnostics.
func LoadLastGood(dir string, opt Options) (*Config, *Source, hcl.Diagnostics, error) {
	b, err := readFile(filepath.Join(dir, lastGoodName), maxLastGood)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read last good config: %w", err)
	}
	var copied lastGood
	if err := json.Unmarshal(b, &copied); err != nil {
		return nil, nil, nil, fmt.Errorf("read last good config: %w", err)
	}
	if copied.Version != lastGoodVersion {
		return nil, nil, nil, fmt.Errorf("read last good config: version %d is not known", copied.Version)
	}
	texts := map[string][]byte{}
	for path, text := range copied.Files {
		texts[path] = []byte(text)
	}
	opt.files = saved(texts)
	cfg, src, diags := Load(copied.Main, opt)
	return cfg, src, diags, nil
}
