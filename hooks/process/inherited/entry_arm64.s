#include "textflag.h"

#define SYS_exit_group 94

// podhook_start: see entry_amd64.s.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD	RSP, R9
	MOVD	R9, ·stack(SB)
	MOVD	$podhook_end(SB), R9
	MOVD	R9, ·ender(SB)
	MOVD	·before(SB), R26
	MOVD	(R26), R9
	CALL	(R9)

	// R19 is the environment, R20 the end of all.
	MOVD	RSP, R11
	MOVD	·environ(SB), R19
	MOVD	R19, R20
entries:
	MOVD.P	8(R20), R9
	CBNZ	R9, entries
pairs:
	MOVD.P	16(R20), R9
	CBNZ	R9, pairs
	SUB	R11, R20, R9
	ADD	$8, R9
	SUB	R9, R11, R12
	AND	$~15, R12
	MOVD	R12, RSP
arguments:
	MOVD.P	8(R11), R9
	MOVD.P	R9, 8(R12)
	CMP	R19, R11
	BNE	arguments

	MOVD	$·maxprocs(SB), R9
	MOVD.P	R9, 8(R12)
variables:
	MOVD.P	8(R11), R9
	CBZ	R9, rest
	MOVHU	(R9), R10
	MOVD	$0x4f47, R13
	CMP	R13, R10
	BEQ	variables
	MOVD.P	R9, 8(R12)
	B	variables
rest:
	MOVD.P	R9, 8(R12)
auxiliary:
	MOVD.P	8(R11), R9
	MOVD.P	R9, 8(R12)
	CMP	R20, R11
	BNE	auxiliary

	B	_rt0_arm64_linux(SB)

// podhook_end: see entry_amd64.s.
TEXT podhook_end(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	ADD	$128, R0
	MOVD	$SYS_exit_group, R8
	SVC
	BRK
