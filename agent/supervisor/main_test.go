package supervisor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// podhook is the built binary; TestMain sets it.
var podhook string

// TestMain builds the real program once. The test binary is also the launcher
// and the main process of the tests: see launch_test.go, receiver_test.go.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if act, ok := acts[os.Args[1]]; ok {
			act(os.Args[2:])
			return
		}
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "podhook-init-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if podhook, err = testutil.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, name := range []string{"tini", "dumb-init"} {
		if err := os.Symlink(podhook, filepath.Join(dir, name)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	code := m.Run()
	if testing.Verbose() {
		results.print()
	}
	return code
}

// options are what a rule wants of an init.
type options struct {
	group     bool
	subreaper bool
	// rewrite is FROM=TO in numbers.
	rewrite string
	remap   string
	// parentDeath is a signal's name.
	parentDeath string
}

// initProgram is an init: podhook, or one to compare it with.
type initProgram struct {
	name string
	path string
	// flags gives the words for the options, or false where it has no such.
	flags func(options) ([]string, bool)
}

func (i initProgram) argv(o options, command []string) ([]string, bool) {
	flags, ok := i.flags(o)
	words := append([]string{i.path}, flags...)
	words = append(words, "--")
	return append(words, command...), ok
}

// ours says that the init is podhook, by its own or another name.
func (i initProgram) ours() bool { return strings.HasPrefix(i.name, "podhook") }

// must says that the init has to keep a rule. As dumb-init podhook exits with 2 where it
// cannot execute the program, and stops itself for TSTP, as dumb-init does.
func (i initProgram) must(test string) bool {
	if i.name == "podhook as dumb-init" {
		for _, unlike := range []string{"TestCommandNot", "TestSearchesPath/denied_and_not_found", "TestForwardsEverySignalNotAsPID1"} {
			if strings.HasPrefix(test, unlike) {
				return false
			}
		}
	}
	return i.ours()
}

// rounds is n for podhook in make test. The other inits only fill a table.
func (i initProgram) rounds(n int) int {
	if i.name == "podhook" && !testing.Short() {
		return n
	}
	return max(n/16, 1)
}

// patience is how long a run under the init may take. The others are known to
// hang here and there.
func (i initProgram) patience() time.Duration {
	if i.ours() {
		return 20 * time.Second
	}
	return 3 * time.Second
}

// inits are podhook, by its name and those of others, and those of the others that are installed.
func inits() []initProgram {
	list := []initProgram{{"podhook", podhook, podhookFlags}}
	if testing.Short() {
		return list
	}
	for _, other := range otherInits() {
		if as := filepath.Join(filepath.Dir(podhook), other.path); other.path != "catatonit" {
			list = append(list, initProgram{"podhook as " + other.name, as, other.flags})
		}
		if path, err := exec.LookPath(other.path); err == nil {
			other.path = path
			list = append(list, other)
		}
	}
	return list
}

// otherInits have the names of their Debian packages as paths.
func otherInits() []initProgram {
	return []initProgram{
		{"tini", "tini", tiniFlags},
		{"dumb-init", "dumb-init", dumbInitFlags},
		{"catatonit", "catatonit", catatonitFlags},
	}
}

// Each rule compares podhook with the other inits that are installed. The list of
// skipped tests names those that are not.
func TestOtherInitsAreCompared(t *testing.T) {
	for _, other := range otherInits() {
		t.Run(other.name, func(t *testing.T) { testutil.NeedProgram(t, other.path, other.name) })
	}
}

func podhookFlags(o options) ([]string, bool) {
	words := []string{"run"}
	if o.group {
		words = append(words, "-g")
	}
	if o.subreaper {
		words = append(words, "-s")
	}
	if o.rewrite != "" {
		words = append(words, "--rewrite", o.rewrite)
	}
	if o.remap != "" {
		words = append(words, "-e", o.remap)
	}
	if o.parentDeath != "" {
		words = append(words, "--parent-death", o.parentDeath)
	}
	return words, true
}

func tiniFlags(o options) ([]string, bool) {
	var words []string
	if o.group {
		words = append(words, "-g")
	}
	if o.subreaper {
		words = append(words, "-s")
	}
	if o.remap != "" {
		words = append(words, "-e", o.remap)
	}
	if o.parentDeath != "" {
		words = append(words, "-p", "SIG"+o.parentDeath)
	}
	return words, o.rewrite == ""
}

func dumbInitFlags(o options) ([]string, bool) {
	var words []string
	if !o.group {
		words = append(words, "-c")
	}
	if o.rewrite != "" {
		words = append(words, "-r", strings.Replace(o.rewrite, "=", ":", 1))
	}
	return words, !o.subreaper && o.remap == "" && o.parentDeath == ""
}

func catatonitFlags(o options) ([]string, bool) {
	return nil, o == options{}
}

// rule checks one rule with every init. Only podhook has to keep it; what the
// others did is in the table that -v prints at the end.
func rule(t *testing.T, o options, check func(t *testing.T, i initProgram) error) {
	t.Helper()
	for _, i := range inits() {
		t.Run(i.name, func(t *testing.T) {
			if _, ok := i.flags(o); !ok {
				results.add(t.Name(), i.name, "-")
				t.Skip("it has no such option")
			}
			err := check(t, i)
			switch {
			case err == nil:
				results.add(t.Name(), i.name, "pass")
			case i.must(t.Name()):
				results.add(t.Name(), i.name, "FAIL")
				t.Error(err)
			default:
				results.add(t.Name(), i.name, "fail")
				t.Logf("does not keep it: %v", err)
			}
		})
	}
}

// table collects who kept which rule.
type table struct {
	mu    sync.Mutex
	rules []string
	cells map[string]map[string]string
}

var results = &table{cells: map[string]map[string]string{}}

func (r *table) add(test, init, result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := strings.TrimSuffix(strings.TrimPrefix(test, "Test"), "/"+strings.ReplaceAll(init, " ", "_"))
	if r.cells[name] == nil {
		r.cells[name] = map[string]string{}
		r.rules = append(r.rules, name)
	}
	if r.cells[name][init] != "FAIL" {
		r.cells[name][init] = result
	}
}

func (r *table) print() {
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer tw.Flush()
	fmt.Fprint(tw, "rule")
	for _, i := range inits() {
		fmt.Fprintf(tw, "\t%s", i.name)
	}
	fmt.Fprintln(tw)
	for _, name := range r.rules {
		fmt.Fprint(tw, name)
		for _, i := range inits() {
			fmt.Fprintf(tw, "\t%s", r.cells[name][i.name])
		}
		fmt.Fprintln(tw)
	}
}
