package photos

import (
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/store"
)

// Bounds of a profile.
const (
	maxFields   = 4
	maxFieldLen = 255 // characters, of names and values
)

// updateCredentials is PATCH /api/v1/accounts/update_credentials. What is not
// given stays.
func (p *Photos) updateCredentials(c *call) (any, error) {
	texts := account.ProfileEdit{Name: c.text("display_name"), About: c.text("note")}
	edit, err := c.profileEdit()
	if err != nil {
		return nil, err
	}
	ctx, me := c.r.Context(), c.viewer.user.ID
	if texts.Name != nil || texts.About != nil {
		if _, err := p.people.UpdateProfile(ctx, me, texts); err != nil {
			return nil, formError(err)
		}
	}
	if _, err := p.store.EditProfile(ctx, me, edit); err != nil {
		return nil, err
	}
	if err := p.updatePortraits(c); err != nil {
		return nil, err
	}
	return p.myself(c)
}

// text is a parameter, nil where it was not given.
func (c *call) text(path ...string) *string {
	if !c.params.Has(path...) {
		return nil
	}
	return new(c.params.String(path...))
}

// myself answers with the viewer's account as it is now.
func (p *Photos) myself(c *call) (any, error) {
	u, err := p.people.User(c.r.Context(), c.viewer.user.ID)
	if err != nil {
		return nil, err
	}
	return c.renderer(p).credentials(u)
}

// updatePortraits takes the pictures that came, one parameter each. An empty
// value, as forms send that leave the field alone, changes nothing.
func (p *Photos) updatePortraits(c *call) error {
	for i, pt := range portraits {
		if c.portraits[i] == nil {
			continue
		}
		if err := p.takePortrait(c.r.Context(), c.viewer.user.ID, pt, c.portraits[i]); err != nil {
			return err
		}
	}
	return nil
}

// profileEdit reads what is to change in the store's part of a profile.
func (c *call) profileEdit() (func(*store.Profile), error) {
	var edits []func(*store.Profile)
	flag := func(name string, not bool, to func(*store.Profile) *bool, path ...string) {
		if path = append(path, name); c.params.String(path...) != "" {
			v := c.params.Bool(false, path...) != not
			edits = append(edits, func(p *store.Profile) { *to(p) = v })
		}
	}
	flag("locked", false, func(p *store.Profile) *bool { return &p.Locked })
	flag("bot", false, func(p *store.Profile) *bool { return &p.Bot })
	flag("discoverable", true, func(p *store.Profile) *bool { return &p.Hidden })
	flag("indexable", true, func(p *store.Profile) *bool { return &p.NoIndex })
	flag("hide_collections", false, func(p *store.Profile) *bool { return &p.PrivateLists })
	flag("sensitive", false, func(p *store.Profile) *bool { return &p.Sensitive }, "source")
	if name := c.params.String("source", "privacy"); name != "" {
		v, err := visibilityOf(name)
		if err != nil || v == store.Direct {
			return nil, invalid("source[privacy] is not public, unlisted or private")
		}
		edits = append(edits, func(p *store.Profile) { p.Privacy = v })
	}
	if l := c.text("source", "language"); l != nil {
		if *l != "" && !language.MatchString(*l) {
			return nil, invalid("source[language] is not an ISO 639 code")
		}
		edits = append(edits, func(p *store.Profile) { p.Language = *l })
	}
	fields, err := c.profileFields()
	if err != nil {
		return nil, err
	}
	if c.params.Has("fields_attributes") {
		edits = append(edits, func(p *store.Profile) { p.Fields = fields })
	}
	return func(p *store.Profile) {
		for _, e := range edits {
			e(p)
		}
	}, nil
}

// profileFields reads fields_attributes: a list, or an object with any keys.
// Fields without name and value are left out.
func (c *call) profileFields() (list []store.Field, err error) {
	for _, f := range c.params.Entries("fields_attributes") {
		field := store.Field{Name: strings.TrimSpace(f.String("name")), Value: strings.TrimSpace(f.String("value"))}
		switch {
		case field == store.Field{}:
			continue
		case field.Name == "":
			return nil, invalid("a field of the profile has no name")
		case tooLong(field.Name, maxFieldLen), tooLong(field.Value, maxFieldLen):
			return nil, invalid("a field of the profile is longer than %d characters", maxFieldLen)
		case strings.ContainsFunc(field.Name+field.Value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return nil, invalid("a field of the profile has control characters")
		}
		if list = append(list, field); len(list) > maxFields {
			return nil, invalid("a profile has at most %d fields", maxFields)
		}
	}
	return list, nil
}

// deleteAvatar is DELETE /api/v1/profile/avatar.
func (p *Photos) deleteAvatar(c *call) (any, error) { return p.deletePortrait(c, store.Avatar) }

// deleteHeader is DELETE /api/v1/profile/header.
func (p *Photos) deleteHeader(c *call) (any, error) { return p.deletePortrait(c, store.Header) }

func (p *Photos) deletePortrait(c *call, kind store.PortraitKind) (any, error) {
	if err := p.dropPortrait(c.r.Context(), c.viewer.user.ID, kind); err != nil {
		return nil, err
	}
	return p.myself(c)
}
