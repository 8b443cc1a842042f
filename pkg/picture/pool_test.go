package picture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

func TestLadder(t *testing.T) {
	pool := picture.NewPool(picture.Options{})
	for _, c := range []struct {
		w, h int
		want string
	}{
		{1200, 800, "320x213 640x427 1080x720 1200x800 "},
		{640, 1000, "320x500 640x1000 "},
		{200, 100, "200x100 "},
		{1, 1, "1x1 "},
	} {
		res, err := pool.Ladder(context.Background(), bytes.NewReader(asJPEG(t, scene(c.w, c.h), 80)), 320, 640, 1080, 2048)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, v := range res.Variants {
			got += fmt.Sprintf("%dx%d ", v.Width, v.Height)
			if b := decoded(t, v.Data).Bounds(); b.Dx() != v.Width || b.Dy() != v.Height {
				t.Errorf("%dx%d: the file has %v", v.Width, v.Height, b)
			}
		}
		if got != c.want {
			t.Errorf("%dx%d: %s, want %s", c.w, c.h, got, c.want)
		}
		if n := len(res.Blurhash); n != 28 {
			t.Errorf("%dx%d: blurhash %q of %d characters", c.w, c.h, res.Blurhash, n)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		spec picture.Spec
		w, h int
	}{
		{picture.Spec{}, 400, 300},
		{picture.Spec{Width: 200}, 200, 150},
		{picture.Spec{Height: 30}, 40, 30},
		{picture.Spec{Width: 4000}, 400, 300},
		{picture.Spec{Width: 100, Height: 100}, 100, 75},
		{picture.Spec{Width: 100, Height: 100, Fit: picture.Cover}, 100, 100},
		{picture.Spec{Width: 1000, Height: 1000, Fit: picture.Cover}, 300, 300},
		{picture.Spec{Width: 1000, Height: 100, Fit: picture.Cover}, 400, 40},
		{picture.Spec{Width: 350, Height: 1000, Fit: picture.Cover}, 105, 300},
		{picture.Spec{Width: 100, Height: 100, Fit: picture.Fill}, 100, 100},
		{picture.Spec{Width: 100, Height: 900, Fit: picture.Fill}, 100, 300},
		{picture.Spec{Width: 1}, 1, 1},
	} {
		if w, h := c.spec.Size(400, 300); w != c.w || h != c.h {
			t.Errorf("%+v of 400x300: %dx%d, want %dx%d", c.spec, w, h, c.w, c.h)
		}
		b := asJPEG(t, image.NewGray(image.Rect(0, 0, 400, 300)), 70)
		if v := one(t, b, c.spec); v.Width != c.w || v.Height != c.h {
			t.Errorf("%+v of 400x300 was made %dx%d", c.spec, v.Width, v.Height)
		}
	}
	if w, h := (picture.Spec{Width: 320}).Size(10_000, 1); w != 320 || h != 1 {
		t.Errorf("a line: %dx%d", w, h)
	}
}

// An even surface keeps its color exactly through the filter, to the last pixel.
func TestEvenSurface(t *testing.T) {
	m := scene(317, 211)
	for i := range m.Pix {
		m.Pix[i] = []uint8{90, 90, 90, 255}[i%4]
	}
	for w := 1; w < 317; w += 31 {
		got := decoded(t, one(t, asPNG(t, m), picture.Spec{Width: w, Format: picture.PNG}).Data)
		for ch := range 3 {
			vals, gw, _ := channel(got, ch)
			for i, v := range vals {
				if v != 90 {
					t.Fatalf("%d wide: %v at %d,%d, want 90", w, v, i%gw, i/gw)
				}
			}
		}
	}
}

// gate is a codec that holds every picture until it is told otherwise.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func (g *gate) EncodeJPEG(w io.Writer, _ image.Image, _ int, _ bool) error {
	g.entered <- struct{}{}
	<-g.open
	_, err := w.Write([]byte("picture"))
	return err
}

