package main

import (
	"context"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/wait"
)

// killAfter is the time between SIGTERM and SIGKILL for a program that a wait has started.
const killAfter = 2 * time.Second

// program waits for the exit code 0 of a program.
func (f *waitFlags) program(inv *invocation, argv []string) (*awaited, error) {
	c := config.Program{Exec: config.Exec{Argv: argv}}
	for _, text := range f.giveUp {
		code, err := config.ParseExitCode(text)
		if err != nil {
			return nil, usagef("wait: --give-up: %v", err)
		}
		c.GiveUp = append(c.GiveUp, code)
	}
	return f.looked(c, wait.Program(c, inv.try)), nil
}

// try runs a program to its end. At the end of ctx it ends everything that the program
// has started.
func (inv *invocation) try(ctx context.Context, argv []string) (code int, last string, err error) {
	reaper := process.NewReaper()
	defer reaper.Close()
	_ = reaper.Subreaper() // else only orphans outlive the end
	var printed wait.LastLine
	result, err := reaper.Run(ctx, process.Spec{
		Argv: argv, Env: stepEnviron(inv.env), KillAfter: killAfter,
		OnLine: func(l process.Line) { printed.Set(l.Text) },
	})
	return result.ExitCode, printed.String(), err
}
