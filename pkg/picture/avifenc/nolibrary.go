//go:build !nodynamic

package avifenc

import (
	"bytes"
	"image"
)

// Available tells that the program has the encoder.
const Available = false

func encode(*bytes.Buffer, image.Image, int, bool) error { return ErrStart }
