package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// overhead bounds what an archive has of each file beside its bytes.
const overhead = 8 << 10

// A reading goes through a backup once, from its header to its checksums, and
// refuses it at the first thing that cannot be.
type reading struct {
	ctx      context.Context
	progress Progress
	what     string
	work     string                                           // a folder for notes, which goes with the work; "": one is made
	begin    func(Header) error                               // what it is, before anything is unpacked; may refuse
	file     func(path string, size int64, r io.Reader) error // of data; reads all of r
	before   string                                           // an older backup: files that are the same as in it, by link, are not read again
	cold     bool                                             // what is read comes from the disk and not from memory, where the system can

	header      Header
	files, done int64
	last        string // path
	sums        *sumFile
}

// Checked is what was found out about a whole backup.
type Checked struct {
	Header
	Sum string // as in Report
}

// run reads the backup at name: an archive, a folder, or the stream r.
func (g *reading) run(name string, r io.Reader) (c Checked, err error) {
	if g.work == "" {
		if g.work, err = os.MkdirTemp("", "portico-check-"); err != nil {
			return c, fmt.Errorf("note checksums: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(g.work)) }()
	}
	if g.sums, err = newSums(g.work); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, g.sums.close()) }()
	if r != nil {
		slow := newLetGoReader(g.ctx, r)
		defer slow.end()
		err = g.archive(slow)
	} else {
		err = g.open(name)
	}
	return Checked{g.header, g.sums.sum()}, err
}

func (g *reading) open(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	if fi.IsDir() {
		return g.folder(name)
	}
	g.cool(f)
	return g.archive(f)
}

func (g *reading) cool(f *os.File) {
	if g.cold {
		forget(f)
	}
}

// bounded ends with an error where more is read than was announced, such as out
// of few bytes that unpack to many.
type bounded struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	if b.left <= 0 {
		return 0, damaged("it unpacks to more than it says")
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// unpacked sees through the compression, if there is one.
func unpacked(r io.Reader) (out io.Reader, end func(), err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	magic, _ := in.Peek(4) // a shorter one is no archive, as tar will find
	if !bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return in, func() {}, nil
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, nil, damaged("%v", err)
	}
	return z, z.Close, nil
}

func (g *reading) archive(r io.Reader) error {
	out, end, err := unpacked(r)
	if err != nil {
		return err
	}
	defer end()
	in := &bounded{g.ctx, out, maxHeader + overhead}
	t := tar.NewReader(in)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return damaged("it ends early: without its list of checksums")
		}
		if err != nil {
			return g.broken(err)
		}
		for key := range h.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse") {
				return damaged("%q has holes", printable(h.Name))
			}
		}
		if h.Typeflag != tar.TypeReg {
			return damaged("%q is no plain file", printable(h.Name))
		}
		last, err := g.entry(h.Name, h.Size, t)
		if err != nil {
			return g.broken(err)
		}
		if h.Name == headerName {
			in.left = g.header.Bytes + (g.header.Files+3)*(overhead+maxPath+2*sha256.Size)
		}
		if last {
			return g.ending(t, in)
		}
	}
}

// ending refuses what comes after the checksums, and reads the compression's own.
func (g *reading) ending(t *tar.Reader, in io.Reader) error {
	if _, err := t.Next(); err != io.EOF {
		return damaged("there is more after its list of checksums")
	}
	n, err := io.Copy(io.Discard, io.LimitReader(in, 64<<10+1))
	if err != nil {
		return g.broken(err)
	}
	if n > 64<<10 {
		return damaged("there is more after its end")
	}
	return nil
}

// broken says that the archive, not the work, is what failed.
func (g *reading) broken(err error) error {
	var path *fs.PathError
	switch {
	case g.ctx.Err() != nil:
		return context.Cause(g.ctx)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrNewer), errors.As(err, &path):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("it ends early")
	case errors.Is(err, tar.ErrHeader), errors.Is(err, tar.ErrInsecurePath), isZstd(err):
		return damaged("%v", err)
	}
	return err
}

func isZstd(err error) bool {
	for _, z := range []error{
		zstd.ErrMagicMismatch, zstd.ErrCRCMismatch, zstd.ErrWindowSizeExceeded, zstd.ErrWindowSizeTooSmall, zstd.ErrDecoderSizeExceeded,
		zstd.ErrUnknownDictionary, zstd.ErrFrameSizeExceeded, zstd.ErrFrameSizeMismatch, zstd.ErrBlockTooSmall, zstd.ErrCompressedSizeTooBig,
		zstd.ErrReservedBlockType, zstd.ErrUnexpectedBlockSize, zstd.ErrDecoderClosed,
	} {
		if errors.Is(err, z) {
			return true
		}
	}
	return strings.Contains(err.Error(), "corrupt") || strings.Contains(err.Error(), "invalid input")
}

