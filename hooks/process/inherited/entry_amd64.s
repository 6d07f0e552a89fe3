#include "textflag.h"

#define SYS_rt_sigaction 13
#define SYS_rt_sigprocmask 14
#define SYS_fcntl 72
#define SYS_exit_group 231
#define SYS_prlimit64 302
#define SA_RESTORER 0x04000000

// podhook_start is the program's entry point (go build -ldflags='-E
// podhook_start'). It runs before Go's runtime, on the stack that the kernel
// made: argc at 0(SP), argv[0] at 8(SP). See doc.go.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVQ	$1, ·entered(SB)

	// The signals' dispositions: rt_sigaction(i, NULL, scratch, 8).
	MOVQ	$1, R12
actions:
	MOVQ	R12, DI
	XORL	SI, SI
	LEAQ	·scratch(SB), DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigaction, AX
	SYSCALL
	MOVQ	·scratch(SB), AX
	LEAQ	·handlers(SB), BX
	MOVQ	AX, (BX)(R12*8)
	INCQ	R12
	CMPQ	R12, $64
	JLE	actions

	// Which of 0, 1, 2 are open: fcntl(i, F_GETFD).
	XORL	R12, R12
descriptors:
	MOVQ	R12, DI
	MOVQ	$1, SI
	XORL	DX, DX
	MOVQ	$SYS_fcntl, AX
	SYSCALL
	LEAQ	·descriptors(SB), BX
	MOVQ	AX, (BX)(R12*8)
	INCQ	R12
	CMPQ	R12, $3
	JLT	descriptors

	// prlimit64(0, RLIMIT_NOFILE, NULL, nofile)
	XORL	DI, DI
	MOVQ	$7, SI
	XORL	DX, DX
	LEAQ	·nofile(SB), R10
	MOVQ	$SYS_prlimit64, AX
	SYSCALL

	// Block every signal where argv[0] ends in "init" or "tini", or argv[1] is "run",
	// else only read the mask.
	XORL	SI, SI
	CMPQ	0(SP), $1
	JLT	mask
	MOVQ	8(SP), BX
	XORL	AX, AX
name: // the last four bytes, the last one lowest
	MOVBLZX	(BX), CX
	TESTB	CX, CX
	JEQ	named
	SHLL	$8, AX
	ORL	CX, AX
	INCQ	BX
	JMP	name
named:
	CMPL	AX, $0x696e6974 // "init"
	JEQ	init
	CMPL	AX, $0x74696e69 // "tini"
	JEQ	init
	CMPQ	0(SP), $2
	JLT	mask
	MOVQ	16(SP), BX
	CMPB	0(BX), $0x72 // 'r'
	JNE	mask
	CMPB	1(BX), $0x75 // 'u'
	JNE	mask
	CMPB	2(BX), $0x6e // 'n'
	JNE	mask
	CMPB	3(BX), $0
	JNE	mask

init:
	// HUP, INT, QUIT, ABRT, TERM, SYS: what is not ignored gets podhook_end.
	LEAQ	podhook_end(SB), AX
	MOVQ	AX, ·scratch+0(SB)
	MOVQ	$SA_RESTORER, ·scratch+8(SB)
	MOVQ	AX, ·scratch+16(SB)
	MOVQ	$0, ·scratch+24(SB)
	LEAQ	·ending(SB), R13
endings:
	MOVQ	(R13), DI
	ADDQ	$8, R13
	TESTQ	DI, DI
	JEQ	block
	LEAQ	·handlers(SB), BX
	CMPQ	(BX)(DI*8), $0
	JNE	endings
	LEAQ	·scratch(SB), SI
	XORL	DX, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigaction, AX
	SYSCALL
	JMP	endings
block:
	LEAQ	·full(SB), SI
mask:
	XORL	DI, DI // SIG_BLOCK
	LEAQ	·mask(SB), DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL

	// The runtime gets a copy of argc, argv, the environment and the auxiliary
	// vector, below them on the stack. R12 is the environment, R13 the end of all.
	MOVQ	SP, SI
	MOVQ	0(SI), AX
	LEAQ	16(SI)(AX*8), R12
	MOVQ	R12, ·environ(SB)
	MOVQ	R12, R13
entries:
	ADDQ	$8, R13
	CMPQ	-8(R13), $0
	JNE	entries
pairs:
	ADDQ	$16, R13
	CMPQ	-16(R13), $0
	JNE	pairs
	SUBQ	R13, SI
	LEAQ	-8(SP)(SI*1), DI // room for one entry more
	ANDQ	$~15, DI
	MOVQ	SP, SI
	MOVQ	DI, SP
	CLD
	MOVQ	R12, CX
	SUBQ	SI, CX
	SHRQ	$3, CX
	REP; MOVSQ

	// Without what starts with GO, but with a GOMAXPROCS of our own.
	LEAQ	·maxprocs(SB), AX
	STOSQ
variables:
	LODSQ
	TESTQ	AX, AX
	JEQ	rest
	CMPW	(AX), $0x4f47 // "GO"
	JEQ	variables
	STOSQ
	JMP	variables
rest:
	STOSQ
	MOVQ	R13, CX
	SUBQ	SI, CX
	SHRQ	$3, CX
	REP; MOVSQ

	JMP	_rt0_amd64_linux(SB)

// podhook_end is a signal handler: exit_group(128 + signal).
TEXT podhook_end(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	ADDL	$128, DI
	MOVL	$SYS_exit_group, AX
	SYSCALL
	INT	$3
