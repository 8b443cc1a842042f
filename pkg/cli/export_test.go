package cli

// NewTrimmer returns the step that gives memory back when nothing goes on.
func NewTrimmer() func() bool { return newTrimmer().trim }
