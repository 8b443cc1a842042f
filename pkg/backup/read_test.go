package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/porticod/portico/pkg/backup"
)

// An entry of an archive that a test makes.
type entry struct {
	name, text string
	kind       byte // 0: a plain file
	link       string
}

// pack makes an archive of entries, with a list of checksums unless there is one.
func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	sums := ""
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.text)), Mode: 0o600, Typeflag: e.kind, Linkname: e.link}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(e.text)), e.name)
	}
	if len(entries) > 0 && entries[len(entries)-1].name != "SHA256SUMS" {
		if err := w.WriteHeader(&tar.Header{Name: "SHA256SUMS", Size: int64(len(sums)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, sums); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func header(files, size int) entry {
	return entry{name: "portico-backup.json", text: fmt.Sprintf(`{"format":1,"portico":"1","created":"2026-01-01T00:00:00Z","layout":1,"files":%d,"bytes":%d,"databases":[]}`, files, size)}
}

func checkBytes(b []byte) (backup.Checked, error) {
	return backup.Check(context.Background(), "", bytes.NewReader(b), known, nil)
}

// Archives that somebody made by hand, or to do harm.
func TestBadArchives(t *testing.T) {
	version := entry{name: "data/VERSION", text: "1\n"}
	long := strings.Repeat("x", 2000)
	for name, c := range map[string]struct {
		entries []entry
		says    string
	}{
		"another archive":   {[]entry{{name: "readme", text: "hello"}}, "no backup of portico"},
		"no header":         {[]entry{version}, "no backup of portico"},
		"two headers":       {[]entry{header(1, 2), header(1, 2)}, "does not belong"},
		"header no JSON":    {[]entry{{name: "portico-backup.json", text: "{"}}, "portico-backup.json"},
		"header huge":       {[]entry{{name: "portico-backup.json", text: strings.Repeat(" ", 1<<20+1)}}, "larger than"},
		"negative":          {[]entry{header(-1, 2)}, "cannot be"},
		"newer form":        {[]entry{{name: "portico-backup.json", text: `{"format":2,"portico":"9\u001b[31m"}`}}, "number 2 (portico 9[31m), this program knows up to 1"},
		"traversal":         {[]entry{header(1, 2), {name: "data/../../etc/passwd", text: "x\n"}}, "cannot be"},
		"absolute":          {[]entry{header(1, 2), {name: "/etc/passwd", text: "x\n"}}, "does not belong"},
		"dot":               {[]entry{header(1, 2), {name: "data/./x", text: "x\n"}}, "cannot be"},
		"backslash":         {[]entry{header(1, 2), {name: `data/a\b`, text: "x\n"}}, "cannot be"},
		"control character": {[]entry{header(1, 2), {name: "data/a\nb", text: "x\n"}}, "cannot be"},
		"long name":         {[]entry{header(1, 2), {name: "data/" + long, text: "x\n"}}, "cannot be"},
		"deep name":         {[]entry{header(1, 2), {name: "data/" + strings.Repeat("x/", 40) + "x", text: "x\n"}}, "cannot be"},
		"symbolic link":     {[]entry{header(1, 2), {name: "data/x", kind: tar.TypeSymlink, link: "/etc"}}, "no plain file"},
		"hard link":         {[]entry{header(1, 2), {name: "data/x", kind: tar.TypeLink, link: "/etc/passwd"}}, "no plain file"},
		"folder":            {[]entry{header(1, 2), {name: "data/x/", kind: tar.TypeDir}}, "no plain file"},
		"device":            {[]entry{header(1, 2), {name: "data/x", kind: tar.TypeChar}}, "no plain file"},
		"pipe":              {[]entry{header(1, 2), {name: "data/x", kind: tar.TypeFifo}}, "no plain file"},
		"twice":             {[]entry{header(2, 4), version, version}, "not in its place"},
		"wrong order":       {[]entry{header(2, 4), version, {name: "data/A", text: "x\n"}}, "not in its place"},
		"more files":        {[]entry{header(1, 4), {name: "data/A", text: "x\n"}, version}, "more than it says"},
		"more bytes":        {[]entry{header(1, 1), version}, "more than it says"},
		"fewer files":       {[]entry{header(2, 2), version}, "says 2"},
		"wrong sum":         {[]entry{header(1, 2), version, {name: "SHA256SUMS", text: strings.Repeat("0", 64) + "  portico-backup.json\n"}}, "portico-backup.json is not what it was"},
		"short list":        {[]entry{header(1, 2), version, {name: "SHA256SUMS", text: ""}}, "ends early"},
	} {
		t.Run(name, func(t *testing.T) {
			b := pack(t, c.entries...)
			_, err := checkBytes(b)
			if !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrNewer) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
			above := t.TempDir()
			o := backup.RestoreOptions{Known: known, Dir: filepath.Join(above, "data")}
			if _, err := backup.Restore(t.Context(), o, "", bytes.NewReader(b)); err == nil {
				t.Error("it was restored")
			}
			empty(t, above)
		})
	}
	if _, err := checkBytes(pack(t, header(1, 2), version)); err != nil {
		t.Errorf("the good one: %v", err)
	}
	// More after the end.
	whole := pack(t, header(1, 2), version, entry{name: "SHA256SUMS"})
	if _, err := checkBytes(append(whole[:len(whole)-1024], pack(t, version)...)); err == nil {
		t.Error("there may be more after the list")
	}
}

// A few bytes that unpack to very many are refused after as many as they said.
func TestBomb(t *testing.T) {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	h := header(1, 10)
	for _, e := range []entry{h, {name: "data/x"}} {
		size := int64(len(e.text))
		if size == 0 {
			size = 4 << 30
		}
		if err := w.WriteHeader(&tar.Header{Name: e.name, Size: size, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := checkBytes(b.Bytes()); !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "more than it says") {
		t.Errorf("%v", err)
	}
	// What says that it is as large as that is refused before it is unpacked.
	big := pack(t, header(1, 1<<49), entry{name: "data/VERSION", text: "1\n"})
	o := backup.RestoreOptions{Known: known, Dir: filepath.Join(t.TempDir(), "data")}
	if _, err := backup.Restore(t.Context(), o, "", bytes.NewReader(big)); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("more than the disk has: %v", err)
	}
}

// Each end and each flipped bit of a backup is found, or makes no difference to
// what is in it.
func TestEveryDamageIsFound(t *testing.T) {
	name := aBackup(t)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	good, err := checkBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	step := max(1, len(b)/150)
	for at := 0; at < len(b); at += step {
		if _, err := checkBytes(b[:at]); !errors.Is(err, backup.ErrDamaged) {
			t.Fatalf("cut off after %d of %d bytes: %v", at, len(b), err)
		}
		bad := bytes.Clone(b)
		bad[at] ^= 1 << (at % 8)
		if got, err := checkBytes(bad); err == nil && got.Sum != good.Sum {
			t.Fatalf("bit %d of byte %d is another, and nobody sees it", at%8, at)
		}
	}
}

// The same for a backup that is a folder.
func TestDamagedFolder(t *testing.T) {
	s := newShop(t)
	ware := s.sell("ware")
	for name, damage := range map[string]func(dir string) error{
		"missing": func(dir string) error { return os.Remove(filepath.Join(dir, "data", blobName(ware))) },
		"changed": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "data", blobName(ware)), []byte("WARE"), 0o600)
		},
		"longer": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "data/VERSION"), []byte("1\n\n"), 0o600)
		},
		"no list":  func(dir string) error { return os.Remove(filepath.Join(dir, "SHA256SUMS")) },
		"bad list": func(dir string) error { return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte("x"), 0o600) },
		"a link": func(dir string) error {
			n := filepath.Join(dir, "data/VERSION")
			return errors.Join(os.Rename(n, n+".real"), os.Symlink(n+".real", n))
		},
		"out of it": func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "SHA256SUMS"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString(strings.Repeat("0", 64) + "  ../../etc/passwd\n")
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := backup.ToFolder(t.Context(), s.options(), t.TempDir(), 0)
			if err = errors.Join(err, damage(r.Path)); err != nil {
				t.Fatal(err)
			}
			if _, err := backup.Check(t.Context(), r.Path, nil, known, nil); !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A database that was damaged before it was copied does not pass for a backup's.
