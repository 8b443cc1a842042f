package photos

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// preferences is GET /api/v1/preferences.
func (p *Photos) preferences(c *call) (any, error) {
	prof, err := p.store.Profile(c.r.Context(), c.viewer.user.ID)
	if err != nil {
		return nil, err
	}
	e := entity.Preferences{Visibility: prof.Privacy.String(), Sensitive: prof.Sensitive, ExpandMedia: "default"}
	if prof.Language != "" {
		e.Language = &prof.Language
	}
	return e, nil
}

// timelines are those that have markers.
var timelines = []string{"home", "notifications"}

func markerEntity(m store.Marker) entity.Marker {
	return entity.Marker{LastReadID: entity.ID(m.LastRead), Version: m.Version, UpdatedAt: entity.Time(m.Updated)}
}

// markers is GET /api/v1/markers.
func (p *Photos) markers(c *call) (any, error) {
	wanted := c.params.Strings("timeline")
	list, err := p.store.Markers(c.r.Context(), c.viewer.user.ID)
	out := map[string]entity.Marker{}
	for _, m := range list {
		if slices.Contains(wanted, m.Timeline) {
			out[m.Timeline] = markerEntity(m)
		}
	}
	return out, err
}

// setMarkers is POST /api/v1/markers.
func (p *Photos) setMarkers(c *call) (any, error) {
	out := map[string]entity.Marker{}
	for _, timeline := range timelines {
		if !c.params.Has(timeline, "last_read_id") {
			continue
		}
		id, err := parseID(c.params.String(timeline, "last_read_id"))
		if err != nil {
			return nil, invalid("%s[last_read_id] is not an id", timeline)
		}
		m, err := p.store.SetMarker(c.r.Context(), c.viewer.user.ID, timeline, id)
		if err != nil {
			return nil, err
		}
		out[timeline] = markerEntity(m)
	}
	return out, nil
}

var domain = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// domainParam reads the name of another server. Nothing comes from others, so
// blocks of them change nothing; they are kept for the apps that show them.
func (c *call) domainParam() (string, error) {
	d := strings.ToLower(strings.TrimSpace(c.params.String("domain")))
	if !domain.MatchString(d) {
		return "", invalid("domain is not a valid domain name")
	}
	return d, nil
}

// domainBlocks is GET /api/v1/domain_blocks.
func (p *Photos) domainBlocks(c *call) (any, error) {
	pg, err := c.page()
	if err != nil {
		return nil, err
	}
	pg.Limit = c.limit(100, 200)
	list, err := p.store.DomainBlocks(c.r.Context(), c.viewer.user.ID, pg)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name
	}
	if len(list) > 0 {
		c.link(pg, len(list), list[0].ID, list[len(list)-1].ID)
	}
	return names, nil
}

// blockDomain is POST /api/v1/domain_blocks.
func (p *Photos) blockDomain(c *call) (any, error) {
	d, err := c.domainParam()
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.BlockDomain(c.r.Context(), c.viewer.user.ID, d)
}

// unblockDomain is DELETE /api/v1/domain_blocks.
func (p *Photos) unblockDomain(c *call) (any, error) {
	d, err := c.domainParam()
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.UnblockDomain(c.r.Context(), c.viewer.user.ID, d)
}

// isFeatured: what a tag may be that somebody shows on their profile.
func isFeatured(name string) bool {
	n := utf8.RuneCountInString(name)
	return 1 <= n && n <= maxTag && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '_'
	})
}

func (c *call) featuredTag(username string, t store.FeaturedTag) entity.FeaturedTag {
	return entity.FeaturedTag{
		ID: entity.ID(t.ID), Name: t.Name, URL: c.base + "/@" + username + "/tagged/" + t.Name,
		StatusesCount: strconv.FormatInt(t.Statuses, 10), LastStatusAt: entity.Date(t.Last),
	}
}

func (p *Photos) featuredTagsOf(c *call, user int64, username string) (any, error) {
	list, err := p.store.FeaturedTags(c.r.Context(), user)
	out := make([]entity.FeaturedTag, len(list))
	for i, t := range list {
		out[i] = c.featuredTag(username, t)
	}
	return out, err
}

// featuredTags is GET /api/v1/featured_tags.
func (p *Photos) featuredTags(c *call) (any, error) {
	return p.featuredTagsOf(c, c.viewer.user.ID, c.viewer.user.Username)
}

// accountTags is GET /api/v1/accounts/:id/featured_tags.
func (p *Photos) accountTags(c *call) (any, error) {
	u, err := p.person(c)
	if err != nil {
		return nil, err
	}
	if c.viewer.knows(u).blocked {
		return []entity.FeaturedTag{}, nil
	}
	return p.featuredTagsOf(c, u.ID, u.Username)
}

// featureTag is POST /api/v1/featured_tags.
func (p *Photos) featureTag(c *call) (any, error) {
	name := strings.ToLower(strings.TrimPrefix(strings.TrimSpace(c.params.String("name")), "#"))
	if !isFeatured(name) {
		return nil, invalid("name is not a hashtag")
	}
	t, err := p.store.AddFeaturedTag(c.r.Context(), c.viewer.user.ID, name)
	if err != nil {
		return nil, err
	}
	return c.featuredTag(c.viewer.user.Username, t), nil
}

// unfeatureTag is DELETE /api/v1/featured_tags/:id.
func (p *Photos) unfeatureTag(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return entity.Empty{}, p.store.DeleteFeaturedTag(c.r.Context(), c.viewer.user.ID, id)
}

// none answers what there is nothing of.
func none(*call) (any, error) { return []any{}, nil }

// nothing is the answer to something that cannot be there.
func nothing(*call) (any, error) { return nil, errNotFound }
