package picture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porticod/portico/pkg/picture"
)

// turns is a codec that tells which picture it writes, by its width, and takes a
// second for each.
type turns struct {
	mu    sync.Mutex
	order []int
}

func (c *turns) EncodeJPEG(w io.Writer, m image.Image, _ int, _ bool) error {
	c.mu.Lock()
	c.order = append(c.order, m.Bounds().Dx())
	c.mu.Unlock()
	time.Sleep(time.Second)
	_, err := w.Write([]byte("picture"))
	return err
}

// queued runs jobs that come a millisecond after each other and returns the widths
// in the order in which they were made, and each job's error.
func queued(t *testing.T, o picture.Options, jobs []picture.Job) (order []int, errs []error) {
	t.Helper()
	b := asJPEG(t, scene(400, 300), 80)
	synctest.Test(t, func(t *testing.T) {
		c := new(turns)
		o.Codec = c
		pool := picture.NewPool(o)
		errs = make([]error, len(jobs))
		var wg sync.WaitGroup
		for i, j := range jobs {
			wg.Go(func() { _, errs[i] = pool.Make(context.Background(), bytes.NewReader(b), j) })
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		order = c.order
		if s := pool.Stats(); s.Memory != 0 || s.Running != 0 || s.Waiting != 0 {
			t.Errorf("at rest: %+v", s)
		}
	})
	return order, errs
}

func job(width int, p picture.Priority) picture.Job {
	return picture.Job{Specs: []picture.Spec{{Width: width}}, Priority: p}
}

func TestPriorities(t *testing.T) {
	order, errs := queued(t, picture.Options{Workers: 1, Wait: time.Hour}, []picture.Job{
		job(1, picture.Background), job(2, picture.Background), job(3, picture.Ladder), job(4, picture.Interactive),
		job(5, picture.Interactive), job(6, picture.Ladder),
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	// The first finds the worker free. Then by priority, but who waited for
	// two seconds goes before a newcomer of the next.
	if want := []int{1, 4, 5, 3, 6, 2}; !slices.Equal(order, want) {
		t.Errorf("made in the order %v, want %v", order, want)
	}
}

// However many come, who came first has its turn.
func TestNobodyStarves(t *testing.T) {
	jobs := []picture.Job{job(1, picture.Interactive), job(2, picture.Background)}
	for i := range 30 {
		jobs = append(jobs, job(10+i, picture.Interactive))
	}
	b := asJPEG(t, scene(400, 300), 80)
	synctest.Test(t, func(t *testing.T) {
		c := new(turns)
		pool := picture.NewPool(picture.Options{Workers: 1, Wait: time.Hour, Codec: c})
		var wg sync.WaitGroup
		for i, j := range jobs {
			wg.Go(func() {
				if _, err := pool.Make(context.Background(), bytes.NewReader(b), j); err != nil {
					t.Error(err)
				}
			})
			if i > 1 { // as fast as they are made
				time.Sleep(time.Second)
			} else {
				time.Sleep(time.Millisecond)
			}
		}
		wg.Wait()
		if at := slices.Index(c.order, 2); at < 1 || at > 8 {
			t.Errorf("the background had its turn as number %d: %v", at, c.order)
		}
	})
}

// The background leaves a worker to those who wait.
func TestBackgroundLeavesAWorker(t *testing.T) {
	order, errs := queued(t, picture.Options{Workers: 2, Wait: time.Hour}, []picture.Job{
		job(1, picture.Background), job(2, picture.Background), job(3, picture.Interactive),
	})
	if err := errors.Join(errs...); err != nil || !slices.Equal(order, []int{1, 3, 2}) {
		t.Errorf("%v, %v", order, err)
	}
}

// Where there is no room those who matter least are sent away.
func TestFullQueueKeepsWhoMatters(t *testing.T) {
	order, errs := queued(t, picture.Options{Workers: 1, Queue: 2, Wait: time.Hour}, []picture.Job{
		job(1, picture.Interactive), job(2, picture.Background), job(3, picture.Ladder), job(4, picture.Interactive), job(5, picture.Background),
	})
	for i, want := range []bool{false, true, false, false, true} {
		if got := errors.Is(errs[i], picture.ErrBusy); got != want {
			t.Errorf("job %d: %v", i+1, errs[i])
		}
	}
	if !slices.Equal(order, []int{1, 4, 3}) {
		t.Errorf("made %v", order)
	}
}

// counting counts how often it is read from its beginning.
type counting struct {
	*bytes.Reader
	mu    sync.Mutex
	bytes int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.mu.Lock()
	c.bytes += n
	c.mu.Unlock()
	return n, err
}

// Six sizes of a picture that are asked for at once cost two decodes: the first
// has a worker at once, the others wait together.
func TestOneDecodeForMany(t *testing.T) {
	b := asJPEG(t, scene(1200, 900), 90)
	synctest.Test(t, func(t *testing.T) {
		c := new(turns)
		pool := picture.NewPool(picture.Options{Workers: 1, Wait: time.Hour, Codec: c})
		src := make([]counting, 6)
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		for i := range src {
			src[i].Reader = bytes.NewReader(b)
			wg.Go(func() {
				j := picture.Job{Specs: []picture.Spec{{Width: 100 * (i + 1)}, {Width: 50}}, Key: "a", Blurhash: i == 3}
				ctx := ctx
				if i != 2 {
					ctx = context.Background()
				}
				var each []int
				if i == 4 {
					j.Each = func(v picture.Variant) error { each = append(each, v.Width); return nil }
				}
				res, err := pool.Make(ctx, &src[i], j)
				if i == 2 {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("the one that gave up: %v", err)
					}
					return
				}
				var got []int
				for _, v := range res.Variants {
					got = append(got, v.Width)
				}
				if i == 4 {
					got = each
				}
				if err != nil || !slices.Equal(got, []int{100 * (i + 1), 50}) || (res.Blurhash != "") != (i == 3) {
					t.Errorf("job %d: %v, blurhash %q, %v", i, got, res.Blurhash, err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		cancel()
		wg.Wait()
		whole := 0
		for i := range src {
			if src[i].bytes >= len(b) {
				whole++
			}
		}
		if whole != 2 {
			t.Errorf("%d of 6 sources were read whole", whole)
		}
		if s := pool.Stats(); s.Memory != 0 || s.Running != 0 {
			t.Errorf("at rest: %+v", s)
		}
	})
}

// What is wrong with the one that leads is not wrong with the others.
func TestPartyOfABrokenLeader(t *testing.T) {
	b := asJPEG(t, scene(1200, 900), 90)
	synctest.Test(t, func(t *testing.T) {
		pool := picture.NewPool(picture.Options{Workers: 1, Wait: time.Hour, Codec: new(turns)})
		sources := []picture.Source{bytes.NewReader(b), badDisk{bytes.NewReader(b)}, bytes.NewReader(b), bytes.NewReader(b)}
		var wg sync.WaitGroup
		for i, src := range sources {
			wg.Go(func() {
				_, err := pool.Make(context.Background(), src, picture.Job{Specs: []picture.Spec{{Width: 100 + i}}, Key: "a"})
				if want := i == 1; errors.Is(err, errFull) != want || (err != nil) != want {
					t.Errorf("job %d: %v", i, err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
	})
	// Damage is the same for all.
	synctest.Test(t, func(t *testing.T) {
		pool := picture.NewPool(picture.Options{Workers: 1, Wait: time.Hour, Codec: new(turns)})
		var wg sync.WaitGroup
		for i := range 4 {
			data := b
			if i > 0 {
				data = b[:len(b)/2]
			}
			wg.Go(func() {
				_, err := pool.Make(context.Background(), bytes.NewReader(data), picture.Job{Specs: []picture.Spec{{Width: 100 + i}}, Key: fmt.Sprint(i > 0)})
				if errors.Is(err, picture.ErrBroken) != (i > 0) {
					t.Errorf("job %d: %v", i, err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
	})
}
