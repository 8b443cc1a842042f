// Package demo fills a running portico with a small community: people, pictures,
// posts, comments, conversations. It does so through the public HTTP APIs, as
// anybody could, so what it shows is what there is. It starts no daemon.
package demo

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/porticod/portico/pkg/demo/scene"
)

// Password opens the accounts of all people of the demo.
const Password = "sunny portico"

// Operator is the username of whom the daemon's owner should make an
// administrator.
const Operator = "ella"

// A Community is what the demo shows. Begin makes one.
type Community struct {
	dir    string // root of what is served from disk
	places Places

	painted map[string]func() ([]byte, error) // by name of the picture; waits until it is there
	stop    context.CancelFunc
	painter sync.WaitGroup
}

// Begin begins to paint, which takes a while, in the background until ctx ends
// or Close is called.
func Begin(ctx context.Context, dir string, places Places) *Community {
	c := &Community{dir: dir, places: places, painted: map[string]func() ([]byte, error){}}
	ctx, c.stop = context.WithCancel(ctx)
	queue := make(chan func(), len(pictures)+len(people))
	paint := func(name string, p scene.Painting, w, h int) {
		done := make(chan struct{})
		var data []byte
		var err error
		queue <- func() {
			defer close(done)
			if err = ctx.Err(); err == nil {
				data, err = p.JPEG(w, h)
			}
		}
		c.painted[name] = func() ([]byte, error) {
			<-done
			return data, err
		}
	}
	for _, p := range people {
		paint(p.username, p.face, 320, 320)
	}
	for _, p := range pictures {
		paint(p.name, p.painting, p.width, p.height)
	}
	close(queue)
	for range runtime.GOMAXPROCS(0) {
		c.painter.Go(func() {
			for work := range queue {
				work()
			}
		})
	}
	return c
}

// Close ends what Begin began.
func (c *Community) Close() {
	c.stop()
	c.painter.Wait()
}

// fillTimeout bounds how long all of it may take on a slow machine.
const fillTimeout = 5 * time.Minute

// Fill brings everything into the services that run at the places, and the
// gallery and the start page into their folders.
func (c *Community) Fill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.gallery() })
	g.Go(func() error {
		// Accounts are the same everywhere: who signed up for photos signs in to the chat.
		photos, err := c.signUp(ctx, client)
		if err != nil {
			return err
		}
		g.Go(func() error { return c.share(ctx, photos) })
		g.Go(func() error { return c.talk(ctx, client) })
		return nil
	})
	return g.Wait()
}

// all calls f for each person at the same time.
func all(f func(p person) error) error {
	var g errgroup.Group
	for _, p := range people {
		g.Go(func() error { return f(p) })
	}
	return g.Wait()
}

// gallery writes the pictures into the folder that is delivered by itself.
func (c *Community) gallery() error {
	for _, p := range pictures {
		data, err := c.painted[p.name]()
		if err != nil {
			return err
		}
		path := filepath.Join(c.dir, galleryDir, p.folder, p.name+".jpg")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the gallery: %w", err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write a picture of the gallery: %w", err)
		}
	}
	return nil
}

// A User is one of the people, as they are told about.
type User struct{ Username, Name string }

// Users are the people of the community.
func Users() []User {
	out := make([]User, len(people))
	for i, p := range people {
		out[i] = User{p.username, p.name}
	}
	return out
}
