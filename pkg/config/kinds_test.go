package config_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// kinds is a small registry: two kinds that speak HTTP, one that takes raw
// connections, one that does both.
func kinds() service.Registry {
	return service.NewRegistry(
		service.KindOf(kind[webConfig, *web]{"chat"}),
		service.KindOf(kind[webConfig, *web]{"photos"}),
		service.KindOf(kind[webConfig, *web]{"images"}),
		service.KindOf(kind[webConfig, *web]{"static"}),
		service.KindOf(kind[rawConfig, *raw]{"tcp"}),
		service.KindOf(kind[struct{}, *both]{"echo"}),
	)
}

type webConfig struct {
	Root      settings.Path     `hcl:"root,optional"`
	MaxUpload settings.Size     `hcl:"max_upload,optional"`
	Ping      time.Duration     `hcl:"ping,optional"`
	Status    int16             `hcl:"status,optional"`
	Browse    bool              `hcl:"browse,optional"`
	Origins   settings.Strings  `hcl:"allowed_origins,optional"`
	Headers   map[string]string `hcl:"headers,optional"`
	Key       settings.Secret   `hcl:"sign_key,optional"`
	Limits    webLimits         `hcl:"limits,block"`
}

type webLimits struct {
	PerIP int `hcl:"per_ip,optional"`
}

func (c *webConfig) Validate() error {
	for _, o := range c.Origins {
		if !strings.HasPrefix(o, "http") {
			return &settings.Error{Attr: "allowed_origins", Summary: "Not a web origin: " + o, Detail: "Write https://example.org."}
		}
	}
	if c.Limits.PerIP > 1000 {
		return &settings.Error{Attr: "limits.per_ip", Summary: "The limit is too high", Detail: "It is at most 1000."}
	}
	return nil
}

type rawConfig struct {
	Upstreams settings.Strings `hcl:"upstreams"`
}

type kind[C any, S service.Service] struct{ name string }

func (k kind[C, S]) Kind() string   { return k.name }
func (k kind[C, S]) Default() (c C) { return c }
func (k kind[C, S]) Open(context.Context, service.Env, C) (s S, err error) {
	return s, errors.New("only for tests")
}

type web struct{}

func (*web) Close() error                                 { return nil }
func (*web) ServeHTTP(http.ResponseWriter, *http.Request) {}

type raw struct{}

func (*raw) Close() error                        { return nil }
func (*raw) ServeConn(context.Context, net.Conn) {}

type both struct {
	web
	raw
}

func (*both) Close() error { return nil }
