package page

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
)

// outline is what a screen reader finds, a line for each thing: its depth, role and name.
// Numbers are left out, because they change from look to look.
func (tb *tab) outline() []string {
	tb.t.Helper()
	call(tb, accessibility.Enable, cdp.Empty{})
	nodes := map[accessibility.NodeID]*accessibility.Node{}
	tree := call(tb, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	for _, n := range tree {
		nodes[n.NodeID] = n
	}
	var lines []string
	var walk func(n *accessibility.Node, depth int)
	walk = func(n *accessibility.Node, depth int) {
		role := text(n.Role)
		if !n.Ignored && role != "InlineTextBox" && role != "none" && role != "generic" {
			name := regexp.MustCompile(`\d+`).ReplaceAllString(text(n.Name), "N")
			name = regexp.MustCompile(`[Nhms]+ ago`).ReplaceAllString(name, "N ago")
			lines = append(lines, fmt.Sprintf("%s%s %q", strings.Repeat(" ", depth), role, name))
			depth++
		}
		for _, id := range n.ChildIDs {
			if child := nodes[id]; child != nil {
				walk(child, depth)
			}
		}
	}
	if len(tree) > 0 {
		walk(tree[0], 0)
	}
	return lines
}

func text(v *accessibility.Value) string {
	var s string
	if v != nil {
		_ = json.Unmarshal(v.Value, &s)
	}
	return s
}

// count is how often a role is in an outline, with a name that matches.
func count(outline []string, role, name string) int {
	n := 0
	for _, line := range outline {
		if regexp.MustCompile(`^ *` + role + ` "` + name + `"$`).MatchString(line) {
			n++
		}
	}
	return n
}
