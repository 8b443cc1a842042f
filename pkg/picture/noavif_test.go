//go:build !nodynamic

package picture_test

import (
	"errors"
	"testing"

	"github.com/porticod/portico/pkg/picture"
)

// A program that was built without the encoder says so before it does anything.
func TestNoAVIF(t *testing.T) {
	if picture.AVIF.Writable() {
		t.Error("it says that it writes AVIF")
	}
	err := make1(asJPEG(t, scene(20, 20), 80), picture.Options{}, picture.Spec{Format: picture.AVIF})
	if !errors.Is(err, picture.ErrEncoder) {
		t.Errorf("%v", err)
	}
}
