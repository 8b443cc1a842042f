package jpegdec

import "golang.org/x/sys/cpu"

// factors are what inverse_amd64.s multiplies by and adds, eight times each.
var factors = func() (t [16][8]int32) {
	for i, f := range []int32{
		f0541, f1847, f0765, f1175, f0899, f2562, -f1961, -f0390, f0298, f2053, f3072, f1501, f1306,
		1<<16 + 128<<17, 1<<17 + 128<<18,
	} {
		for j := range t[i] {
			t[i][j] = f
		}
	}
	return t
}()

// fast8 is inverse8, in the same steps; false where the processor has no AVX2.
func fast8(c *block, dst []uint8, stride int) bool {
	if !cpu.X86.HasAVX2 {
		return false
	}
	_, _ = dst[0], dst[7*stride+7]
	inverse8AVX2(c, &dst[0], stride, &factors)
	return true
}

// fast4 is the same for inverse4.
func fast4(c *block, dst []uint8, stride int) bool {
	if !cpu.X86.HasAVX2 {
		return false
	}
	_, _ = dst[0], dst[3*stride+3]
	inverse4AVX2(c, &dst[0], stride, &factors)
	return true
}

//go:noescape
func inverse8AVX2(c *block, dst *uint8, stride int, f *[16][8]int32)

//go:noescape
func inverse4AVX2(c *block, dst *uint8, stride int, f *[16][8]int32)
