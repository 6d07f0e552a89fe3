#include "textflag.h"

#define SYS_exit_group 231

// podhook_start is the program's entry point (go build -ldflags='-E
// podhook_start'). It runs before Go's runtime, on the stack that the kernel
// made: argc at 0(SP), argv[0] at 8(SP). See doc.go.
TEXT podhook_start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVQ	SP, ·stack(SB)
	LEAQ	podhook_end(SB), AX
	MOVQ	AX, ·ender(SB)
	XORPS	X15, X15 // as the compiler expects
	MOVQ	·before(SB), DX
	MOVQ	(DX), AX
	CALL	AX

	// The runtime gets a copy of argc, argv, the environment and the auxiliary
	// vector, below them on the stack. R12 is the environment, R13 the end of all.
	MOVQ	SP, SI
	MOVQ	·environ(SB), R12
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