func TestDamagedDatabaseInABackup(t *testing.T) {
	bad := append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{7}, 8192)...)
	h := entry{name: "portico-backup.json", text: fmt.Sprintf(`{"format":1,"layout":1,"files":2,"bytes":%d,"databases":[{"path":"shop/one/shop.db","schema":1}]}`, len(bad)+2)}
	b := pack(t, h, entry{name: "data/VERSION", text: "1\n"}, entry{name: "data/shop/one/shop.db", text: string(bad)})
	above := t.TempDir()
	if _, err := backup.Restore(t.Context(), backup.RestoreOptions{Known: known, Dir: filepath.Join(above, "data")}, "", bytes.NewReader(b)); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("%v", err)
	}
	empty(t, above)
}

// FuzzRead: whatever is read, it ends soon, without a panic, and nothing is put
// anywhere but below the folder it is to be in.
func FuzzRead(f *testing.F) {
	version := entry{name: "data/VERSION", text: "1\n"}
	f.Add(pack(f, header(1, 2), version))
	f.Add(pack(f, header(2, 4), version, entry{name: "data/a/b", text: "x\n"}))
	f.Add(pack(f, header(1, 2), entry{name: "data/../x", text: "x\n"}))
	z, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(z.EncodeAll(pack(f, header(1, 2), version), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, checked := backup.Check(ctx, "", bytes.NewReader(b), known, nil)
		if ctx.Err() != nil {
			t.Fatal("it takes for ever")
		}
		if checked != nil && len(b)%8 != 0 {
			return // unpacking is slow, and most has been said
		}
		above := t.TempDir()
		o := backup.RestoreOptions{Known: known, Dir: filepath.Join(above, "data")}
		_, err := backup.Restore(ctx, o, "", bytes.NewReader(b))
		if ctx.Err() != nil {
			t.Fatal("it takes for ever")
		}
		entries, rerr := os.ReadDir(above)
		if want := map[bool]int{true: 1}[err == nil]; rerr != nil || len(entries) != want {
			t.Fatalf("%v; there is %v, %v", err, entries, rerr)
		}
	})
}
