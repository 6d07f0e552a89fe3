#include "textflag.h"

#define SYS_fcntl 25
#define SYS_exit_group 94
#define SYS_rt_sigaction 134
#define SYS_rt_sigprocmask 135
#define SYS_prlimit64 261

// podhook_start: see entry_amd64.s. S0 is X8, S1 is X9.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOV	$1, T0
	MOV	$·entered(SB), T1
	MOV	T0, (T1)

	MOV	$1, X8
actions:
	MOV	X8, A0
	MOV	ZERO, A1
	MOV	$·scratch(SB), A2
	MOV	$8, A3
	MOV	$SYS_rt_sigaction, A7
	ECALL
	MOV	$·scratch(SB), T0
	MOV	(T0), T0
	MOV	$·handlers(SB), T1
	SLLI	$3, X8, T2
	ADD	T2, T1
	MOV	T0, (T1)
	ADD	$1, X8
	MOV	$64, T0
	BGE	T0, X8, actions

	MOV	ZERO, X8
descriptors:
	MOV	X8, A0
	MOV	$1, A1
	MOV	ZERO, A2
	MOV	$SYS_fcntl, A7
	ECALL
	MOV	$·descriptors(SB), T1
	SLLI	$3, X8, T2
	ADD	T2, T1
	MOV	A0, (T1)
	ADD	$1, X8
	MOV	$3, T0
	BLT	X8, T0, descriptors

	MOV	ZERO, A0
	MOV	$7, A1
	MOV	ZERO, A2
	MOV	$·nofile(SB), A3
	MOV	$SYS_prlimit64, A7
	ECALL

	MOV	ZERO, X9
	MOV	0(X2), T0
	MOV	$2, T1
	BLT	T0, T1, mask
	MOV	16(X2), T2
	MOVBU	0(T2), T0
	MOV	$0x72, T1
	BNE	T0, T1, mask
	MOVBU	1(T2), T0
	MOV	$0x75, T1
	BNE	T0, T1, mask
	MOVBU	2(T2), T0
	MOV	$0x6e, T1
	BNE	T0, T1, mask
	MOVBU	3(T2), T0
	BNE	T0, ZERO, mask

	MOV	$podhook_end(SB), T0
	MOV	$·scratch(SB), T1
	MOV	T0, 0(T1)
	MOV	ZERO, 8(T1)
	MOV	ZERO, 16(T1)
	MOV	ZERO, 24(T1)
	MOV	$·ending(SB), X8
endings:
	MOV	(X8), A0
	ADD	$8, X8
	BEQ	A0, ZERO, block
	MOV	$·handlers(SB), T1
	SLLI	$3, A0, T2
	ADD	T2, T1
	MOV	(T1), T0
	BNE	T0, ZERO, endings
	MOV	$·scratch(SB), A1
	MOV	ZERO, A2
	MOV	$8, A3
	MOV	$SYS_rt_sigaction, A7
	ECALL
	JMP	endings
block:
	MOV	$·full(SB), X9
mask:
	MOV	ZERO, A0
	MOV	X9, A1
	MOV	$·mask(SB), A2
	MOV	$8, A3
	MOV	$SYS_rt_sigprocmask, A7
	ECALL

	JMP	_rt0_riscv64_linux(SB)

// podhook_end: see entry_amd64.s.
TEXT podhook_end(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	ADD	$128, A0
	MOV	$SYS_exit_group, A7
	ECALL
	EBREAK
