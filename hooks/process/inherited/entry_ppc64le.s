#include "textflag.h"

#define SYS_fcntl 55
#define SYS_rt_sigaction 173
#define SYS_rt_sigprocmask 174
#define SYS_exit_group 234
#define SYS_prlimit64 325

// podhook_start: see entry_amd64.s. A failed call sets CR0's summary overflow.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD	$1, R7
	MOVD	$·entered(SB), R8
	MOVD	R7, (R8)

	MOVD	$1, R14
actions:
	MOVD	R14, R3
	MOVD	$0, R4
	MOVD	$·scratch(SB), R5
	MOVD	$8, R6
	MOVD	$SYS_rt_sigaction, R9
	SYSCALL	R9
	MOVD	$·scratch(SB), R5
	MOVD	(R5), R7
	MOVD	$·handlers(SB), R8
	SLD	$3, R14, R9
	ADD	R9, R8
	MOVD	R7, (R8)
	ADD	$1, R14
	CMP	R14, $64
	BLE	actions

	MOVD	$0, R14
descriptors:
	MOVD	R14, R3
	MOVD	$1, R4
	MOVD	$0, R5
	MOVD	$SYS_fcntl, R9
	SYSCALL	R9
	BVC	open
	NEG	R3, R3
open:
	MOVD	$·descriptors(SB), R8
	SLD	$3, R14, R9
	ADD	R9, R8
	MOVD	R3, (R8)
	ADD	$1, R14
	CMP	R14, $3
	BLT	descriptors

	MOVD	$0, R3
	MOVD	$7, R4
	MOVD	$0, R5
	MOVD	$·nofile(SB), R6
	MOVD	$SYS_prlimit64, R9
	SYSCALL	R9

	MOVD	$0, R15
	MOVD	0(R1), R7
	CMP	R7, $2
	BLT	mask
	MOVD	16(R1), R8
	MOVBZ	0(R8), R7
	CMP	R7, $0x72
	BNE	mask
	MOVBZ	1(R8), R7
	CMP	R7, $0x75
	BNE	mask
	MOVBZ	2(R8), R7
	CMP	R7, $0x6e
	BNE	mask
	MOVBZ	3(R8), R7
	CMP	R7, $0
	BNE	mask

	MOVD	$podhook_end(SB), R7
	MOVD	$·scratch(SB), R8
	MOVD	R7, 0(R8)
	MOVD	$0, R7
	MOVD	R7, 8(R8)
	MOVD	R7, 16(R8)
	MOVD	R7, 24(R8)
	MOVD	$·ending(SB), R14
endings:
	MOVD	(R14), R3
	ADD	$8, R14
	CMP	R3, $0
	BEQ	block
	MOVD	$·handlers(SB), R8
	SLD	$3, R3, R9
	ADD	R9, R8
	MOVD	(R8), R7
	CMP	R7, $0
	BNE	endings
	MOVD	$·scratch(SB), R4
	MOVD	$0, R5
	MOVD	$8, R6
	MOVD	$SYS_rt_sigaction, R9
	SYSCALL	R9
	BR	endings
block:
	MOVD	$·full(SB), R15
mask:
	MOVD	$0, R3
	MOVD	R15, R4
	MOVD	$·mask(SB), R5
	MOVD	$8, R6
	MOVD	$SYS_rt_sigprocmask, R9
	SYSCALL	R9

	BR	_rt0_ppc64le_linux(SB)

// podhook_end: see entry_amd64.s.
TEXT podhook_end(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	ADD	$128, R3
	MOVD	$SYS_exit_group, R9
	SYSCALL	R9
	TW	$31, R0, R0
