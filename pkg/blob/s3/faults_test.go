package s3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	server "github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/internal/testkit/wait"
	"github.com/porticod/portico/pkg/blob"
	"github.com/porticod/portico/pkg/blob/s3"
)

// once has a fault happen to the first of the requests that have a method and an
// address with a text in it.
func once(method, text string, fault server.Fault) server.Fault {
	var done atomic.Bool
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == method && strings.Contains(r.URL.RequestURI(), text) && done.CompareAndSwap(false, true) {
			fault(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

func always(status int, code string) server.Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		server.Answer(w, status, code)
	}
}

// corrupt changes a byte of what is sent, and corruptAnswer of what comes.
func corrupt(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, _ := io.ReadAll(r.Body)
	body[len(body)/2] ^= 1
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
}

func corruptAnswer(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	body := rec.Body.Bytes()
	body[len(body)/2] ^= 1
	_, _ = w.Write(body)
}

// cutAnswer sends a part of the answer.
func cutAnswer(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	server.Drop(w)
}

// lost has the effect, but no answer.
func lost(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	server.Drop(w)
}

func drop(w http.ResponseWriter, _ *http.Request, _ http.Handler) { server.Drop(w) }

// What fails once is tried again, and what is acknowledged is there.
func TestPassingFaults(t *testing.T) {
	t.Parallel()
	const inParts = 16<<20 + 1
	for name, c := range map[string]struct {
		fault server.Fault
		size  int
	}{
		"internal error":           {once("PUT", "", always(500, "InternalError")), 1000},
		"slow down":                {once("PUT", "", always(503, "SlowDown")), 1000},
		"too many requests":        {once("PUT", "", always(429, "TooManyRequests")), 1000},
		"bad gateway":              {once("PUT", "", always(502, "")), 1000},
		"conflict":                 {once("PUT", "", always(409, "ConditionalRequestConflict")), 1000},
		"no connection":            {once("PUT", "", drop), 1000},
		"no answer":                {once("PUT", "", lost), 1000},
		"wrong bytes arrive":       {once("PUT", "test/", corrupt), 200_000},
		"wrong bytes arrive later": {once("PUT", "partNumber=2", corrupt), inParts},
		"no answer to a part":      {once("PUT", "partNumber=1", lost), inParts},
		"no answer to the end":     {once("POST", "uploadId", lost), inParts},
		"no end":                   {once("POST", "uploadId", drop), inParts},
		"no beginning":             {once("POST", "uploads", lost), inParts},
		"wrong bytes come":         {once("GET", "", corruptAnswer), 1000},
		"half of the bytes come":   {once("GET", "", cutAnswer), 200_000},
		"no look":                  {once("HEAD", "", drop), 200_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := server.Start(t)
			s, _ := open(t, srv, s3.Options{})
			srv.Break(c.fault)
			data := noise(c.size)
			id := mustPut(t, s, data)
			if !bytes.Equal(mustRead(t, s, id), data) {
				t.Fatal("other bytes came back")
			}
			mustPut(t, s, data)
		})
	}
}

// What does not pass ends soon, with a reason, and nothing is acknowledged.
func TestLastingFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault server.Fault
		want  string
	}{
		"internal errors":    {always(500, "InternalError"), "500 InternalError"},
		"slow down":          {always(503, "SlowDown"), "503 SlowDown"},
		"denied":             {always(403, "AccessDenied"), "403 AccessDenied: the test wants it so"},
		"no connection":      {drop, "store blob: the store of files does not work just now: Put"},
		"wrong bytes arrive": {corrupt, "XAmzContentSHA256Mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := server.Start(t)
			s, _ := open(t, srv, s3.Options{Patience: time.Second})
			srv.Break(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method == http.MethodPut {
					c.fault(w, r, next)
					return
				}
				next.ServeHTTP(w, r)
			})
			for _, size := range []int{1000, 17 << 20} {
				_, _, err := s.Put(t.Context(), bytes.NewReader(noise(size)), plenty)
				if !errors.Is(err, blob.ErrAway) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("put %d bytes: %v, not %q", size, err, c.want)
				}
			}
			srv.Break(nil)
			if err := s.Walk(t.Context(), func(i blob.Info) error { return errors.New(i.ID.String()) }); err != nil {
				t.Errorf("something is there: %v", err)
			}
		})
	}
}

// A bucket that gives other bytes is no bucket: the reader sees an error instead
// of the end.
func TestDamaged(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	s, _ := open(t, srv, s3.Options{Patience: 300 * time.Millisecond})
	for _, size := range []int{1000, 1 << 20} {
		id := mustPut(t, s, noise(size))
		srv.Break(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("Range") == "bytes=0-65535" && size > 64<<10 {
				next.ServeHTTP(w, r)
				return
			}
			corruptAnswer(w, r, next)
		})
		f, err := s.Open(t.Context(), id)
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			f.Close()
		}
		if !errors.Is(err, blob.ErrAway) || !strings.Contains(err.Error(), "other bytes") {
			t.Errorf("%d bytes: %v", size, err)
		}
		srv.Break(nil)
		mustRead(t, s, id)
	}
}

