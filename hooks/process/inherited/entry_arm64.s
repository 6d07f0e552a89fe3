#include "textflag.h"

#define SYS_fcntl 25
#define SYS_exit_group 94
#define SYS_rt_sigaction 134
#define SYS_rt_sigprocmask 135
#define SYS_prlimit64 261

// podhook_start: see entry_amd64.s.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD	$1, R9
	MOVD	R9, ·entered(SB)

	MOVD	$1, R19
actions:
	MOVD	R19, R0
	MOVD	ZR, R1
	MOVD	$·scratch(SB), R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigaction, R8
	SVC
	MOVD	·scratch(SB), R9
	MOVD	$·handlers(SB), R10
	MOVD	R9, (R10)(R19<<3)
	ADD	$1, R19
	CMP	$64, R19
	BLE	actions

	MOVD	ZR, R19
descriptors:
	MOVD	R19, R0
	MOVD	$1, R1
	MOVD	ZR, R2
	MOVD	$SYS_fcntl, R8
	SVC
	MOVD	$·descriptors(SB), R10
	MOVD	R0, (R10)(R19<<3)
	ADD	$1, R19
	CMP	$3, R19
	BLT	descriptors

	MOVD	ZR, R0
	MOVD	$7, R1
	MOVD	ZR, R2
	MOVD	$·nofile(SB), R3
	MOVD	$SYS_prlimit64, R8
	SVC

	MOVD	ZR, R1
	MOVD	0(RSP), R11
	CMP	$1, R11
	BLT	mask
	MOVD	8(RSP), R10
	MOVD	ZR, R12
name:
	MOVBU.P	1(R10), R9
	CBZ	R9, named
	ORR	R12<<8, R9, R12
	B	name
named:
	MOVD	$0x696e6974, R9
	CMPW	R9, R12
	BEQ	init
	MOVD	$0x74696e69, R9
	CMPW	R9, R12
	BEQ	init
	CMP	$2, R11
	BLT	mask
	MOVD	16(RSP), R10
	MOVBU	0(R10), R9
	CMP	$0x72, R9
	BNE	mask
	MOVBU	1(R10), R9
	CMP	$0x75, R9
	BNE	mask
	MOVBU	2(R10), R9
	CMP	$0x6e, R9
	BNE	mask
	MOVBU	3(R10), R9
	CBNZ	R9, mask

init:
	MOVD	$podhook_end(SB), R9
	MOVD	$·scratch(SB), R10
	MOVD	R9, 0(R10)
	MOVD	ZR, 8(R10)
	MOVD	ZR, 16(R10)
	MOVD	ZR, 24(R10)
	MOVD	$·ending(SB), R20
endings:
	MOVD.P	8(R20), R0
	CBZ	R0, block
	MOVD	$·handlers(SB), R10
	MOVD	(R10)(R0<<3), R9
	CBNZ	R9, endings
	MOVD	$·scratch(SB), R1
	MOVD	ZR, R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigaction, R8
	SVC
	B	endings
block:
	MOVD	$·full(SB), R1
mask:
	MOVD	ZR, R0
	MOVD	$·mask(SB), R2
	MOVD	$8, R3
	MOVD	$SYS_rt_sigprocmask, R8
	SVC

	// R19 is the environment, R20 the end of all.
	MOVD	RSP, R11
	MOVD	0(R11), R9
	ADD	$16, R11, R19
	ADD	R9<<3, R19
	MOVD	R19, ·environ(SB)
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
