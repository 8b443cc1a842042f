package main

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A mark is how a licence is known: words that are in its text, all of them.
type mark struct {
	id    string // of SPDX
	words []string
	not   string // that make it another one
}

const (
	mayRedistribute = "redistribution and use in source and binary forms, with or without modification, are permitted"
	mayDealIn       = "permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation"
)

// known are the licences that are allowed: they ask for no more than that their
// text and notices go with the program, and MPL that changes to its own files
// are shown; portico changes none.
var known = []mark{
	{"Apache-2.0", []string{"apache license version 2.0, january 2004"}, ""},
	{"Apache-2.0", []string{"licensed under the apache license, version 2.0"}, "apache license version 2.0, january 2004"},
	{"BSD-2-Clause", []string{mayRedistribute}, "neither the name"},
	{"BSD-3-Clause", []string{mayRedistribute, "neither the name"}, "all advertising materials"},
	{"CC0-1.0", []string{"cc0 1.0"}, ""},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}, ""},
	{"MIT", []string{mayDealIn, "this permission notice shall be included"}, ""},
	{"MPL-2.0", []string{"mozilla public license, version 2.0"}, ""},
	{"Unicode-DFS-2016", []string{"unicode data files include all data files"}, ""},
	{"LicenseRef-public-domain", []string{"sqlite is public domain"}, ""},
}

// refused are words of licences that ask for more, and that a text has beside an
// allowed one sometimes. MPL names the first three as what may be chosen too.
var refused = []string{
	"gnu general public license", "gnu lesser general public license", "gnu affero general public license",
	"server side public license", "business source license", "commons clause", "noncommercial", "non-commercial use",
	"all advertising materials mentioning",
}

var spaces = regexp.MustCompile(`[\s*>#/]+`)

// recognise finds the licences in a text.
func recognise(text string) (ids []string, bad string) {
	plain := spaces.ReplaceAllString(strings.ToLower(text), " ")
	for _, m := range known {
		all := m.not == "" || !strings.Contains(plain, m.not)
		for _, w := range m.words {
			all = all && strings.Contains(plain, w)
		}
		if all && !slices.Contains(ids, m.id) {
			ids = append(ids, m.id)
		}
	}
	if slices.Contains(ids, "MPL-2.0") {
		plain = strings.ReplaceAll(plain, "gnu general public license, version 2.0, the gnu lesser general public license, version 2.1, the gnu affero general public license, version 3.0", "")
	}
	for _, w := range refused {
		if strings.Contains(plain, w) {
			return ids, w
		}
	}
	return ids, ""
}

// judge sets the module's licences from its files.
func (m *module) judge() error {
	var errs []error
	for _, f := range m.Files {
		name := strings.ToUpper(path.Base(f.Path))
		if strings.HasPrefix(name, "NOTICE") || strings.HasPrefix(name, "PATENTS") {
			continue // goes with a licence, is none
		}
		ids, bad := recognise(f.Text)
		switch {
		case bad != "":
			errs = append(errs, fmt.Errorf("%s %s: %s has %q in it; that licence is not allowed", m.Path, m.Version, f.Path, bad))
		case len(ids) == 0:
			errs = append(errs, fmt.Errorf("%s %s: %s is a licence that is not known; read it, and add it to internal/supply/licence.go if it asks for nothing", m.Path, m.Version, f.Path))
		case strings.Contains(name, "3RD-PARTY"): // more than what is linked
		default:
			m.Licences = append(m.Licences, ids...)
		}
	}
	slices.Sort(m.Licences)
	m.Licences = slices.Compact(m.Licences)
	if len(m.Licences) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s %s has no licence: ask its authors for one, or do without it", m.Path, m.Version))
	}
	return errors.Join(errs...)
}
