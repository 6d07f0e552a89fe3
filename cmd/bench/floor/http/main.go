// Command http is a bare HTTP server at the address of its argument: the floor of an agent.
// For /run it runs /bin/true and keeps its output.
package main

import (
	"net/http"
	"os"
	"os/exec"
)

func main() {
	_ = http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/run" {
			if _, err := exec.Command("/bin/true").CombinedOutput(); err != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
		_, _ = w.Write([]byte("ok\n"))
	}))
}
