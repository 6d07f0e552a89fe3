package supervisor

import (
	"runtime"
	"sync"
)

// The number of threads to make, in addition to the seven that Go's runtime has.
const (
	// ForSignals is for an init without hooks, which needs one.
	ForSignals = 3
	// ForHooks is for hooks and the agent. Beside a fork bomb, with 20 callers at once,
	// they need four; with 100 callers and 40 processes that compute, up to nine.
	// A thread is blocked for long by steps that write to disks, two at a time, by what
	// callers ask the state, one at a time, and by the wait for another process that runs
	// a hook, one for each hook. One more starts programs that can gain no privileges, and
	// does nothing else.
	ForHooks = 13
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
