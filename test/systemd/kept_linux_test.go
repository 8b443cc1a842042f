package systemd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// look looks at what was acknowledged since the last time, or at everything. It
// returns how much that was.
func (u *uploads) look(all bool) int {
	u.mu.Lock()
	from := u.looked
	if all {
		from = 0
	}
	list := u.kept[from:]
	u.looked = len(u.kept)
	u.mu.Unlock()
	for _, k := range list {
		if err := k.look(); err != nil {
			u.fault("%s was acknowledged: %v", k.name, err)
		}
	}
	return len(list)
}

// nothingElse compares what people can see with what was acknowledged: when all
// have ended, with an answer, it is the same, and each thing is there once.
func (u *uploads) nothingElse() error {
	posts, err := u.allPosts()
	if err != nil {
		return err
	}
	messages, err := u.allMessages()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what        string
		acked, seen []string
	}{{"posts", slices.Sorted(maps.Keys(u.posts)), posts}, {"messages", slices.Sorted(maps.Keys(u.messages)), messages}} {
		slices.Sort(c.seen)
		if !slices.Equal(c.acked, c.seen) {
			u.fault("%d %s were acknowledged, %d are there", len(c.acked), c.what, len(c.seen))
		}
	}
	return nil
}

// allPosts are the captions of what everybody sees.
func (u *uploads) allPosts() (captions []string, err error) {
	for last := ""; ; {
		var list []shown
		if err := u.call("GET", u.photos+"/api/v1/timelines/public?limit=40"+last, "", body{}, &list); err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return captions, nil
		}
		for _, s := range list {
			captions = append(captions, strings.NewReplacer("<p>", "", "</p>", "").Replace(s.Content))
		}
		last = "&max_id=" + list[len(list)-1].ID
	}
}

// allMessages are the cids of those that came with attachments.
func (u *uploads) allMessages() (cids []string, err error) {
	for after := int64(0); ; {
		var page struct {
			Messages []struct {
				CID string
				Seq int64
			}
			More bool
		}
		if err := u.call("GET", fmt.Sprintf("%s/v1/conversations/%s/messages?after=%d&limit=200", u.chat, u.talk[0].conv, after), u.talk[0].token, body{}, &page); err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			cids, after = append(cids, m.CID), m.Seq
		}
		if !page.More {
			return cids, nil
		}
	}
}

// data is where the unit has portico's state.
const data = "/var/lib/portico"

// onTheirWay are the files below root in folders for what is on its way.
func onTheirWay(root string) (list []string, err error) {
	for _, dir := range []string{"tmp", "spool", "uploads"} {
		for _, depth := range []string{"/*/*/", "/*/*/*/"} { // kind/name/tmp, kind/name/blobs/tmp
			names, err := filepath.Glob(root + depth + dir + "/*")
			if err != nil {
				return nil, err
			}
			list = append(list, names...)
		}
	}
	return list, nil
}

// checkBlobs looks whether every blob has the bytes that its name is the hash of.
func checkBlobs(root string) error {
	blobs := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		if err != nil || !e.Type().IsRegular() || !strings.Contains(path, "/blobs/") || strings.Contains(path, "/tmp/") {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		blobs++
		if sum := sha256.Sum256(b); err == nil && hex.EncodeToString(sum[:]) != e.Name() {
			err = fmt.Errorf("%s has other bytes than its name says", path)
		}
		return err
	})
	if err == nil && blobs == 0 {
		err = fmt.Errorf("there are no blobs below %s", root)
	}
	return err
}

// endUploads ends the uploads and looks at everything that is there.
func (d *driving) endUploads() error {
	d.uploads.end()
	d.report.Uploads = d.uploads.look(true)
	if err := d.uploads.nothingElse(); err != nil {
		return err
	}
	// Pictures are still worked on, and that has temporary files for a moment.
	var left []string
	if err := eventually("nothing is on its way", func() bool {
		var err error
		left, err = onTheirWay(data)
		return err == nil && len(left) == 0
	}); err != nil {
		return fmt.Errorf("%w: %q", err, left)
	}
	if err := checkBlobs(data); err != nil {
		return err
	}
	d.uploads.mu.Lock()
	defer d.uploads.mu.Unlock()
	d.report.Faults = append(d.report.Faults, d.uploads.faults...)
	d.report.UploadFaults = len(d.uploads.faults)
	return nil
}
