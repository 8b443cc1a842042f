package settings

import "github.com/hashicorp/hcl/v2"

// A Text is a string that remembers where it stands, for checks that compare
// parts of a file. It is not for kinds: their configurations must not change
// when a line moves.
type Text struct {
	Value string
	At    hcl.Range
}

// Texts is a list of strings that may be written as one string; see Text.
type Texts []Text

// Values are the strings alone; nil for none.
func (t Texts) Values() []string {
	var s []string
	for _, text := range t {
		s = append(s, text.Value)
	}
	return s
}
