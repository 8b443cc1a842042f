package photos

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/services/photos/store"
)

// A portrait is an avatar or a header: one size, for everybody, at a URL that
// names its bytes, so that it never changes.
type portrait struct {
	name string // of the parameter, and in URLs
	kind store.PortraitKind
	spec picture.Spec
}

var portraits = []portrait{
	{"avatar", store.Avatar, picture.Spec{Width: 400, Height: 400, Fit: picture.Cover}},
	{"header", store.Header, picture.Spec{Width: 1500, Height: 500, Fit: picture.Cover}},
}

// portraitRoot is where portraits lie: /media/avatar/USER/HASH.jpg.
func portraitRoot(name string) string { return mediaRoot + name + "/" }

func portraitPath(user int64, kind store.PortraitKind, f store.File) string {
	name := "avatar"
	if kind == store.Header {
		name = "header"
	}
	return portraitRoot(name) + strconv.FormatInt(user, 10) + "/" + portraitName(f)
}

func portraitName(f store.File) string { return f.Hash[:min(len(f.Hash), 16)] + extensions[f.Type] }

// portraitFile finds the file that a path of portraitPath names.
func (p *Photos) portraitFile(r *http.Request) (f store.File, isPortrait bool, err error) {
	for _, pt := range portraits {
		rest, ok := strings.CutPrefix(r.URL.Path, portraitRoot(pt.name))
		if !ok {
			continue
		}
		ids, name, _ := strings.Cut(rest, "/")
		id, err := strconv.ParseInt(ids, 10, 64)
		if err != nil {
			return f, true, errNotFound
		}
		u, err := p.people.User(r.Context(), id)
		if err != nil {
			return f, true, err
		}
		prof, err := p.store.Profile(r.Context(), id)
		f = prof.Header
		if pt.kind == store.Avatar {
			f = prof.Avatar
		}
		if err == nil && (u.Suspended || f.Hash == "" || name != portraitName(f)) {
			err = errNotFound
		}
		return f, true, err
	}
	return f, false, nil
}

// takePortrait makes the portrait of an upload and stores it for user.
func (p *Photos) takePortrait(ctx context.Context, user int64, pt portrait, up *spool) error {
	made, err := p.pictures.Make(ctx, up.source(), picture.Job{Specs: []picture.Spec{pt.spec}, Limits: picture.Limits{Pixels: matrixLimit}})
	if err != nil {
		return pictureError(err)
	}
	v := made.Variants[0]
	p.portraits.Lock()
	defer p.portraits.Unlock()
	p.keep.RLock()
	old, err := func() (old store.File, err error) {
		id, size, err := p.blobs.Put(ctx, bytes.NewReader(v.Data), int64(len(v.Data)))
		if err != nil {
			return old, err
		}
		f := store.File{Hash: id.String(), Type: v.Format.MediaType(), Bytes: size, Width: v.Width, Height: v.Height}
		if old, err = p.store.SetPortrait(ctx, user, pt.kind, f); err != nil || pt.kind != store.Avatar {
			return old, err
		}
		return old, p.nameAvatar(ctx, user, f.Hash)
	}()
	p.keep.RUnlock()
	p.discard(store.Media{Original: old})
	return err
}

// nameAvatar tells the accounts which blob is user's avatar; empty: none.
func (p *Photos) nameAvatar(ctx context.Context, user int64, hash string) error {
	_, err := p.people.UpdateProfile(ctx, user, account.ProfileEdit{Avatar: &hash, Service: p.label})
	return err
}

// dropPortrait removes a portrait.
func (p *Photos) dropPortrait(ctx context.Context, user int64, kind store.PortraitKind) error {
	p.portraits.Lock()
	defer p.portraits.Unlock()
	old, err := p.store.SetPortrait(ctx, user, kind, store.File{})
	if err != nil {
		return err
	}
	if kind == store.Avatar && old.Hash != "" {
		u, err := p.people.User(ctx, user)
		if err == nil && u.AvatarAt(p.label) == old.Hash {
			err = p.nameAvatar(ctx, user, "")
		}
		if err != nil {
			return err
		}
	}
	p.discard(store.Media{Original: old})
	return nil
}

// settleAvatar drops the avatar that user has here where it is not theirs any
// more, because they chose one at another service.
func (p *Photos) settleAvatar(ctx context.Context, user int64) error {
	p.portraits.Lock()
	defer p.portraits.Unlock()
	u, err := p.people.User(ctx, user)
	if errors.Is(err, account.ErrNotFound) {
		return nil // all of theirs is erased
	}
	if err != nil {
		return err
	}
	prof, err := p.store.Profile(ctx, user)
	if err != nil || prof.Avatar.Hash == "" || prof.Avatar.Hash == u.AvatarAt(p.label) {
		return err
	}
	old, err := p.store.SetPortrait(ctx, user, store.Avatar, store.File{})
	if err == nil {
		p.discard(store.Media{Original: old})
	}
	return err
}