func TestBudgetIsShared(t *testing.T) {
	b := asJPEG(t, scene(800, 600), 80)
	g := &gate{make(chan struct{}, 100), make(chan struct{})}
	// Room for one picture of this size, workers for more.
	pool := picture.NewPool(picture.Options{Memory: 2 << 20, Workers: 8, Queue: 1, Wait: 50 * time.Millisecond, Codec: g})
	job := picture.Job{Specs: []picture.Spec{{Width: 100}}}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := pool.Make(context.Background(), bytes.NewReader(b), job); err != nil {
			t.Errorf("the first: %v", err)
		}
	})
	<-g.entered
	if s := pool.Stats(); s.Running != 1 || s.Memory == 0 || s.Memory > s.Budget {
		t.Errorf("stats: %+v", s)
	}
	if _, err := pool.Make(context.Background(), bytes.NewReader(b), job); !errors.Is(err, picture.ErrBusy) {
		t.Errorf("the second, while the first is at work: %v, want ErrBusy", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := pool.Make(ctx, bytes.NewReader(b), job); !errors.Is(err, context.Canceled) {
		t.Errorf("given up by its caller: %v, want its context's error", err)
	}
	close(g.open)
	wg.Wait()
	if _, err := pool.Make(context.Background(), bytes.NewReader(b), job); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if s := pool.Stats(); s.Running != 0 || s.Memory != 0 || s.Waiting != 0 || s.Refused != 1 {
		t.Errorf("stats at rest: %+v", s)
	}
}

// The budget can be changed while it is in use: more lets in who waits, less
// refuses what is too large for it, and what is at work is counted all the time.
func TestBudgetChanges(t *testing.T) {
	b := asJPEG(t, scene(800, 600), 80)
	g := &gate{make(chan struct{}, 100), make(chan struct{})}
	pool := picture.NewPool(picture.Options{Memory: 2 << 20, Workers: 8, Wait: time.Minute, Codec: g})
	job := picture.Job{Specs: []picture.Spec{{Width: 100}}}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := pool.Make(context.Background(), bytes.NewReader(b), job); err != nil {
				t.Error(err)
			}
		})
	}
	<-g.entered
	pool.SetMemory(16 << 20)
	<-g.entered // the second has room now
	pool.SetMemory(1 << 20)
	if s := pool.Stats(); s.Running != 2 || s.Memory < 2<<20 || s.Budget != 1<<20 {
		t.Errorf("stats: %+v", s)
	}
	if _, err := pool.Make(context.Background(), bytes.NewReader(b), job); !errors.Is(err, picture.ErrTooLarge) {
		t.Errorf("larger than the budget: %v", err)
	}
	close(g.open)
	wg.Wait()
	pool.SetMemory(2 << 20)
	if _, err := pool.Make(context.Background(), bytes.NewReader(b), job); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if s := pool.Stats(); s.Memory != 0 || s.Budget != 2<<20 {
		t.Errorf("stats at rest: %+v", s)
	}
}

func TestQueueIsBounded(t *testing.T) {
	b := asJPEG(t, scene(80, 60), 80)
	g := &gate{make(chan struct{}, 100), make(chan struct{})}
	pool := picture.NewPool(picture.Options{Workers: 1, Queue: 3, Wait: time.Minute, Codec: g})
	job := picture.Job{Specs: []picture.Spec{{Width: 10}}}
	const n = 40
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := pool.Make(context.Background(), bytes.NewReader(b), job)
			errs <- err
		}()
	}
	<-g.entered
	busy := 0
	for busy < n-5 { // one at work, three in the queue and one more that just may look
		if err := <-errs; !errors.Is(err, picture.ErrBusy) {
			t.Fatalf("%v, want ErrBusy at once", err)
		}
		busy++
	}
	close(g.open)
	for range n - busy {
		if err := <-errs; err != nil && !errors.Is(err, picture.ErrBusy) {
			t.Errorf("one that waited: %v", err)
		}
	}
}

// slowDisk lets a context's deadline pass while a picture is read.
type slowDisk struct{ *bytes.Reader }

func (s slowDisk) ReadAt(p []byte, off int64) (int, error) {
	if off > 4096 {
		time.Sleep(2 * time.Millisecond)
	}
	return s.Reader.ReadAt(p[:min(len(p), 512)], off)
}

func TestSlowPictureIsGivenUp(t *testing.T) {
	src := slowDisk{bytes.NewReader(asJPEG(t, scene(1500, 1000), 95))}
	pool := picture.NewPool(picture.Options{Time: 20 * time.Millisecond})
	if _, err := pool.Ladder(context.Background(), src, 320); !errors.Is(err, picture.ErrSlow) {
		t.Errorf("%v, want ErrSlow", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := picture.NewPool(picture.Options{}).Ladder(ctx, src, 320); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, picture.ErrSlow) {
		t.Errorf("%v, want the caller's deadline", err)
	}
}

func TestEachStopsTheWork(t *testing.T) {
	stop := errors.New("stop")
	n := 0
	res, err := picture.NewPool(picture.Options{}).Make(context.Background(), bytes.NewReader(asJPEG(t, scene(90, 60), 80)), picture.Job{
		Specs: []picture.Spec{{Width: 10}, {Width: 20}, {Width: 30}},
		Each:  func(picture.Variant) error { n++; return map[bool]error{true: stop}[n == 2] },
	})
	if !errors.Is(err, stop) || n != 2 || len(res.Variants) != 0 {
		t.Errorf("%v after %d variants", err, n)
	}
}

// What jpegli is for: with full chroma the color of a fine red line stays.
func TestFullChromaAtHighQuality(t *testing.T) {
	m := scene(64, 64)
	for i := range m.Pix {
		x := i / 4 % 64
		m.Pix[i] = [2][4]uint8{{255, 0, 0, 255}, {0, 0, 255, 255}}[x&1][i%4]
	}
	b := asPNG(t, m)
	sub := func(q int) image.YCbCrSubsampleRatio {
		return decoded(t, one(t, b, picture.Spec{Quality: q}).Data).(*image.YCbCr).SubsampleRatio
	}
	if got := sub(95); got != image.YCbCrSubsampleRatio444 {
		t.Errorf("quality 95: %v", got)
	}
	if got := sub(80); got != image.YCbCrSubsampleRatio420 {
		t.Errorf("quality 80: %v", got)
	}
}
