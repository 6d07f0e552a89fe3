package inherited

import (
	"math"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxProcs is the number of threads that run Go code at once, on a node of any size.
// Nothing that podhook does takes long. A second one costs 0.3 MB, and more threads can
// be needed at once.
const MaxProcs = 1

// maxprocs is the only variable starting with GO that Go's runtime gets.
//
//lint:ignore U1000 podhook_start reads it
var maxprocs = [...]byte{'G', 'O', 'M', 'A', 'X', 'P', 'R', 'O', 'C', 'S', '=', '0' + MaxProcs, 0}

// Environ returns the environment that this process was started with: in its order,
// with duplicates, and with entries without an equals sign. os.Environ lacks those, and
// the variables that podhook_start keeps from Go's runtime.
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

// Disobey undoes what Go's runtime did because of GOGC, GOMEMLIMIT and GOMAXPROCS, which
// are meant for the application. It does nothing where podhook_start kept them from the
// runtime. The effects of GODEBUG cannot be undone.
func Disobey() {
	if Recorded() {
		return
	}
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
	runtime.GOMAXPROCS(MaxProcs)
}
