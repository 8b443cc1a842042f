package photos

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/params"
)

// A spool is an upload on its way: a file without a name, which is gone with the
// process.
type spool struct {
	f    *os.File
	size int64
}

func (s *spool) close() {
	if s != nil {
		_ = s.f.Close() // only read from here on, and not kept
	}
}

func (s *spool) source() picture.Source { return io.NewSectionReader(s.f, 0, s.size) }

// tooLarge is the answer to an upload beyond the limit, wherever that was found
// out: the length of the body, or reading it.
func tooLarge(cfg *Config) error {
	return fail(http.StatusRequestEntityTooLarge, "The picture is too large: at most %s are accepted", sizeText(int64(cfg.MaxUpload)))
}

// spoolFile returns the function that takes the part "file" of c's body, and portraits. Other
// files, such as a thumbnail of one's own, are ignored.
func (p *Photos) spoolFile(c *call) params.FileFunc {
	return func(name, _ string, r io.Reader) error {
		to := &c.upload
		for i, pt := range portraits {
			if name == pt.name {
				to = &c.portraits[i]
			}
		}
		if *to != nil || to == &c.upload && name != "file" {
			return nil
		}
		var err error
		*to, err = p.spool(r, int64(c.cfg.MaxUpload))
		return err
	}
}

// newSpool makes an empty one. The caller closes it.
func (p *Photos) newSpool() (*spool, error) {
	f, err := os.CreateTemp(p.spoolDir, "upload-*")
	if err != nil {
		return nil, fmt.Errorf("spool upload: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("spool upload: %w", err), f.Close())
	}
	return &spool{f: f}, nil
}

// spool writes r to a file without a name.
func (p *Photos) spool(r io.Reader, limit int64) (*spool, error) {
	s, err := p.newSpool()
	if err != nil {
		return nil, err
	}
	in := &input{r: io.LimitReader(r, limit+1)}
	s.size, err = io.Copy(s.f, in)
	switch {
	case s.size > limit:
		err = fmt.Errorf("%w: a file has more than %d bytes", params.ErrTooLarge, limit)
	case in.err != nil:
		err = fmt.Errorf("%w: the body ended early", params.ErrMalformed)
		if over := (*http.MaxBytesError)(nil); errors.As(in.err, &over) {
			err = fmt.Errorf("%w: more than %d bytes", params.ErrTooLarge, over.Limit)
		}
	case err != nil:
		err = fmt.Errorf("spool upload: %w", err)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// input remembers the error of the reader, which is the client's, apart from
// that of the disk.
type input struct {
	r   io.Reader
	err error
}

func (i *input) Read(b []byte) (int, error) {
	n, err := i.r.Read(b)
	if err != nil && err != io.EOF {
		i.err = err
	}
	return n, err
}

// emptyDir makes dir, and removes what an earlier process left in it.
func emptyDir(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return nil
}
