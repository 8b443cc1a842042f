// Package s3 runs a server with Amazon's S3 interface in the process of a test,
// which fails when the test says so. What it keeps is in memory.
package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/porticod/portico/internal/testkit/link"
)

// What clients have to know.
const (
	Bucket    = "bucket"
	AccessKey = "portico-test"
	SecretKey = "a-secret-for-tests"
)

// A Fault stands between a client and the server: it answers itself, or has next
// answer.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// A Server is an S3 server with one bucket. It ends with the test.
type Server struct {
	Endpoint string     // http://127.0.0.1:port
	Link     *link.Link // what its clients come through

	mu       sync.Mutex
	fault    Fault         // guarded by mu
	requests []string      // method and path of each; guarded by mu
	step     time.Duration // guarded by mu
	now      time.Time     // of Step; guarded by mu
}

// Start starts a server.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{Link: link.New(t), now: time.Now()}
	backend := s3mem.New(s3mem.WithTimeSource(s))
	if err := backend.CreateBucket(Bucket); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend, gofakes3.WithTimeSource(s), gofakes3.WithTimeSkewLimit(0)).Server()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		fault := s.fault
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { checked(w, r, fake) })
		if fault != nil {
			fault(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // faults make it talk
	server.Start()
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	s.Link.To(server.Listener.Addr().String())
	s.Endpoint = "http://" + s.Link.Addr
	return s
}

// URL names a place in the bucket, as a config does.
func (s *Server) URL(prefix string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s", Bucket, prefix, s.Endpoint)
}

// Break has all requests go through fault; nil ends it.
func (s *Server) Break(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Step makes the server's clock go on by so much whenever it is looked at, instead
// of with the time.
func (s *Server) Step(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.step = by
}

// Now is the time of the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.step == 0 {
		return time.Now()
	}
	s.now = s.now.Add(s.step)
	return s.now
}

// Since is the time since t by the server's clock.
func (s *Server) Since(t time.Time) time.Duration { return s.Now().Sub(t) }

// Requests returns what came since it was called last.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.requests
	s.requests = nil
	return list
}

// checked does what the fake server does not: it looks at who asks, and whether
// the bytes are those that the request says.
func checked(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if !strings.Contains(r.Header.Get("Authorization"), "Credential="+AccessKey+"/") {
		Answer(w, http.StatusForbidden, "InvalidAccessKeyId")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		Answer(w, http.StatusBadRequest, "IncompleteBody")
		return
	}
	sum := sha256.Sum256(body)
	want := r.Header.Get("X-Amz-Content-Sha256")
	if b, err := hex.DecodeString(want); err == nil && !bytes.Equal(b, sum[:]) {
		Answer(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		return
	}
	if r.Method == http.MethodPut && len(body) > 0 && len(want) != 2*len(sum) {
		Answer(w, http.StatusBadRequest, "TheTestWantsAHash")
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
}

// Answer answers with an error as S3 does.
func Answer(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>the test wants it so</Message></Error>", code)
}

// Drop ends the connection without an answer.
func Drop(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}
