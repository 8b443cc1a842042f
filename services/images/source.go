package images

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/filemark"
	"github.com/porticod/portico/pkg/picture"
)

// An ident names the content of a file at one moment: path, inode, size and time
// of change. Another file under the same name has another one, also where a
// copy kept the time.
type ident [16]byte

// version is short enough for addresses.
func (i ident) version() string { return base64.RawURLEncoding.EncodeToString(i[:9]) }

// A source is a picture of the folder as one request sees it.
type source struct {
	name    string // below the root, with slashes
	format  picture.Format
	size    int64 // bytes
	mod     time.Time
	id      ident
	version string
	// lastModified and etag are header values, never changed; etag is that of
	// the picture as it is.
	lastModified, etag []string
	file               *os.File      // nil: not open
	mark               filemark.Mark // as it was opened
	// settled tells that the mark changes with the next change of the file.
	settled bool
}

// reader is what the pipeline reads; the file must be open.
func (s *source) reader() *io.SectionReader { return io.NewSectionReader(s.file, 0, s.size) }

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read
	}
}

// open opens a picture below root; the caller closes it. What is no picture by
// its content does not exist.
func open(root *os.Root, name string) (*source, error) {
	f, fi, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		_ = f.Close()
		return nil, errNotFound
	}
	s := &source{name: name, size: fi.Size(), mod: fi.ModTime(), id: identOf(name, fi), file: f}
	var head [16]byte
	n, err := s.reader().ReadAt(head[:min(s.size, 16)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read picture: %w", err)
	} else if s.format = picture.Sniff(head[:n]); s.format == picture.Auto {
		err = errNotFound
	} else {
		s.version = s.id.version()
		s.etag = []string{`"` + s.version + `"`}
		if s.mod.Unix() > 0 {
			s.lastModified = []string{s.mod.UTC().Format(http.TimeFormat)}
		}
		var ok bool
		s.mark, ok = filemark.Of(fi)
		s.settled = ok && s.mark.Settled(time.Now())
		return s, nil
	}
	_ = f.Close()
	return nil, err
}

// openFile opens a file or folder, but nothing else.
func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	// A named pipe without a writer would hold up a blocking open for ever.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open picture: %w", err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() && !fi.IsDir() {
		err = errNotFound
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

func identOf(name string, fi fs.FileInfo) ident {
	b := make([]byte, 0, 64+len(name))
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		b = binary.LittleEndian.AppendUint64(b, uint64(st.Dev))
		b = binary.LittleEndian.AppendUint64(b, st.Ino)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(fi.Size()))
	b = binary.LittleEndian.AppendUint64(b, uint64(fi.ModTime().UnixNano()))
	sum := sha256.Sum256(append(b, name...))
	return ident(sum[:16])
}

// A sight is a picture that was opened lately, and how the file looked then.
type sight struct {
	source // without its file
	root   string
	looks  *filemark.Sight
	until  time.Time // the way through the folders is gone again from then on
}

const (
	// sightTime is how long a picture is recognized by its mark alone. A file
	// that is moved out of the root and linked to keeps its mark.
	sightTime = time.Second
	// maxSights is what all of them may take together, in bytes.
	maxSights = 8 << 20
)

func (g *sight) weight() uint32 { return uint32(512 + 2*len(g.looks.Path())) }

// glance returns a picture that was opened lately, if its file is still the
// same: one system call in place of eight, or none. Its file is not open.
func (s *Service) glance(cfg *Config, name string) *source {
	g, ok := s.sights.GetIfPresent(name)
	now := time.Now()
	if !ok || g.root != string(cfg.Root) || !now.Before(g.until) || !g.looks.Same(now) {
		return nil
	}
	src := g.source
	return &src
}

// look opens a picture below root and remembers it for glance.
func (s *Service) look(cfg *Config, root *os.Root, name string) (*source, error) {
	src, err := open(root, name)
	if err != nil {
		return nil, err
	}
	if src.settled {
		looks := filemark.NewSight(filepath.Join(string(cfg.Root), name), src.mark)
		g := &sight{source: *src, root: string(cfg.Root), looks: looks, until: time.Now().Add(sightTime)}
		g.file = nil
		s.sights.Set(name, g)
	}
	return src, nil
}

// need sees to it that the file of src is open.
func (s *Service) need(cfg *Config, src *source) error {
	if src.file != nil {
		return nil
	}
	root, err := os.OpenRoot(string(cfg.Root))
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	defer root.Close()
	again, err := open(root, src.name)
	if err == nil && again.id != src.id {
		again.close()
		err = errChanged
	}
	if err != nil {
		s.sights.Invalidate(src.name)
		return err
	}
	src.file, src.size = again.file, again.size
	return nil
}

// errChanged: the file is another one than when the request looked at it.
var errChanged = errors.New("the picture was replaced meanwhile")

// split turns a path into a name below the root, "." for the root itself; folder
// tells that it ends in a slash. It is not ok where a part of the path is empty
// or hidden.
func split(urlPath string) (name string, folder, ok bool) {
	rest, ok := strings.CutPrefix(urlPath, "/")
	if !ok || strings.ContainsRune(urlPath, 0) {
		return "", false, false
	}
	if rest == "" {
		return ".", true, true
	}
	rest, folder = strings.CutSuffix(rest, "/")
	for part := range strings.SplitSeq(rest, "/") {
		if !visible(part) {
			return "", false, false
		}
	}
	return rest, folder, true
}

// visible reports whether a file or folder of this name is not hidden.
func visible(name string) bool { return name != "" && name[0] != '.' }
