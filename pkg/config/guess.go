package config

import (
	"path/filepath"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/porticod/portico/pkg/settings"
)

// SocketGuess finds the admin socket of the daemon that runs file, however
// broken file may be by now: it takes what can be understood and the default
// for the rest.
func SocketGuess(file string, opt Options) string {
	l := guess(file, opt)
	socket := l.guessAdmin()
	if socket == "" && l.src.files[l.cfg.File] != nil {
		socket = guessText(l.src.files[l.cfg.File].Bytes, l.cfg.File)
	}
	return defaultSocket(socket, l.opt.Getenv, l.cfg.DataDir)
}

// DataDirGuess finds the data_dir of file as SocketGuess finds the socket.
func DataDirGuess(file string, opt Options) string {
	return guess(file, opt).cfg.DataDir
}

// guess loads file as far as variables, locals and data_dir, and drops what it
// has to say about mistakes.
func guess(file string, opt Options) *loader {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	l := newLoader(file, opt)
	l.addFile(file, hcl.Range{})
	if f := l.src.files[file]; f != nil && len(l.parts) == 0 {
		body := f.Body.(*hclsyntax.Body) // what the parser made of it
		content, _, _ := body.PartialContent(topSchema())
		l.parts = []part{{file, body, content}}
		l.ectxs[file] = l.newContext(file)
	}
	if len(l.parts) > 0 {
		l.include()
	}
	l.evaluate()
	return l
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
