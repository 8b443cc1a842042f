package photos

import (
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

// sourceURL is where the code is.
const sourceURL = "https://github.com/porticod/portico"

// version is portico's own.
var version = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "0.0.0"
})

// compatible is the version of the API that clients compare with what they
// need, and who it is really.
func compatible() string { return "4.2.0 (compatible; portico " + version() + ")" }

// instanceV1 is GET /api/v1/instance.
func (p *Photos) instanceV1(c *call) (any, error) {
	n, err := p.census.counts(c.r.Context())
	if err != nil {
		return nil, err
	}
	reg := p.people.Registration()
	return entity.InstanceV1{
		URI: hostOf(c.base), Title: c.cfg.Title, ShortDescription: c.cfg.describe(), Description: c.cfg.describe(),
		Email: c.cfg.Email, Version: compatible(), Rules: c.cfg.ruleList(),
		URLs:      entity.StreamingURLs{StreamingAPI: streamingURL(c.base)},
		Stats:     entity.InstanceStats{Users: n.Authors, Statuses: n.Statuses, Domains: 1},
		Thumbnail: c.base + headerPath, Languages: []string{"en"},
		Registrations: reg != account.Closed, InvitesEnabled: reg == account.ByCode,
		Configuration: p.configuration(c.cfg),
	}, nil
}

// month is as long as people count as active.
const month = 30 * 24 * time.Hour

// instanceV2 is GET /api/v2/instance.
func (p *Photos) instanceV2(c *call) (any, error) {
	n, err := p.census.counts(c.r.Context())
	if err != nil {
		return nil, err
	}
	e := entity.InstanceV2{
		Domain: hostOf(c.base), Title: c.cfg.Title, Version: compatible(), SourceURL: sourceURL, Description: c.cfg.describe(),
		Contact: entity.Contact{Email: c.cfg.Email}, Rules: c.cfg.ruleList(),
		Thumbnail: entity.Thumbnail{URL: c.base + headerPath}, Languages: []string{"en"},
		Configuration: entity.ConfigurationV2{Configuration: p.configuration(c.cfg)},
	}
	e.Usage.Users.ActiveMonth = n.month
	e.Configuration.URLs.Streaming = streamingURL(c.base)
	switch p.people.Registration() {
	case account.Closed:
		e.Registrations.Message = new("<p>Sign-up is closed here.</p>")
	case account.ByCode:
		e.Registrations.Enabled = true
		e.Registrations.Message = new("<p>An invite is needed to sign up.</p>")
	default:
		e.Registrations.Enabled = true
	}
	return e, nil
}

// pictureTypes are those that the pipeline reads.
var pictureTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// matrixLimit is how many pixels a picture may have.
const matrixLimit = 50_000_000

func (p *Photos) configuration(cfg *Config) entity.Configuration {
	return entity.Configuration{
		Accounts: entity.AccountLimits{
			MaxFeaturedTags: store.MaxFeatured, MaxPinnedStatuses: store.MaxPins,
			MaxProfileFields: maxFields, FieldNameLimit: maxFieldLen, FieldValueLimit: maxFieldLen,
		},
		Statuses: entity.StatusLimits{MaxCharacters: cfg.Limits.Caption, MaxMedia: maxPictures, CharactersReservedURL: 23},
		Media: entity.MediaLimits{
			MimeTypes: pictureTypes, DescriptionLimit: cfg.Limits.Description,
			ImageSizeLimit: int64(cfg.MaxUpload), ImageMatrixLimit: matrixLimit,
		},
		Polls: entity.PollLimits{MaxOptions: 0, MaxCharactersPerOption: 0, MinExpiration: 300, MaxExpiration: 2629746},
	}
}

// streamingURL is where streaming is: clients add the path.
func streamingURL(base string) string { return "ws" + strings.TrimPrefix(base, "http") }
