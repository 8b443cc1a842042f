package photos

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/porticod/portico/pkg/settings"
	"github.com/porticod/portico/services/photos/entity"
)

// Config is a photos block. Every option can be changed while the service runs.
type Config struct {
	// Title is the name of the service, in the web page and in apps.
	Title string `hcl:"title,optional"`
	// Description is a sentence about the service, for apps that show what a
	// server is about. Default: the title.
	Description string `hcl:"description,optional"`
	// Email is whom people can turn to.
	Email string `hcl:"email,optional"`
	// Rules are what people agree to, a sentence each.
	Rules []string `hcl:"rules,optional"`
	// PublicURL is scheme, host and port of every URL in answers, such as
	// "https://photos.example.org". Default: what the client used.
	PublicURL string `hcl:"public_url,optional"`
	// ChatURL is scheme, host and port of the chat whose accounts these are,
	// such as "https://chat.example.org": profiles get a button for a message.
	ChatURL string `hcl:"chat_url,optional"`
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
	// Limits bound what people write and how often apps call.
	Limits Limits `hcl:"limits,block"`
}

// Limits is the limits block: bounds of what people write, in characters, and of
// what their apps ask.
type Limits struct {
	// Caption is the longest text of a post, with its content warning.
	Caption int `hcl:"caption,optional"`
	// Description is the longest description of a picture for those who
	// cannot see it.
	Description int `hcl:"description,optional"`
	// Requests is how many calls to the API one account, with all its apps, may
	// make in five minutes. The web page is not counted.
	Requests int `hcl:"requests,optional"`
	// RequestsFrom is how many calls without an account may come from one address
	// in five minutes; those from this machine are not counted.
	RequestsFrom int `hcl:"requests_from,optional"`
}

func defaults() Config {
	return Config{
		Title:         "Photos",
		MaxUpload:     20 << 20,
		PasswordGrant: true,
		Limits:        Limits{Caption: 2200, Description: 1500, Requests: 3000, RequestsFrom: 7500},
	}
}

// Bounds of the options: a body must fit into params.MaxText, and more than
// this is a mistake in the file rather than a wish.
const (
	minUpload   = 1 << 10
	maxUpload   = 256 << 20 // what the picture pool accepts
	maxLimit    = 100_000
	maxTitleLen = 100
	maxAbout    = 2000
	maxRules    = 50
	maxRequests = 10_000_000
)

// Validate checks what types cannot express.
func (c *Config) Validate() error {
	if c.PublicURL != "" && !isOrigin(c.PublicURL) {
		return &settings.Error{Attr: "public_url", Summary: "Not scheme, host and port",
			Detail: `Write it like "https://photos.example.org", without a path: the service answers at the root.`}
	}
	if c.ChatURL != "" && !isOrigin(c.ChatURL) {
		return &settings.Error{Attr: "chat_url", Summary: "Not scheme, host and port",
			Detail: `Write it like "https://chat.example.org", without a path: it is where people open the chat.`}
	}
	switch {
	case c.MaxUpload < minUpload || c.MaxUpload > maxUpload:
		return &settings.Error{Attr: "max_upload", Summary: "Not between 1KiB and 256MiB", Detail: `Pictures of phones have 2 to 15 MiB; "20MiB" is the default.`}
	case c.Quota < 0:
		return &settings.Error{Attr: "quota", Summary: "Below 0", Detail: `Write a size like "10GiB", or leave it out for no limit.`}
	case len(c.Description) > maxAbout:
		return &settings.Error{Attr: "description", Summary: "Longer than 2000 bytes", Detail: "Apps show it in a list of servers."}
	case c.Email != "" && !strings.Contains(c.Email, "@"):
		return &settings.Error{Attr: "email", Summary: "Not an e-mail address", Detail: `Write it like "ops@example.org".`}
	case len(c.Rules) > maxRules || slices.ContainsFunc(c.Rules, func(r string) bool { return r == "" || len(r) > maxAbout }):
		return &settings.Error{Attr: "rules", Summary: "More than 50, or one that is empty or longer than 2000 bytes", Detail: "A rule is a sentence."}
	case len(c.Title) > maxTitleLen:
		return &settings.Error{Attr: "title", Summary: "Longer than 100 bytes", Detail: "It stands in the head of every page."}
	case c.Limits.Caption < 1 || c.Limits.Caption > maxLimit:
		return &settings.Error{Attr: "limits.caption", Summary: "Not between 1 and 100000", Detail: "It is a number of characters."}
	case c.Limits.Description < 1 || c.Limits.Description > maxLimit:
		return &settings.Error{Attr: "limits.description", Summary: "Not between 1 and 100000", Detail: "It is a number of characters."}
	case c.Limits.Requests < 1 || c.Limits.Requests > maxRequests:
		return &settings.Error{Attr: "limits.requests", Summary: "Not between 1 and 10000000", Detail: "It is a number of calls in five minutes."}
	case c.Limits.RequestsFrom < 1 || c.Limits.RequestsFrom > maxRequests:
		return &settings.Error{Attr: "limits.requests_from", Summary: "Not between 1 and 10000000", Detail: "It is a number of calls in five minutes."}
	}
	return nil
}

// describe is the sentence about the service.
func (c *Config) describe() string { return cmp.Or(c.Description, c.Title) }

// ruleList are the rules as apps get them.
func (c *Config) ruleList() []entity.Rule {
	list := make([]entity.Rule, len(c.Rules))
	for i, r := range c.Rules {
		list[i] = entity.Rule{ID: entity.ID(i + 1), Text: r}
	}
	return list
}

// isOrigin tells whether text is scheme, host and port of a web server.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "" &&
		u.RawQuery == "" && u.Fragment == "" && u.User == nil
}
