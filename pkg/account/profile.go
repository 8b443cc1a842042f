package account

import (
	"context"
	"slices"
)

// ProfileEdit is what a user changes about itself; nil leaves a field as it is.
type ProfileEdit struct {
	Name     *string
	About    *string
	Avatar   *string // a blob of the service that edits; empty: none
	Service  string  // kind.name of that service; needed with Avatar
	LastSeen *Audience
	Receipts *bool
}

// UpdateUser is UpdateProfile for the two fields that every service has.
func (d *Directory) UpdateUser(ctx context.Context, id int64, name, about *string) (User, error) {
	return d.UpdateProfile(ctx, id, ProfileEdit{Name: name, About: about})
}

// UpdateProfile changes what is not nil. The error may be an *Invalid.
func (d *Directory) UpdateProfile(ctx context.Context, id int64, e ProfileEdit) (User, error) {
	if err := e.clean(); err != nil {
		return User{}, err
	}
	s, err := d.open(ctx)
	if err != nil {
		return User{}, err
	}
	return s.SetProfile(ctx, id, e)
}

// clean replaces texts by what is kept of them, and leaves the caller's alone.
func (e *ProfileEdit) clean() (err error) {
	text := func(field string, p **string, maxRunes int, lines bool) {
		if *p == nil || err != nil {
			return
		}
		var v string
		v, err = cleanText(field, **p, maxRunes, lines)
		*p = &v
	}
	text("name", &e.Name, MaxName, false)
	text("about", &e.About, MaxAbout, true)
	text("avatar", &e.Avatar, maxAvatar, false)
	switch {
	case err != nil:
		return err
	case e.Avatar != nil && *e.Avatar == "":
		e.Service = ""
	case e.Avatar != nil && e.Service == "":
		return &Invalid{"avatar", "names no service"}
	}
	if e.LastSeen != nil && !slices.Contains([]Audience{Everyone, Contacts, Nobody}, *e.LastSeen) {
		return &Invalid{"last_seen", "is not everyone, contacts or nobody"}
	}
	return nil
}
