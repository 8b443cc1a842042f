//go:build !amd64

package jpegdec

func fast8(*block, []uint8, int) bool { return false }

func fast4(*block, []uint8, int) bool { return false }
