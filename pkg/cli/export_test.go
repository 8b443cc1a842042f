package cli

import "os"

// NewTrimmer returns the step that gives memory back when nothing goes on.
func NewTrimmer() func() bool { return newTrimmer().trim }

// DiffLines pairs the lines of two texts: ' ' both have it, '-' only a, '+' only b.
func DiffLines(a, b []string) (ops []byte, texts []string) {
	for _, e := range diffLines(a, b) {
		ops, texts = append(ops, e.op), append(texts, e.text)
	}
	return ops, texts
}

// KeyNames takes apart what a terminal sent.
func KeyNames(s string) []string { return keyNames(s) }

// AtTerminal calls f as the live view calls what works beside it, at tty.
func AtTerminal(tty *os.File, f func()) {
	t, ok := openTerminal(tty, tty)
	if !ok {
		panic("that is no terminal")
	}
	if err := t.enter(); err != nil {
		panic(err)
	}
	t.guarded(f)
}
