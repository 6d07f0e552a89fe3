package inherited

import (
	"math"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxProcs is how many threads run Go code at once, on a node of any size. Each
// of them costs memory, and may need one thread more than there is.
const MaxProcs = 2

// maxprocs is the one variable starting with GO that Go's runtime finds.
//
//lint:ignore U1000 podhook_start reads it
var maxprocs = [...]byte{'G', 'O', 'M', 'A', 'X', 'P', 'R', 'O', 'C', 'S', '=', '0' + MaxProcs, 0}

// Environ is the environment as it was handed over: in its order, with
// duplicates, and with entries that have no equals sign. os.Environ drops those,
// and what podhook_start keeps from Go's runtime.
func Environ() []string {
	if !Recorded() {
		return runtimeEnvs()
	}
	var all []string
	for entry := environ; *entry != nil; entry = (**byte)(unsafe.Add(unsafe.Pointer(entry), unsafe.Sizeof(entry))) {
		all = append(all, unix.BytePtrToString(*entry))
	}
	return all
}

//go:linkname runtimeEnvs syscall.runtime_envs
func runtimeEnvs() []string

// Disobey takes back what Go's runtime does by GOGC, GOMEMLIMIT and GOMAXPROCS,
// which are meant for the application, where podhook_start has not kept them from it. What
// GODEBUG has done cannot be taken back.
func Disobey() {
	if Recorded() {
		return
	}
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
	runtime.GOMAXPROCS(MaxProcs)
}
