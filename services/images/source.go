package images

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

// An ident names the content of a file at one moment: path, inode, size and time
// of change. Another file under the same name has another one, also where a
// copy kept the time.
type ident [16]byte

// version is short enough for addresses.
func (i ident) version() string { return base64.RawURLEncoding.EncodeToString(i[:9]) }

// A source is an opened picture of the folder.
type source struct {
	*io.SectionReader
	file   *os.File
	name   string // below the root, with slashes
	format picture.Format
	size   int64
	mod    time.Time
	id     ident
}

// open opens a picture below root; the caller closes its file. What is no
// picture by its content does not exist.
func open(root *os.Root, name string) (*source, error) {
	f, fi, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		_ = f.Close()
		return nil, errNotFound
	}
	s := &source{
		SectionReader: io.NewSectionReader(f, 0, fi.Size()),
		file:          f, name: name, size: fi.Size(), mod: fi.ModTime(), id: identOf(name, fi),
	}
	var head [16]byte
	n, err := s.ReadAt(head[:min(s.size, 16)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read picture: %w", err)
	} else if s.format = picture.Sniff(head[:n]); s.format == picture.Auto {
		err = errNotFound
	} else {
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

// facts are what is known about a picture. They do not change: another content
// has another ident.
type facts struct {
	info     picture.Info
	blurhash string // empty: not made yet
	err      error  // why it cannot be made smaller; info may be missing then
}

// facts returns what is known about src, from memory if possible. An err in them is
// the picture's fault; one besides them is not.
func (s *Service) facts(src *source) (*facts, error) {
	if f, ok := s.known.GetIfPresent(src.id); ok {
		return f, nil
	}
	info, err := picture.Inspect(src)
	if err != nil && !faulty(err) {
		return nil, err
	}
	f := &facts{info: info, err: err}
	if err == nil {
		f.blurhash = s.storedBlurhash(src.id)
	}
	f, _ = s.known.SetIfAbsent(src.id, f) // whoever was faster may know more
	return f, nil
}

// faulty reports that the picture itself is the reason, so that trying again is
// of no use.
func faulty(err error) bool {
	return errors.Is(err, picture.ErrFormat) || errors.Is(err, picture.ErrBroken)
}

// stored is what the disk cache keeps beside the versions.
type stored struct {
	Blurhash string `json:"blurhash"`
}

func (s *Service) storedBlurhash(id ident) string {
	f, _, ok := s.disk.get(s.ctx, keyOf(id, "facts"))
	if !ok {
		return ""
	}
	defer f.Close()
	var v stored
	if json.NewDecoder(io.LimitReader(f, 4096)).Decode(&v) != nil {
		return ""
	}
	return v.Blurhash
}

// learn remembers the blurhash of a picture, here and on disk.
func (s *Service) learn(id ident, info picture.Info, hash string) {
	s.known.Set(id, &facts{info: info, blurhash: hash})
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(stored{hash}) // into memory, it cannot fail
	s.store(keyOf(id, "facts"), ".json", b.Bytes())
}
