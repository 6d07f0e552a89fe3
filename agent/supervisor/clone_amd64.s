#include "textflag.h"

#define SYS_clone 56

// func clone(flags uintptr, pidfd *int32) (pid int)
TEXT ·clone(SB),NOSPLIT|NOFRAME,$0-24
	MOVQ	flags+0(FP), DI
	MOVQ	$0, SI
	MOVQ	pidfd+8(FP), DX
	MOVQ	$0, R10
	MOVQ	$0, R8
	MOVQ	$SYS_clone, AX
	POPQ	R12 // the return address: the child writes over it
	SYSCALL
	PUSHQ	R12
	MOVQ	AX, pid+16(FP)
	RET
