package picture_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/picture"
)

func TestMain(m *testing.M) {
	if status, ok := picture.Child(os.Args[1:]); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// apart is a pool that works in processes of this test program.
func apart(t testing.TB, o picture.Options) (*picture.Pool, *bytes.Buffer) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Log("in this process, for there are no workers on this system")
	}
	var log bytes.Buffer
	pool := picture.NewPool(o)
	pool.UseProcesses(zerolog.New(&log))
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log: %s", log.String())
		}
	})
	return pool, &log
}

// What a worker makes is what this process makes, byte for byte.
func TestProcessesMakeTheSame(t *testing.T) {
	far, log := apart(t, picture.Options{})
	near := picture.NewPool(picture.Options{})
	job := picture.Job{Specs: []picture.Spec{{Width: 30}, {Width: 60, Format: picture.PNG}, {}}, Blurhash: true}
	for _, name := range []string{"video-001.jpeg", "video-001.progressive.jpeg", "video-001.cmyk.jpeg", "video-001.png", "video-001.interlaced.gif", "gopher-doc.with-alpha.lossless.webp"} {
		b := file(t, name)
		want, err := near.Make(context.Background(), bytes.NewReader(b), job)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := far.Make(context.Background(), bytes.NewReader(b), job)
		if err != nil {
			t.Fatalf("%s, in a worker: %v", name, err)
		}
		if got.Blurhash != want.Blurhash || got.Info != want.Info || len(got.Variants) != len(want.Variants) {
			t.Fatalf("%s: %+v, %q; want %+v, %q", name, got.Info, got.Blurhash, want.Info, want.Blurhash)
		}
		for i, v := range got.Variants {
			if w := want.Variants[i]; v.Spec != w.Spec || v.Format != w.Format || v.Width != w.Width || v.Height != w.Height || !bytes.Equal(v.Data, w.Data) {
				t.Errorf("%s, variant %d differs", name, i)
			}
		}
	}
	if runtime.GOOS == "linux" && !bytes.Contains(log.Bytes(), []byte("seccomp")) {
		t.Errorf("the log does not say how workers are locked: %s", log)
	}
}

// What is wrong with a picture is said as it is in this process.
func TestProcessesRefuseTheSame(t *testing.T) {
	far, _ := apart(t, picture.Options{})
	b := asJPEG(t, scene(300, 200), 80)
	job := picture.Job{Specs: []picture.Spec{{Width: 30}}}
	if _, err := far.Make(context.Background(), bytes.NewReader(b[:len(b)/2]), job); !errors.Is(err, picture.ErrBroken) {
		t.Errorf("half a picture: %v", err)
	}
	stop := errors.New("stop")
	job.Each = func(picture.Variant) error { return stop }
	if _, err := far.Make(context.Background(), bytes.NewReader(b), job); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
	job.Each = nil
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := far.Make(ctx, bytes.NewReader(b), job); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := far.Make(context.Background(), badDisk{bytes.NewReader(b)}, job); !errors.Is(err, errFull) {
		t.Errorf("bad disk: %v", err)
	}
	if _, err := far.Make(context.Background(), bytes.NewReader(b), job); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	slow, _ := apart(t, picture.Options{Time: time.Millisecond})
	if _, err := slow.Make(context.Background(), bytes.NewReader(asJPEG(t, scene(1500, 1000), 95)), job); !errors.Is(err, picture.ErrSlow) {
		t.Errorf("slow: %v", err)
	}
}

// badDisk fails behind the header.
type badDisk struct{ *bytes.Reader }

func (b badDisk) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > 4096+700 {
		return 0, errFull
	}
	return b.Reader.ReadAt(p, off)
}

// The daemon lives when workers die.
func TestProcessesDie(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("nothing to kill on this system")
		return
	}
	far, log := apart(t, picture.Options{Workers: 2})
	b := asJPEG(t, scene(900, 600), 90)
	job := picture.Job{Specs: []picture.Spec{{Width: 300}}}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Killed twice over the same picture is taken for its fault.
				if _, err := far.Make(context.Background(), bytes.NewReader(b), job); err != nil && !errors.Is(err, picture.ErrBroken) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	killed := 0
	for end := time.Now().Add(time.Minute); killed < 5 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if pid := far.Victim(); pid != 0 {
			p, _ := os.FindProcess(pid)
			if p.Kill() == nil {
				killed++
			}
		}
	}
	close(stop)
	wg.Wait()
	if killed < 5 {
		t.Fatalf("%d workers killed", killed)
	}
	wait.Works(t, "afterwards", func() error { // the last ones that died may not be missed yet
		_, err := far.Make(context.Background(), bytes.NewReader(b), job)
		return err
	})
	if log.Len() == 0 {
		t.Error("nothing in the log")
	}
}

// A worker that was at work when more memory was granted does not go on with
// the limit of before: it would die over a picture that is let in now.
func TestProcessesGetNewLimits(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("there are no workers on this system")
		return
	}
	far, _ := apart(t, picture.Options{Time: time.Minute})
	b := asJPEG(t, scene(300, 200), 80)
	job := picture.Job{Specs: []picture.Spec{{Width: 30}}}
	for _, memory := range []int64{0, 100 << 20, 500 << 20} {
		job.Each = func(picture.Variant) error {
			if memory > 0 {
				far.SetMemory(memory)
			}
			return nil
		}
		if _, err := far.Make(context.Background(), bytes.NewReader(b), job); err != nil {
			t.Fatal(err)
		}
		if got, want := len(far.Waiting()), map[bool]int{true: 1}[memory == 0]; got != want {
			t.Errorf("memory %d: %d workers wait, want %d", memory, got, want)
		}
	}
}
