#include "textflag.h"

// func downAVX2(dst *int16, rows *[]uint8, weights *int16, taps, n int)
//
// 16 samples at a time: two rows are interleaved, so that one multiplication
// adds up a pair of products.
TEXT ·downAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ rows+8(FP), SI
	MOVQ weights+16(FP), DX
	MOVQ taps+24(FP), CX
	MOVQ n+32(FP), R8
	XORQ R9, R9                  // x
	MOVL $128, AX                // half of 1 << (14 - 6)
	VMOVD AX, X15
	VPBROADCASTD X15, Y15

columns:
	VMOVDQA Y15, Y0
	VMOVDQA Y15, Y1
	MOVQ SI, R10                 // rows
	MOVQ DX, R11                 // weights
	MOVQ CX, R12                 // taps left

pair:
	MOVQ 0(R10), R13
	MOVQ 24(R10), R14
	VPMOVZXBW (R13)(R9*1), Y2
	VPMOVZXBW (R14)(R9*1), Y3
	VPBROADCASTD (R11), Y6
	VPUNPCKLWD Y3, Y2, Y4
	VPUNPCKHWD Y3, Y2, Y5
	VPMADDWD Y6, Y4, Y4
	VPMADDWD Y6, Y5, Y5
	VPADDD Y4, Y0, Y0
	VPADDD Y5, Y1, Y1
	ADDQ $48, R10
	ADDQ $4, R11
	SUBQ $2, R12
	JNZ pair

	VPSRAD $8, Y0, Y0
	VPSRAD $8, Y1, Y1
	VPACKSSDW Y1, Y0, Y0         // undoes the interleaving
	VMOVDQU Y0, (DI)(R9*2)
	ADDQ $16, R9
	CMPQ R9, R8
	JLT columns
	VZEROUPPER
	RET

// func alongAVX2(dst *uint8, src *int16, start *int32, weights *int16, taps, n int)
//
// Four samples at a time, eight products each.
TEXT ·alongAVX2(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ start+16(FP), DX
	MOVQ weights+24(FP), R8
	MOVQ taps+32(FP), CX
	MOVQ n+40(FP), R9
	SHLQ $1, CX                  // bytes of one sample's weights
	MOVL $524288, AX             // half of 1 << (14 + 6)
	VMOVD AX, X15
	VPBROADCASTD X15, X15

four:
	MOVLQSX 0(DX), R10
	MOVLQSX 4(DX), R11
	MOVLQSX 8(DX), R12
	MOVLQSX 12(DX), R13
	LEAQ (SI)(R10*2), R10
	LEAQ (SI)(R11*2), R11
	LEAQ (SI)(R12*2), R12
	LEAQ (SI)(R13*2), R13
	LEAQ (R8)(CX*2), R14         // weights of the third
	VPXOR X0, X0, X0
	VPXOR X1, X1, X1
	VPXOR X2, X2, X2
	VPXOR X3, X3, X3
	XORQ AX, AX

taps:
	LEAQ (R8)(AX*1), BX
	VMOVDQU (R10)(AX*1), X4
	VMOVDQU (R11)(AX*1), X5
	VMOVDQU (R12)(AX*1), X6
	VMOVDQU (R13)(AX*1), X7
	VPMADDWD (BX), X4, X4
	VPMADDWD (BX)(CX*1), X5, X5
	LEAQ (R14)(AX*1), BX
	VPMADDWD (BX), X6, X6
	VPMADDWD (BX)(CX*1), X7, X7
	VPADDD X4, X0, X0
	VPADDD X5, X1, X1
	VPADDD X6, X2, X2
	VPADDD X7, X3, X3
	ADDQ $16, AX
	CMPQ AX, CX
	JLT taps

	VPHADDD X1, X0, X0
	VPHADDD X3, X2, X2
	VPHADDD X2, X0, X0           // the four sums
	VPADDD X15, X0, X0
	VPSRAD $20, X0, X0
	VPACKSSDW X0, X0, X0
	VPACKUSWB X0, X0, X0
	VMOVD X0, (DI)
	ADDQ $4, DI
	ADDQ $16, DX
	LEAQ (R8)(CX*4), R8
	SUBQ $4, R9
	JNZ four
	VZEROUPPER
	RET
