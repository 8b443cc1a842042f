package demo

import (
	"bytes"
	_ "embed" // the config and the start page
	"errors"
	"fmt"
	"html/template"
	"net"
	"os"
	"path/filepath"
	"strconv"
	texttemplate "text/template"
)

// Places are the addresses, host:port on loopback, of what the demo shows.
type Places struct {
	Chat, Photos, Gallery, Site string
	// Moved says which ones are not where they would be, and why.
	Moved []string
}

// ConfigFile is the name of the file that WriteConfig writes.
const ConfigFile = "config.hcl"

const (
	galleryDir = "gallery"
	siteDir    = "site"
)

//go:embed config.hcl.tmpl
var configText string

//go:embed site.html.tmpl
var siteText string

// FindPlaces finds ports on 127.0.0.1: the usual ones where nobody listens
// there, others else; with anyPort always others. Nothing keeps somebody else
// from taking one before it is bound.
func FindPlaces(anyPort bool) (p Places, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for _, w := range []struct {
		name string
		port int
		to   *string
	}{{"chat", 3001, &p.Chat}, {"photos", 2001, &p.Photos}, {"the gallery", 8080, &p.Gallery}, {"the start page", 8000, &p.Site}} {
		port := w.port
		if anyPort {
			port = 0
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil && !anyPort {
			if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
				p.Moved = append(p.Moved, fmt.Sprintf("port %d is taken, so %s is at %s", w.port, w.name, l.Addr()))
			}
		}
		if err != nil {
			return p, fmt.Errorf("find a free port for %s: %w", w.name, err)
		}
		held = append(held, l)
		*w.to = l.Addr().String()
	}
	return p, nil
}

// WriteConfig writes the config file and the start page into dir, and makes the
// folders that it names. It returns the path of the file.
func WriteConfig(dir string, p Places) (string, error) {
	var config, page bytes.Buffer
	err := errors.Join(
		texttemplate.Must(texttemplate.New("config").Parse(configText)).Execute(&config, p),
		template.Must(template.New("site").Parse(siteText)).Execute(&page, map[string]any{"Places": p, "Users": Users(), "Password": Password, "Operator": Operator}),
	)
	for _, name := range []string{galleryDir, siteDir} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	file := filepath.Join(dir, ConfigFile)
	if err == nil {
		err = errors.Join(os.WriteFile(file, config.Bytes(), 0o644), os.WriteFile(filepath.Join(dir, siteDir, "index.html"), page.Bytes(), 0o644))
	}
	if err != nil {
		return "", fmt.Errorf("write the demo's files: %w", err)
	}
	return file, nil
}
