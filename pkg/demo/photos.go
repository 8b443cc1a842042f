package demo

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/sync/errgroup"
)

// signUp makes the accounts, and returns everybody's session in photos.
func (c *Community) signUp(ctx context.Context, client *http.Client) (map[string]session, error) {
	var mu sync.Mutex
	out := map[string]session{}
	err := all(func(p person) error {
		s := session{base: "http://" + c.places.Photos, client: client}
		var t struct {
			Token string `json:"access_token"`
		}
		err := s.call(ctx, http.MethodPost, "/api/v1/accounts", map[string]string{"username": p.username, "password": Password, "display_name": p.name}, &t)
		s.token = t.Token
		mu.Lock()
		defer mu.Unlock()
		out[p.username] = s
		return err
	})
	return out, err
}

// A sharing is photos while it is filled.
type sharing struct {
	*Community
	sessions map[string]session
	accounts map[string]string   // ids by username
	media    map[string][]string // ids of uploads, by post
	posts    map[string]string   // ids by post
}

// share fills photos: profiles, follows, posts and all that hangs on them.
func (c *Community) share(ctx context.Context, sessions map[string]session) error {
	s := &sharing{c, sessions, map[string]string{}, map[string][]string{}, map[string]string{}}
	for _, step := range []func(context.Context) error{s.profiles, s.follow, s.uploads, s.post, s.react, s.extras} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

type id struct {
	ID string `json:"id"`
}

func (s *sharing) profiles(ctx context.Context) error {
	var mu sync.Mutex
	return all(func(p person) error {
		face, err := s.painted[p.username]()
		if err != nil {
			return err
		}
		var me id
		err = s.sessions[p.username].upload(ctx, http.MethodPatch, "/api/v1/accounts/update_credentials", "avatar", "face.jpg", face, map[string]string{"note": p.about}, &me)
		mu.Lock()
		defer mu.Unlock()
		s.accounts[p.username] = me.ID
		return err
	})
}

func (s *sharing) follow(ctx context.Context) error {
	return all(func(p person) error {
		for _, other := range p.follows {
			if err := s.sessions[p.username].call(ctx, http.MethodPost, "/api/v1/accounts/"+s.accounts[other]+"/follow", nil, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// uploads sends the pictures of all posts, two at a time: that is what the
// service makes at a time on a small machine.
func (s *sharing) uploads(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, p := range posts {
		ids := make([]string, len(p.pictures))
		s.media[p.name] = ids
		for i, name := range p.pictures {
			g.Go(func() (err error) {
				ids[i], err = s.uploadPicture(ctx, p.author, name)
				return err
			})
		}
	}
	return g.Wait()
}

func (s *sharing) uploadPicture(ctx context.Context, author, name string) (string, error) {
	data, err := s.painted[name]()
	if err != nil {
		return "", err
	}
	var m id
	err = s.sessions[author].upload(ctx, http.MethodPost, "/api/v1/media", "file", name+".jpg", data, map[string]string{"description": altOf(name)}, &m)
	return m.ID, err
}

// post posts one after the other, so that they have the order that they should.
func (s *sharing) post(ctx context.Context) error {
	for _, p := range posts {
		var made id
		err := s.sessions[p.author].call(ctx, http.MethodPost, "/api/v1/statuses", map[string]any{"status": p.caption, "media_ids": s.media[p.name]}, &made)
		if err != nil {
			return err
		}
		s.posts[p.name] = made.ID
	}
	return nil
}

// react adds likes and comments, post by post at the same time.
func (s *sharing) react(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, p := range posts {
		g.Go(func() error {
			path := "/api/v1/statuses/" + s.posts[p.name]
			for _, who := range p.likes {
				if err := s.sessions[who].call(ctx, http.MethodPost, path+"/favourite", nil, nil); err != nil {
					return err
				}
			}
			for _, c := range p.comments {
				var made id
				err := s.sessions[c.from].call(ctx, http.MethodPost, "/api/v1/statuses", map[string]any{"status": c.text, "in_reply_to_id": s.posts[p.name]}, &made)
				if err != nil {
					return err
				}
				for _, who := range c.likes {
					if err := s.sessions[who].call(ctx, http.MethodPost, "/api/v1/statuses/"+made.ID+"/favourite", nil, nil); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// extras are stories, albums, bookmarks, a followed tag and a report.
func (s *sharing) extras(ctx context.Context) error {
	for _, st := range stories {
		m, err := s.uploadPicture(ctx, st.author, st.picture)
		if err != nil {
			return err
		}
		if err := s.sessions[st.author].call(ctx, http.MethodPost, "/api/portico/v1/stories", map[string]string{"media_id": m, "caption": st.caption}, nil); err != nil {
			return err
		}
	}
	for _, a := range albums {
		ids := make([]string, len(a.posts))
		for i, p := range a.posts {
			ids[i] = s.posts[p]
		}
		in := map[string]any{"title": a.title, "description": a.about, "visibility": "public", "status_ids": ids}
		if err := s.sessions[a.author].call(ctx, http.MethodPost, "/api/portico/v1/albums", in, nil); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		who, path string
		in        any
	}{
		{"ann", "/api/v1/statuses/" + s.posts["coffee"] + "/bookmark", nil},
		{"ann", "/api/v1/statuses/" + s.posts["planet"] + "/bookmark", nil},
		{"ann", "/api/v1/tags/" + url.PathEscape("geometry") + "/follow", nil},
		{"dev", "/api/v1/reports", map[string]any{
			"account_id": s.accounts["carla"], "status_ids": []string{s.posts["columns"]},
			"comment": "That is not the front, it is the back. Can somebody mend the caption?",
		}},
	} {
		if err := s.sessions[c.who].call(ctx, http.MethodPost, c.path, c.in, nil); err != nil {
			return err
		}
	}
	return nil
}
