package process

// Printable and Frames are tried by themselves, with bytes that no program sends.
var Printable = printable

type Frames = frames

func (f *frames) Next(p []byte) int { return f.next(p) }
func (f *frames) Whole() bool       { return f.whole() }