// entry takes one file of a backup; last reports that it was the list.
func (g *reading) entry(name string, size int64, r io.Reader) (last bool, err error) {
	first := g.last == ""
	switch {
	case first && name != headerName:
		return false, damaged("it does not begin with %s: it is no backup of portico", headerName)
	case first:
		sum := sha256.New()
		if g.header, err = parseHeader(io.TeeReader(r, sum)); err != nil {
			return false, err
		}
		if err := g.begin(g.header); err != nil {
			return false, err
		}
		g.last = headerName
		return false, g.sums.add([sha256.Size]byte(sum.Sum(nil)), headerName)
	case name == sumsName:
		if g.files != g.header.Files || g.done != g.header.Bytes {
			return false, damaged("it has %d files of %d bytes, and says %d of %d", g.files, g.done, g.header.Files, g.header.Bytes)
		}
		return true, g.sums.differs(r)
	}
	return false, g.data(name, size, r)
}

func (g *reading) data(name string, size int64, r io.Reader) error {
	p, err := g.next(name, size)
	if err != nil {
		return err
	}
	sum := sha256.New()
	in := &told{io.TeeReader(r, sum), g}
	if err := g.file(p, size, in); err != nil {
		return err
	}
	return g.sums.add([sha256.Size]byte(sum.Sum(nil)), name)
}

// next counts a file of data and returns its path in the data folder.
func (g *reading) next(name string, size int64) (string, error) {
	p, ok := strings.CutPrefix(name, dataPrefix)
	if !ok {
		return "", damaged("%q does not belong in a backup", printable(name))
	}
	if err := checkPath(p); err != nil {
		return "", err
	}
	if g.last != headerName && name <= g.last {
		return "", damaged("%q is not in its place", printable(name))
	}
	g.last = name
	g.files++
	if size < 0 || g.files > g.header.Files || size > g.header.Bytes-g.done {
		return "", damaged("it has more than it says")
	}
	return p, nil
}

// told counts what is read of the data.
type told struct {
	r io.Reader
	g *reading
}

func (t *told) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.g.done += int64(n)
	if t.g.progress != nil {
		t.g.progress(t.g.what, t.g.done, t.g.header.Bytes)
	}
	return n, err
}

// folder reads a backup that is a folder, in the order of its own list. What is
// not in the list is not looked at.
func (g *reading) folder(dir string) error {
	list, err := os.Open(filepath.Join(dir, sumsName))
	if err != nil {
		return fmt.Errorf("%w: it has no list of checksums: %w", ErrDamaged, err)
	}
	defer list.Close()
	g.cool(list)
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		want, name, ok := cut2(lines.Text())
		if !ok {
			return damaged("%s is no list of checksums", sumsName)
		}
		if err := g.fileOf(dir, name, want); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return damaged("%s: %v", sumsName, err)
	}
	if _, err := list.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	_, err = g.entry(sumsName, 0, list)
	return err
}

func (g *reading) fileOf(dir, name, want string) error {
	if err := checkPath(name); err != nil {
		return err
	}
	if name == sumsName {
		return damaged("%s lists itself", sumsName)
	}
	full := filepath.Join(dir, filepath.FromSlash(name))
	// Not through links: a backup has none.
	fi, err := os.Lstat(full)
	if err != nil || !fi.Mode().IsRegular() {
		return damaged("%s is missing, or no plain file", printable(name))
	}
	if g.before != "" {
		if old, err := os.Lstat(filepath.Join(g.before, filepath.FromSlash(name))); err == nil && os.SameFile(old, fi) {
			return g.trust(name, fi.Size(), want)
		}
	}
	f, err := openPlain(full)
	if err != nil {
		return err
	}
	defer f.Close()
	g.cool(f)
	fi, err = f.Stat()
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	if _, err = g.entry(name, fi.Size(), &bounded{g.ctx, f, fi.Size() + 1}); err != nil {
		return g.broken(err)
	}
	return nil
}

// trust takes a file for what the list says.
func (g *reading) trust(name string, size int64, want string) error {
	var sum [sha256.Size]byte
	if n, err := hex.Decode(sum[:], []byte(want)); err != nil || n != len(sum) {
		return damaged("%s is no list of checksums", sumsName)
	}
	if _, err := g.next(name, size); err != nil {
		return err
	}
	g.done += size
	return g.sums.add(sum, name)
}

// Check reads a whole backup, an archive, a folder, or where r is not nil that
// stream, and compares everything with its checksums.
//
// One that k does not know enough for is refused as in a restore.
func Check(ctx context.Context, name string, r io.Reader, k Known, p Progress) (Checked, error) {
	g := &reading{ctx: ctx, progress: p, what: "verifying", begin: func(h Header) error { return h.check(k) }, file: discard}
	return g.run(name, r)
}

// discard is for who only wants to know whether a file is whole.
func discard(_ string, size int64, r io.Reader) error { return exactly(io.Discard, r, size) }

// exactly copies all of r, which has to be size bytes.
func exactly(w io.Writer, r io.Reader, size int64) error {
	n, err := io.Copy(w, r)
	if err == nil && n != size {
		err = damaged("a file has %d bytes and not %d", n, size)
	}
	return err
}
