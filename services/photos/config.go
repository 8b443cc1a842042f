package photos

import (
	"net/url"
	"strings"

	"github.com/porticod/portico/pkg/settings"
)

// Config is a photos block. Every option can be changed while the service runs.
type Config struct {
	// Title is the name of the service, in the web page and in apps.
	Title string `hcl:"title,optional"`
	// PublicURL is scheme, host and port of every URL in answers, such as
	// "https://photos.example.org". Default: what the client used.
	PublicURL string `hcl:"public_url,optional"`
	// MaxUpload is the largest picture file that is accepted.
	MaxUpload settings.Size `hcl:"max_upload,optional"`
	// Quota is how many bytes the pictures of one account may take, originals
	// and sizes together. 0: no limit.
	Quota settings.Size `hcl:"quota,optional"`
	// TextPosts allows posts without a picture.
	TextPosts bool `hcl:"text_posts,optional"`
	// PasswordGrant allows apps to sign in with username and password
	// (grant_type=password), as command line clients do.
	PasswordGrant bool `hcl:"password_grant,optional"`
	// Limits bound what people write.
	Limits Limits `hcl:"limits,block"`
}

// Limits is the limits block: bounds of what people write, in characters.
type Limits struct {
	// Caption is the longest text of a post, with its content warning.
	Caption int `hcl:"caption,optional"`
	// Description is the longest description of a picture for those who
	// cannot see it.
	Description int `hcl:"description,optional"`
}

func defaults() Config {
	return Config{
		Title:         "Photos",
		MaxUpload:     20 << 20,
		PasswordGrant: true,
		Limits:        Limits{Caption: 2200, Description: 1500},
	}
}

// Bounds of the options: a body must fit into params.MaxText, and more than
// this is a mistake in the file rather than a wish.
const (
	minUpload   = 1 << 10
	maxUpload   = 256 << 20 // what the picture pool accepts
	maxLimit    = 100_000
	maxTitleLen = 100
)

// Validate checks what types cannot express.
func (c *Config) Validate() error {
	switch u, err := url.Parse(c.PublicURL); {
	case c.PublicURL == "":
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return &settings.Error{Attr: "public_url", Summary: "Not scheme, host and port",
			Detail: `Write it like "https://photos.example.org", without a path: the service answers at the root.`}
	}
	switch {
	case c.MaxUpload < minUpload || c.MaxUpload > maxUpload:
		return &settings.Error{Attr: "max_upload", Summary: "Not between 1KiB and 256MiB", Detail: `Pictures of phones have 2 to 15 MiB; "20MiB" is the default.`}
	case c.Quota < 0:
		return &settings.Error{Attr: "quota", Summary: "Below 0", Detail: `Write a size like "10GiB", or leave it out for no limit.`}
	case len(c.Title) > maxTitleLen:
		return &settings.Error{Attr: "title", Summary: "Longer than 100 bytes", Detail: "It stands in the head of every page."}
	case c.Limits.Caption < 1 || c.Limits.Caption > maxLimit:
		return &settings.Error{Attr: "limits.caption", Summary: "Not between 1 and 100000", Detail: "It is a number of characters."}
	case c.Limits.Description < 1 || c.Limits.Description > maxLimit:
		return &settings.Error{Attr: "limits.description", Summary: "Not between 1 and 100000", Detail: "It is a number of characters."}
	}
	return nil
}
