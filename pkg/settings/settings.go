// Package settings decodes an HCL body into a Go struct over its defaults, with
// the value types that portico's config has: durations, sizes, paths, secrets,
// address prefixes. It knows no option by name and opens no file.
package settings

import "fmt"

// Path is a file or folder. Decoding resolves a relative one against the folder
// of the file that names it; afterwards it is absolute. The zero Path is unset.
type Path string

// A Secret is a string that must not be printed. fmt, JSON and logs show ***.
type Secret string

// Reveal returns the secret itself, for the one place that uses it.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string { return "***" }

// GoString keeps %#v from printing the secret.
func (s Secret) GoString() string { return "***" }

// Format keeps every verb from printing the secret.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "***") }

// MarshalText keeps encoders from printing the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Strings is a list of strings that may be written as one string.
type Strings []string

// A Validator is a configuration with rules that types cannot express. Validate
// is called on the pointer after decoding without errors; it is pure but may
// read the file system. It returns nil, an error, or errors.Join of several;
// each that is an *Error is shown at its attribute, another at the block.
type Validator interface {
	Validate() error
}

// A Defaulter is a block that may stand as often as wanted and has defaults.
// SetDefaults is called on the pointer to a zero value, before it is decoded.
type Defaulter interface {
	SetDefaults()
}

// An Error is a mistake in one attribute, or only worth a word.
type Error struct {
	Attr    string // name of the attribute; nested blocks with dots: "limits.per_ip"
	Summary string // what is wrong, as a short sentence without a full stop
	Detail  string // what to do about it, in full sentences
	Warning bool   // it keeps nobody from going on
}

func (e *Error) Error() string { return e.Summary + ": " + e.Detail }
