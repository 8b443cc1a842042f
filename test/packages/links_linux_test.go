package packages

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// atHome is where links lead to that no package has the file of.
const atHome = "https://github.com/porticod/portico/blob/main/"

var link = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)

// links follows every link of the installed pages: to a file beside them, or to one
// of the tree at home.
func links(t *testing.T, dir string) {
	pages, followed := 0, 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pages++
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(m[1]+m[2], "#")
			file := filepath.Join(filepath.Dir(path), target)
			if rest, ok := strings.CutPrefix(target, atHome); ok {
				file = filepath.Join("../..", rest)
			} else if target == "" || strings.Contains(target, "://") {
				continue
			}
			followed++
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s leads nowhere", strings.TrimPrefix(path, dir+"/"), m[0])
			}
		}
		return nil
	})
	if err != nil || pages < 25 || followed < 100 {
		t.Errorf("%d pages with %d links: %v", pages, followed, err)
	}
}
