package photos

import (
	"cmp"
	"errors"
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

// Validate checks what types cannot express, and says all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	check := func(bad bool, attr, summary, detail string) {
		if bad {
			errs = append(errs, &settings.Error{Attr: attr, Summary: summary, Detail: detail})
		}
	}
	check(c.PublicURL != "" && !isOrigin(c.PublicURL), "public_url", "Not scheme, host and port",
		`Write it like "https://photos.example.org", without a path: the service answers at the root.`)
	check(c.ChatURL != "" && !isOrigin(c.ChatURL), "chat_url", "Not scheme, host and port",
		`Write it like "https://chat.example.org", without a path: it is where people open the chat.`)
	check(c.MaxUpload < minUpload || c.MaxUpload > maxUpload, "max_upload", "Not between 1KiB and 256MiB",
		`Pictures of phones have 2 to 15 MiB; "20MiB" is the default.`)
	check(c.Quota < 0, "quota", "Below 0", `Write a size like "10GiB", or leave it out for no limit.`)
	check(len(c.Description) > maxAbout, "description", "Longer than 2000 bytes", "Apps show it in a list of servers.")
	check(c.Email != "" && !strings.Contains(c.Email, "@"), "email", "Not an e-mail address", `Write it like "ops@example.org".`)
	check(len(c.Rules) > maxRules || slices.ContainsFunc(c.Rules, func(r string) bool { return r == "" || len(r) > maxAbout }), "rules",
		"More than 50, or one that is empty or longer than 2000 bytes", "A rule is a sentence.")
	check(len(c.Title) > maxTitleLen, "title", "Longer than 100 bytes", "It stands in the head of every page.")
	l := &c.Limits
	check(l.Caption < 1 || l.Caption > maxLimit, "limits.caption", "Not between 1 and 100000", "It is a number of characters.")
	check(l.Description < 1 || l.Description > maxLimit, "limits.description", "Not between 1 and 100000", "It is a number of characters.")
	check(l.Requests < 1 || l.Requests > maxRequests, "limits.requests", "Not between 1 and 10000000", "It is a number of calls in five minutes.")
	check(l.RequestsFrom < 1 || l.RequestsFrom > maxRequests, "limits.requests_from", "Not between 1 and 10000000",
		"It is a number of calls in five minutes.")
	return errors.Join(errs...)
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
