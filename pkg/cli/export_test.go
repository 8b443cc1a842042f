package cli

// NewTrimmer returns the step that gives memory back when nothing goes on.
func NewTrimmer() func() bool { return newTrimmer().trim }

// DiffLines pairs the lines of two texts: ' ' both have it, '-' only a, '+' only b.
func DiffLines(a, b []string) (ops []byte, texts []string) {
	for _, e := range diffLines(a, b) {
		ops, texts = append(ops, e.op), append(texts, e.text)
	}
	return ops, texts
}
