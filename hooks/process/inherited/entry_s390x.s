#include "textflag.h"

#define SYS_fcntl 55
#define SYS_rt_sigaction 174
#define SYS_rt_sigprocmask 175
#define SYS_exit_group 248
#define SYS_prlimit64 334

// podhook_start: see entry_amd64.s.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD	$1, R7
	MOVD	$·entered(SB), R8
	MOVD	R7, (R8)

	MOVD	$1, R6
actions:
	MOVD	R6, R2
	MOVD	$0, R3
	MOVD	$·scratch(SB), R4
	MOVD	$8, R5
	MOVW	$SYS_rt_sigaction, R1
	SYSCALL
	MOVD	$·scratch(SB), R4
	MOVD	(R4), R7
	MOVD	$·handlers(SB), R8
	SLD	$3, R6, R9
	ADD	R9, R8
	MOVD	R7, (R8)
	ADD	$1, R6
	CMPBLE	R6, $64, actions

	MOVD	$0, R6
descriptors:
	MOVD	R6, R2
	MOVD	$1, R3
	MOVD	$0, R4
	MOVW	$SYS_fcntl, R1
	SYSCALL
	MOVD	$·descriptors(SB), R8
	SLD	$3, R6, R9
	ADD	R9, R8
	MOVD	R2, (R8)
	ADD	$1, R6
	CMPBLT	R6, $3, descriptors

	MOVD	$0, R2
	MOVD	$7, R3
	MOVD	$0, R4
	MOVD	$·nofile(SB), R5
	MOVW	$SYS_prlimit64, R1
	SYSCALL

	MOVD	$0, R9
	MOVD	0(R15), R7
	CMPBLT	R7, $2, mask
	MOVD	16(R15), R8
	MOVBZ	0(R8), R7
	CMPBNE	R7, $0x72, mask
	MOVBZ	1(R8), R7
	CMPBNE	R7, $0x75, mask
	MOVBZ	2(R8), R7
	CMPBNE	R7, $0x6e, mask
	MOVBZ	3(R8), R7
	CMPBNE	R7, $0, mask

	MOVD	$podhook_end(SB), R7
	MOVD	$·scratch(SB), R8
	MOVD	R7, 0(R8)
	MOVD	$0, R7
	MOVD	R7, 8(R8)
	MOVD	R7, 16(R8)
	MOVD	R7, 24(R8)
	MOVD	$·ending(SB), R6
endings:
	MOVD	(R6), R2
	ADD	$8, R6
	CMPBEQ	R2, $0, block
	MOVD	$·handlers(SB), R8
	SLD	$3, R2, R9
	ADD	R9, R8
	MOVD	(R8), R7
	CMPBNE	R7, $0, endings
	MOVD	$·scratch(SB), R3
	MOVD	$0, R4
	MOVD	$8, R5
	MOVW	$SYS_rt_sigaction, R1
	SYSCALL
	BR	endings
block:
	MOVD	$·full(SB), R9
mask:
	MOVD	$0, R2
	MOVD	R9, R3
	MOVD	$·mask(SB), R4
	MOVD	$8, R5
	MOVW	$SYS_rt_sigprocmask, R1
	SYSCALL

	BR	_rt0_s390x_linux(SB)

// podhook_end: see entry_amd64.s.
TEXT podhook_end(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	ADD	$128, R2
	MOVW	$SYS_exit_group, R1
	SYSCALL
	BYTE	$0; BYTE	$0
