package storage

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/porticod/portico/pkg/durable"
)

// MarkName is the name of a Mark in a data folder.
const MarkName = "moving"

// Stages of a move.
const (
	Copying   = "copying"   // the target lacks much
	Copied    = "copied"    // the target lacks what was written since
	Switching = "switching" // the target is the truth; the folder has to be told so
)

// A Mark says that what is in a data folder is on its way elsewhere. It has no
// secrets.
type Mark struct {
	ID    string `json:"id"` // random; the targets know it
	Stage string `json:"stage"`
	// From and To are what Config.Where says of database and blobs.
	From  map[string]string `json:"from"`
	To    map[string]string `json:"to"`
	Begun time.Time         `json:"begun"`
	// Steps are what is left to do of the switch.
	Steps []Step `json:"steps,omitempty"`
}

// where are the places that a move is about.
func (c Config) where() map[string]string {
	where := map[string]string{}
	for _, what := range []string{"database", "blobs"} {
		if at := c.Where()[what]; at != "" {
			where[what] = at
		}
	}
	return where
}

func newMark(from, to Config) *Mark {
	return &Mark{ID: rand.Text(), Stage: Copying, From: from.where(), To: to.where(), Begun: time.Now().UTC().Truncate(time.Second)}
}

// Leads reports whether a block names the places where the move goes to.
func (m *Mark) Leads(c Config) bool { return equal(m.To, c.where()) }

// Began reports whether a block names the places where the move began.
func (m *Mark) Began(c Config) bool { return equal(m.From, c.where()) }

func equal(a, b map[string]string) bool {
	return a["database"] == b["database"] && a["blobs"] == b["blobs"]
}

// Target is where the move goes to, for people.
func (m *Mark) Target() string { return places(m.To) }

// Origin is where it began.
func (m *Mark) Origin() string { return places(m.From) }

func places(where map[string]string) string {
	database, blobs := where["database"], where["blobs"]
	switch {
	case database == "" && blobs == "":
		return "the data folder"
	case database == "":
		return blobs + " and, for rows, the data folder"
	case blobs == "":
		return database + " and, for files, the data folder"
	}
	return database + " and " + blobs
}

// ReadMark reads the mark of a data folder; nil: there is none.
func ReadMark(dataDir string) (*Mark, error) {
	path := filepath.Join(dataDir, MarkName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var m Mark
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s, where portico migrate notes how far it is: %w", path, err)
	}
	return &m, nil
}

func (m *Mark) write(dataDir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = durable.WriteFile(filepath.Join(dataDir, MarkName), 0o600, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note how far the move is: %w", err)
	}
	return nil
}

func removeMark(dataDir string) error {
	if err := os.Remove(filepath.Join(dataDir, MarkName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note that the move is done: %w", err)
	}
	return durable.SyncDir(dataDir)
}
