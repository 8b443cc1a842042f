package photos

import (
	"html"
	"strings"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// account renders somebody as everybody sees them.
func (r *renderer) account(u account.User) (entity.Account, error) {
	prof, err := r.p.store.Profile(r.ctx, u.ID)
	if err != nil {
		return entity.Account{}, err
	}
	return r.accountWith(u, prof), nil
}

func (r *renderer) accountWith(u account.User, prof store.Profile) entity.Account {
	name := u.Name
	if name == "" {
		name = u.Username
	}
	avatar, header := r.avatarURL(u, prof), r.base+headerPath
	if prof.Header.Hash != "" {
		header = r.base + portraitPath(u.ID, store.Header, prof.Header)
	}
	a := entity.Account{
		ID: entity.ID(u.ID), Username: u.Username, Acct: u.Username,
		URL: r.base + "/@" + u.Username, URI: r.base + "/@" + u.Username,
		DisplayName: name, Note: toHTML(u.About), Fields: make([]entity.Field, 0, len(prof.Fields)),
		Avatar: avatar, AvatarStatic: avatar, Header: header, HeaderStatic: header,
		Locked: prof.Locked, Bot: prof.Bot, Discoverable: !prof.Hidden, NoIndex: prof.NoIndex, Indexable: !prof.NoIndex,
		HideCollection: prof.PrivateLists, Suspended: u.Suspended,
		CreatedAt: entity.Time(u.CreatedAt), LastStatusAt: entity.Date(prof.LastStatus),
		StatusesCount: prof.Statuses, FollowersCount: prof.Followers, FollowingCount: prof.Following,
	}
	for _, f := range prof.Fields {
		a.Fields = append(a.Fields, entity.Field{Name: f.Name, Value: lineHTML(f.Value)})
	}
	return a
}

// avatarURL is that of the avatar that u has here; one that another service has
// cannot be shown.
func (r *renderer) avatarURL(u account.User, prof store.Profile) string {
	if prof.Avatar.Hash == "" || u.AvatarAt(r.p.label) != prof.Avatar.Hash {
		return r.base + avatarPath
	}
	return r.base + portraitPath(u.ID, store.Avatar, prof.Avatar)
}

// lineHTML makes escaped HTML of one line, with links.
func lineHTML(text string) string {
	if !strings.Contains(text, "://") {
		return html.EscapeString(text)
	}
	var b strings.Builder
	linkify(&b, text)
	return b.String()
}

// credentials renders somebody as they see themselves.
func (r *renderer) credentials(u account.User) (entity.Account, error) {
	prof, err := r.p.store.Profile(r.ctx, u.ID)
	if err != nil {
		return entity.Account{}, err
	}
	a := r.accountWith(u, prof)
	a.Source = &entity.Source{
		Note: u.About, Privacy: prof.Privacy.String(), Sensitive: prof.Sensitive, Language: prof.Language,
		Fields: make([]entity.Field, 0, len(prof.Fields)), FollowRequestsCount: prof.Requests,
		HideCollections: prof.PrivateLists, Discoverable: !prof.Hidden, Indexable: !prof.NoIndex,
	}
	for _, f := range prof.Fields {
		a.Source.Fields = append(a.Source.Fields, entity.Field{Name: f.Name, Value: f.Value})
	}
	a.Role = &entity.Role{ID: -99, Permissions: "0"}
	if u.Role == account.RoleAdmin {
		a.Role = &entity.Role{ID: 1, Name: "Admin", Permissions: "1", Highlighted: true}
	}
	return a, nil
}

// A show says whom a list of people shows, but for those who are gone.
type show uint8

const (
	unblocked show = iota // nobody whom the viewer blocks or who blocks them
	everyone
)

// people renders a list of people in the order of their ids.
func (r *renderer) people(ids []int64, s show) ([]entity.Account, error) {
	users, err := r.p.people.Users(r.ctx, ids)
	if err != nil {
		return nil, err
	}
	profiles, err := r.p.store.Profiles(r.ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]entity.Account, 0, len(ids))
	for _, id := range ids {
		u, ok := users[id]
		rel := r.viewer.knows(u)
		if !ok || rel.gone || s == unblocked && rel.blocked {
			continue
		}
		out = append(out, r.accountWith(u, profiles[id]))
	}
	return out, nil
}
