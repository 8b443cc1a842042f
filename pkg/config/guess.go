package config

import (
	"path/filepath"
	"regexp"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/porticod/portico/pkg/settings"
)

// SocketGuess finds the admin socket of the daemon that runs file, however
// broken file may be by now: it takes what can be understood and the default
// for the rest.
func SocketGuess(file string) string {
	l, src := look(file)
	socket := l.guessAdmin()
	if socket == "" {
		socket = guessText(src, l.cfg.File)
	}
	return defaultSocket(socket, l.opt.Getenv, l.cfg.DataDir)
}

// DataDirGuess finds data_dir in the same way.
func DataDirGuess(file string) string {
	l, _ := look(file)
	return l.cfg.DataDir
}

// look reads as much of a file as it can, data_dir at least.
func look(file string) (*loader, []byte) {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	l := newLoader(file, Options{})
	src, err := readFile(file, maxFile)
	if err != nil {
		l.cfg.DataDir = defaultDataDir("", l.opt.Getenv, file)
		return l, nil
	}
	f, _ := parse(src, file)
	body := f.Body.(*hclsyntax.Body)
	content, _, _ := body.PartialContent(topSchema())
	l.parts = []part{{file, body, content}}
	l.cfg.Files = []string{file}
	l.ectxs[file] = l.newContext(file)
	l.include()
	l.evaluate()
	return l, src
}

// guessAdmin evaluates admin.socket alone.
func (l *loader) guessAdmin() string {
	for _, b := range l.blocks("admin") {
		body := b.Body.(*hclsyntax.Body)
		a := body.Attributes["socket"]
		if a == nil {
			continue
		}
		var v struct {
			Socket settings.Path `hcl:"socket,optional"`
		}
		one := &hclsyntax.Body{Attributes: hclsyntax.Attributes{"socket": a}}
		settings.Decode(one, l.ectx(b.DefRange), &v)
		return string(v.Socket)
	}
	return ""
}

var socketLine = regexp.MustCompile(`(?m)^[^#\n]*\bsocket\s*=\s*"([^"$%\\]+)"`)

// guessText is for a file that the parser lost its way in.
func guessText(src []byte, file string) string {
	if m := socketLine.FindSubmatch(src); m != nil {
		return settings.Resolve(file, string(m[1]))
	}
	return ""
}
