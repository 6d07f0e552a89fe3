package agent

// Beside is an agent alongside CMD, in the process of podhook run.
type Beside struct{ servers *servers }

// Start answers at the doors until Leave. A failure of a listener is only logged, because
// CMD goes on.
func (a *Agent) Start(d Doors) *Beside {
	return &Beside{a.serve(d, func(err error) {
		a.Logger.Error("the agent does not listen any more", "error", err.Error())
	})}
}

// Leave answers the calls that wait and closes the listeners.
func (b *Beside) Leave() { b.servers.leave() }
