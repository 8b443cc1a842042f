package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/porticod/portico/pkg/settings"
)

// secrets is the mark of values that came from secret() and of what is made of
// them. It remembers them all, to keep them out of messages.
type secrets struct{ values []string }

// Keep implements settings.Keeper.
func (s *secrets) Keep(value string) { s.values = append(s.values, value) }

// redact takes secrets out of a piece of the file. What is very short would turn
// up everywhere and is no secret.
func (s *secrets) redact(text string) string {
	for _, value := range s.values {
		if len(value) >= 4 {
			text = strings.ReplaceAll(text, value, "***")
		}
	}
	return text
}

// redactMessage takes secrets out of a message. Values stand in quotes there; a
// secret that could be a word of the message itself, as one that is "short" is too
// short, is looked for only between them.
func (s *secrets) redactMessage(text string) string {
	text = s.redactQuoted(text)
	parts := splitQuotes(text)
	if len(parts)%2 == 0 {
		return s.redact(text) // somebody forgot one
	}
	for i := range parts {
		for _, value := range s.values {
			if inQuotes := i%2 == 1; len(value) >= 4 && (inQuotes || !likeWords(value)) {
				parts[i] = strings.ReplaceAll(parts[i], value, "***")
			}
		}
	}
	return strings.Join(parts, `"`)
}

// splitQuotes splits a message at the quotes that no backslash takes their meaning
// from: those belong to what is quoted.
func splitQuotes(text string) (parts []string) {
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

// redactQuoted takes out secrets that have quotes or line ends themselves, as
// messages write them.
func (s *secrets) redactQuoted(text string) string {
	for _, value := range s.values {
		if q := strconv.Quote(value); len(value) >= 4 && q != `"`+value+`"` {
			text = strings.ReplaceAll(strings.ReplaceAll(text, q, `"***"`), value, "***")
		}
	}
	return text
}

// likeWords reports whether a secret is a few lower-case letters, as many words of
// a message are, and too few to protect anything. Longer ones are taken out
// wherever they are: not all who write messages put values in quotes.
func likeWords(secret string) bool {
	return len(secret) < 6 && !strings.ContainsFunc(secret, func(r rune) bool { return r != ' ' && (r < 'a' || r > 'z') })
}

// plainFunctions are the functions that depend on nothing but their arguments.
func plainFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc,

		"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc,
		"join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc,
		"regexall": stdlib.RegexAllFunc, "regexreplace": stdlib.RegexReplaceFunc, "replace": stdlib.ReplaceFunc,
		"split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc,
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,

		"coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc,
		"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
		"element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc,
		"length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc, "merge": stdlib.MergeFunc,
		"range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,

		"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number), "tostring": stdlib.MakeToFunc(cty.String),
		"tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
	}
}

// functions are all functions, as file sees them: relative paths are resolved
// against its folder.
func (l *loader) functions(file string) map[string]function.Function {
	m := plainFunctions()
	m["env"] = envFunction(l.opt.Getenv)
	m["file"] = l.fileFunction(file)
	m["secret"] = l.secretFunction(file)
	return m
}

func envFunction(getenv func(string) string) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and a default, no more")
			}
			name := args[0].AsString()
			if v := getenv(name); v != "" {
				return cty.StringVal(strings.ToValidUTF8(v, "\uFFFD")), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0,
				"%s is not set in the environment; set it, or give a default: env(%q, \"...\")", name, name)
		},
	})
}

// text is the content of a file as a string value.
func text(b []byte) (cty.Value, error) {
	if !utf8.Valid(b) {
		return cty.NilVal, errors.New("it is not UTF-8 text")
	}
	return cty.StringVal(string(b)), nil
}

func (l *loader) fileFunction(from string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := settings.Resolve(from, args[0].AsString())
			b, err := l.read(path, maxFile)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%s cannot be read: %s", path, reason(err))
			}
			v, err := text(b)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%s cannot be used: %w", path, err)
			}
			return v, nil
		},
	})
}

func (l *loader) secretFunction(from string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := l.secret(from, args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			l.secrets.Keep(s)
			return cty.StringVal(s).Mark(l.secrets), nil
		},
	})
}

// secret looks a secret up: a name in systemd's credentials, then in
// data_dir/secrets; what has a slash is a file, seen from the file from.
func (l *loader) secret(from, name string) (string, error) {
	var places []string
	switch {
	case strings.Contains(name, "/"):
		places = []string{settings.Resolve(from, name)}
	case name == "" || name == "." || name == "..":
		return "", fmt.Errorf("%q is not the name of a secret", name)
	case l.cfg.DataDir == "":
		return "", errors.New("a secret cannot be used for data_dir, because secrets lie there")
	default:
		if dir := l.opt.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
			places = append(places, filepath.Join(dir, name))
		}
		places = append(places, filepath.Join(l.cfg.DataDir, "secrets", name))
	}
	var tried []string
	for _, path := range places {
		b, err := readFile(path, maxSecret) // never from a copy: secrets are not copied
		if err != nil {
			tried = append(tried, path+" ("+reason(err)+")")
			continue
		}
		if !utf8.Valid(b) {
			return "", fmt.Errorf("%s is not UTF-8 text", path)
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
	}
	return "", fmt.Errorf("the secret %q was not found; tried: %s", name, strings.Join(tried, ", "))
}

// Functions are the names of the functions besides env, file and secret, in
// order, for the reference.
func Functions() []string { return sortedKeys(plainFunctions()) }
