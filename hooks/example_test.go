package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// openRunner returns a Runner of the hooks in the text, with a state of its own. A hook
// that starts programs needs Options.Reaper and Options.Environ too.
func openRunner(text string) (*hooks.Runner, func(), error) {
	cfg, err := config.Parse("podhook.yaml", []byte(text), os.Environ())
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return nil, nil, err
	}
	store, err := state.Open(state.Options{Dir: dir})
	if err != nil {
		return nil, nil, err
	}
	r := hooks.New(context.Background(), hooks.Options{
		Config: func() (*config.Config, error) { return cfg, nil },
		Store:  store,
	})
	return r, func() { os.RemoveAll(dir) }, nil
}

// A hook runs once in an instance of a container. The second call gets the outcome of the
// first.
func ExampleRunner_Call() {
	r, remove, err := openRunner(`
hooks:
  shutdown:
    steps:
    - name: propagate
      sleep: 10ms
    - name: drained
      wait: {gone: /nonexistent/lock}
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	for range 2 {
		result, err := r.Call(context.Background(), config.Shutdown, hooks.Request{Trigger: state.TriggerExec})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result.Record.Outcome, "already:", result.Already)
		for _, step := range result.Record.Steps {
			fmt.Println(" ", step.Name, step.Outcome)
		}
	}
	// Output:
	// succeeded already: false
	//   propagate succeeded
	//   drained succeeded
	// succeeded already: true
	//   propagate succeeded
	//   drained succeeded
}

// Judge maps outcomes and errors to what kubelet and a shell understand.
func ExampleJudge() {
	r, remove, err := openRunner("hooks: {}")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	result, err := r.Call(context.Background(), "migrate", hooks.Request{Trigger: state.TriggerHTTP})
	var unknown *hooks.UnknownHookError
	fmt.Println(errors.As(err, &unknown), err)
	verdict := hooks.Judge(result, err)
	fmt.Println("exit code", verdict.ExitCode, "HTTP status", verdict.HTTPStatus)
	// Output:
	// true there is no hook "migrate"; there are poststop, prestart, shutdown
	// exit code 2 HTTP status 404
}
