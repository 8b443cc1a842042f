package blob

import "os"

// FailWrites makes every temporary file of d take n bytes and then fail with err,
// as a full disk does.
func (d *Dir) FailWrites(n int, err error) {
	d.create = func(dir, pattern string) (tempFile, error) {
		f, cerr := os.CreateTemp(dir, pattern)
		return &failingFile{File: f, left: n, err: err}, cerr
	}
}

// FailSync makes every Sync of a temporary file fail.
func (d *Dir) FailSync(err error) {
	d.create = func(dir, pattern string) (tempFile, error) {
		f, cerr := os.CreateTemp(dir, pattern)
		return &failingFile{File: f, left: 1 << 30, sync: err}, cerr
	}
}

type failingFile struct {
	*os.File
	left      int
	err, sync error
}

func (f *failingFile) Write(p []byte) (int, error) {
	if len(p) > f.left {
		n, _ := f.File.Write(p[:f.left])
		return n, f.err
	}
	f.left -= len(p)
	return f.File.Write(p)
}

func (f *failingFile) Sync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.File.Sync()
}
