#include "textflag.h"

#define SYS_fcntl 55
#define SYS_rt_sigaction 174
#define SYS_rt_sigprocmask 175
#define SYS_exit_group 248
#define SYS_prlimit64 369

// podhook_start: see entry_amd64.s.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVW	$1, R0
	MOVW	$·entered(SB), R1
	MOVW	R0, (R1)

	MOVW	$1, R4
actions:
	MOVW	R4, R0
	MOVW	$0, R1
	MOVW	$·scratch(SB), R2
	MOVW	$8, R3
	MOVW	$SYS_rt_sigaction, R7
	SWI	$0
	MOVW	$·scratch(SB), R2
	MOVW	(R2), R0
	MOVW	$·handlers(SB), R1
	ADD	R4<<2, R1, R1
	MOVW	R0, (R1)
	ADD	$1, R4
	CMP	$64, R4
	BLE	actions

	MOVW	$0, R4
descriptors:
	MOVW	R4, R0
	MOVW	$1, R1
	MOVW	$0, R2
	MOVW	$SYS_fcntl, R7
	SWI	$0
	MOVW	$·descriptors(SB), R1
	ADD	R4<<2, R1, R1
	MOVW	R0, (R1)
	ADD	$1, R4
	CMP	$3, R4
	BLT	descriptors

	MOVW	$0, R0
	MOVW	$7, R1
	MOVW	$0, R2
	MOVW	$·nofile(SB), R3
	MOVW	$SYS_prlimit64, R7
	SWI	$0

	MOVW	$0, R5
	MOVW	0(R13), R0
	CMP	$2, R0
	BLT	mask
	MOVW	8(R13), R1
	MOVBU	0(R1), R0
	CMP	$0x72, R0
	BNE	mask
	MOVBU	1(R1), R0
	CMP	$0x75, R0
	BNE	mask
	MOVBU	2(R1), R0
	CMP	$0x6e, R0
	BNE	mask
	MOVBU	3(R1), R0
	CMP	$0, R0
	BNE	mask

	MOVW	$podhook_end(SB), R0
	MOVW	$·scratch(SB), R1
	MOVW	R0, 0(R1)
	MOVW	$0, R0
	MOVW	R0, 4(R1)
	MOVW	R0, 8(R1)
	MOVW	R0, 12(R1)
	MOVW	R0, 16(R1)
	MOVW	$·ending(SB), R4
endings:
	MOVW	(R4), R0
	ADD	$4, R4
	CMP	$0, R0
	BEQ	block
	MOVW	$·handlers(SB), R1
	ADD	R0<<2, R1, R1
	MOVW	(R1), R2
	CMP	$0, R2
	BNE	endings
	MOVW	$·scratch(SB), R1
	MOVW	$0, R2
	MOVW	$8, R3
	MOVW	$SYS_rt_sigaction, R7
	SWI	$0
	B	endings
block:
	MOVW	$·full(SB), R5
mask:
	MOVW	$0, R0
	MOVW	R5, R1
	MOVW	$·mask(SB), R2
	MOVW	$8, R3
	MOVW	$SYS_rt_sigprocmask, R7
	SWI	$0

	B	_rt0_arm_linux(SB)

// podhook_end: see entry_amd64.s.
TEXT podhook_end(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	ADD	$128, R0
	MOVW	$SYS_exit_group, R7
	SWI	$0
	WORD	$0xe7f001f0 // undefined
