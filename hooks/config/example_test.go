package config_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// All problems of a file are reported at once, each with its line.
func ExampleParse() {
	_, err := config.Parse("podhook.yaml", []byte(`hooks:
  shutdown:
    timeout: 5
    steps:
    - exec: nginx -s quit
    - signal: QIUT
`), nil)
	var errs *config.Errors
	if errors.As(err, &errs) {
		for _, problem := range errs.Problems {
			fmt.Println(problem.Pos, problem.Field)
			fmt.Println(" ", problem.Msg)
		}
	}
	// Output:
	// podhook.yaml:3 hooks.shutdown.timeout
	//   a duration needs a unit: write 5s
	// podhook.yaml:5 hooks.shutdown.steps[0].exec
	//   a list, never a shell line; write exec: [nginx, -s, quit]
	// podhook.yaml:6 hooks.shutdown.steps[1].signal
	//   a signal such as QUIT, SIGQUIT, RTMIN+3 or a number from 1 to 64
}

// Check finds a hook that takes longer than the pod's grace period.
func ExampleConfig_Check() {
	cfg, err := config.Parse("podhook.yaml", []byte(`hooks:
  shutdown:
    timeout: 2m
    steps:
    - sleep: 15s
    - name: drain
      exec: [/scripts/drain]
      timeout: 10s
      retries: 1
`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, problem := range cfg.Check(30*time.Second, 2*time.Second) {
		fmt.Println(problem)
	}
	// Output:
	// podhook.yaml:2: hooks.shutdown: longer than the grace period allows: 15s sleep + 21s drain (2 x 10s + 1s pauses) = 36s > 30s grace period - 2s margin - 2s to kill = 26s; the hook is cut to that
}
