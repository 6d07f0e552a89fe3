package supervisor

import (
	"runtime"
	"sync"
)

// The number of threads to make, in addition to the six or seven that Go's runtime
// starts with. It is twice the number that was needed when all PIDs were in use, more
// processes computed than there are processors, and 100 callers called.
const (
	// ForSignals is for an init without hooks.
	ForSignals = 3
	// ForHooks is for hooks and the agent. Few operations block a thread for long: the
	// steps that write to disks, four at a time, and the wait for another process that
	// runs a hook, one for each hook.
	ForHooks = 8
)

// MakeThreads makes n threads that stay. Go's runtime makes a thread when a goroutine
// can run and all threads are in the kernel. It ends the process if it cannot, as when all
// PIDs of the container are in use. A goroutine that waits while it is locked to its
// thread keeps the thread from all other goroutines, so n of them need n threads.
func MakeThreads(n int) {
	var locked sync.WaitGroup
	locked.Add(n)
	release := make(chan struct{})
	for range n {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread() // else the thread ends with the goroutine
			locked.Done()
			<-release
		}()
	}
	locked.Wait()
	close(release)
}
