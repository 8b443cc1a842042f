package photos

import (
	"runtime/debug"
	"strings"
	"sync"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
)

// sourceURL is where the code is.
const sourceURL = "https://github.com/porticod/portico"

// compatible is the version of the API that clients compare with what they
// need, and who it is really.
var compatible = sync.OnceValue(func() string {
	version := "0.0.0"
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		version = strings.TrimPrefix(info.Main.Version, "v")
	}
	return "4.2.0 (compatible; portico " + version + ")"
})

// instanceV1 is GET /api/v1/instance.
func (p *Photos) instanceV1(c *call) (any, error) {
	totals, err := p.store.Totals(c.r.Context())
	if err != nil {
		return nil, err
	}
	reg := p.people.Registration()
	return entity.InstanceV1{
		URI: hostOf(c.base), Title: c.cfg.Title, ShortDescription: c.cfg.Title, Description: c.cfg.Title, Version: compatible(),
		URLs:      entity.StreamingURLs{StreamingAPI: streamingURL(c.base)},
		Stats:     entity.InstanceStats{Users: totals.Authors, Statuses: totals.Statuses, Domains: 1},
		Thumbnail: c.base + headerPath, Languages: []string{"en"},
		Registrations: reg != account.Closed, InvitesEnabled: reg == account.ByCode,
		Configuration: p.configuration(c.cfg),
	}, nil
}

// instanceV2 is GET /api/v2/instance.
func (p *Photos) instanceV2(c *call) (any, error) {
	totals, err := p.store.Totals(c.r.Context())
	if err != nil {
		return nil, err
	}
	e := entity.InstanceV2{
		Domain: hostOf(c.base), Title: c.cfg.Title, Version: compatible(), SourceURL: sourceURL, Description: c.cfg.Title,
		Thumbnail: entity.Thumbnail{URL: c.base + headerPath}, Languages: []string{"en"},
		Configuration: entity.ConfigurationV2{Configuration: p.configuration(c.cfg)},
	}
	e.Usage.Users.ActiveMonth = totals.Authors
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
		Statuses: entity.StatusLimits{MaxCharacters: cfg.Limits.Caption, MaxMedia: maxPictures, CharactersReservedURL: 23},
		Media: entity.MediaLimits{
			MimeTypes: pictureTypes, DescriptionLimit: cfg.Limits.Description,
			ImageSizeLimit: int64(cfg.MaxUpload), ImageMatrixLimit: matrixLimit,
		},
		Polls: entity.PollLimits{MaxOptions: 0, MaxCharactersPerOption: 0, MinExpiration: 300, MaxExpiration: 2629746},
	}
}

// streamingURL is where streaming will be: clients need a URL to start.
func streamingURL(base string) string { return "ws" + strings.TrimPrefix(base, "http") }
