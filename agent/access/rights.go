package access

// Class is a kind of routes. Refused requests are counted by it.
type Class string

// The classes.
const (
	ClassProbe   Class = "probe"
	ClassMetrics Class = "metrics"
	ClassRead    Class = "read"
	ClassAct     Class = "act"
)

// Right is what a request needs.
type Right int

// The rights. Force is needed in addition to Hook.
const (
	Probe   Right = iota // /livez, /healthz, /readyz
	Metrics              // /metrics
	Status               // / and /status without what Output covers
	Output               // what steps have printed
	Hook                 // run a hook
	Force                // run a hook again that has succeeded
)

// need says when a credential is needed: a token, or a client certificate.
type need int

const (
	never need = iota
	whereSet
	always
)

// Rule is who has a right.
type Rule struct {
	Class      Class
	Right      Right
	browsers   bool // may use it
	networks   bool // those of PODHOOK_ALLOW_FROM bound it
	credential need
}

// Rules is the table of who has which right, in the order of Right.
func Rules() []Rule {
	return []Rule{
		{Class: ClassProbe, Right: Probe, browsers: true},
		{Class: ClassMetrics, Right: Metrics, browsers: true},
		{Class: ClassRead, Right: Status, browsers: true},
		{Class: ClassRead, Right: Output, browsers: true, networks: true, credential: always},
		{Class: ClassAct, Right: Hook, networks: true, credential: whereSet},
		{Class: ClassAct, Right: Force, networks: true, credential: always},
	}
}
