#include "textflag.h"

#define SYS_clone 220

// func clone(flags uintptr, pidfd *int32) (pid int)
TEXT ·clone(SB),NOSPLIT,$0-24
	MOVD	flags+0(FP), R0
	MOVD	$0, R1
	MOVD	pidfd+8(FP), R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$SYS_clone, R8
	SVC
	MOVD	R0, pid+16(FP)
	RET