// A server that stops amid an answer is asked again.
func TestBrokenOffReads(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	s, _ := open(t, srv, s3.Options{})
	data := noise(5 << 20)
	id := mustPut(t, s, data)
	var cuts atomic.Int32
	srv.Break(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet && cuts.Add(1) < 6 {
			cutAnswer(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	if !bytes.Equal(mustRead(t, s, id), data) {
		t.Error("other bytes came back")
	}
	if cuts.Load() < 6 {
		t.Error("nothing was cut")
	}
	srv.Break(nil)
	f, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 100_000)
	if _, err := io.ReadFull(f, buf); err != nil {
		t.Fatal(err)
	}
	srv.Link.Reset()
	rest, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(append(buf, rest...), data) {
		t.Errorf("after a reset: %v", err)
	}
}

// A list that breaks off goes on where it was.
func TestBrokenOffList(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	s, _ := open(t, srv, s3.Options{})
	want := map[blob.ID]bool{}
	for i := range 1100 { // two pages
		want[mustPut(t, s, noise(i))] = true
	}
	var lists atomic.Int32
	srv.Break(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if n := lists.Add(1); n == 1 || n == 3 {
			server.Answer(w, 503, "SlowDown")
			return
		}
		next.ServeHTTP(w, r)
	})
	seen := map[blob.ID]bool{}
	if err := s.Walk(t.Context(), func(i blob.Info) error {
		if seen[i.ID] {
			t.Errorf("%v twice", i.ID)
		}
		seen[i.ID] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(want) {
		t.Errorf("saw %d of %d", len(seen), len(want))
	}
}

// Sweeps on two nodes and puts of the same bytes on others, again and again: what a
// Put acknowledges stays, because rows refer to it from then on.
func TestSweepBesidePuts(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	srv.Step(1200 * time.Millisecond) // so that each is older or younger than another
	var nodes []*s3.Store
	for range 5 {
		s, _ := open(t, srv, s3.Options{})
		nodes = append(nodes, s)
	}
	data, removed := []byte("wanted again and again"), atomic.Int64{}
	for round := range 50 {
		id := mustPut(t, nodes[0], data)
		before := srv.Now()
		var work sync.WaitGroup
		for n, s := range nodes {
			work.Go(func() {
				if n >= 2 {
					time.Sleep(time.Duration(round%10) * time.Millisecond)
					if _, _, err := s.Put(t.Context(), bytes.NewReader(data), plenty); err != nil {
						t.Error(err)
					}
					return
				}
				swept, err := s.Sweep(t.Context(), before, func(blob.ID) (bool, error) { return false, nil })
				if err != nil {
					t.Error(err)
				}
				removed.Add(int64(swept.Blobs))
			})
		}
		work.Wait()
		mustRead(t, nodes[0], id)
	}
	if removed.Load() == 0 {
		t.Error("nothing was ever swept: this tests nothing")
	}
}

// A remover that says that it removes, and then dies, is in the way for a while
// only; a put waits for one that lives.
func TestRemoverInTheWay(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	s, _ := open(t, srv, s3.Options{})
	other, _ := open(t, srv, s3.Options{})
	data := []byte("bytes")
	id := mustPut(t, s, data)
	held, going := make(chan struct{}), make(chan struct{})
	srv.Break(once("DELETE", "test/"+id.String(), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(going)
		<-held
		next.ServeHTTP(w, r)
	}))
	deleted := make(chan error, 1)
	go func() { deleted <- s.Delete(t.Context(), id) }()
	<-going
	put := make(chan error, 1)
	go func() {
		_, _, err := other.Put(t.Context(), bytes.NewReader(data), plenty)
		put <- err
	}()
	// The put has found the blob, and waits for the remover.
	wait.Until(t, "the put looks for a remover", func() bool {
		for _, r := range srv.Requests() {
			if strings.HasPrefix(r, "HEAD") && strings.Contains(r, "going/") {
				return true
			}
		}
		return false
	})
	close(held)
	if err := errors.Join(<-deleted, <-put); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, other, id); !bytes.Equal(got, data) {
		t.Errorf("got %q", got)
	}
}

// A bucket that does not answer ends nobody's patience but its own.
func TestAway(t *testing.T) {
	t.Parallel()
	srv := server.Start(t)
	s, _ := open(t, srv, s3.Options{Patience: 500 * time.Millisecond})
	id := mustPut(t, s, []byte("x"))
	srv.Link.To("")
	srv.Link.Reset()
	began := time.Now()
	if _, err := s.Open(t.Context(), id); !errors.Is(err, blob.ErrAway) {
		t.Errorf("open: %v", err)
	}
	if err := s.Delete(t.Context(), id); !errors.Is(err, blob.ErrAway) {
		t.Errorf("delete: %v", err)
	}
	if err := s.Walk(t.Context(), nil); !errors.Is(err, blob.ErrAway) {
		t.Errorf("walk: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}
