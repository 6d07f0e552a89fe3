package config

import (
	"fmt"
	"strconv"
	"strings"
)

// StatusRange is a range of HTTP statuses, both ends included.
type StatusRange struct{ From, To int }

// String returns the range in the notation of ParseStatus.
func (r StatusRange) String() string {
	switch {
	case r.From == r.To:
		return strconv.Itoa(r.From)
	case r.From%100 == 0 && r.To == r.From+99:
		return strconv.Itoa(r.From/100) + "xx"
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// StatusIn reports whether a status is in one of the ranges.
func StatusIn(status int, ranges []StatusRange) bool {
	for _, r := range ranges {
		if status >= r.From && status <= r.To {
			return true
		}
	}
	return false
}

// AnySuccess returns 2xx, the default.
func AnySuccess() []StatusRange { return []StatusRange{{200, 299}} }

const statusRule = "an HTTP status such as 200, 2xx or 200-204"

// ParseStatus parses a status, a class such as 2xx, or a range.
func ParseStatus(text string) (StatusRange, error) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	if class, ok := strings.CutSuffix(text, "xx"); ok && len(class) == 1 {
		from, to = class+"00", class+"99"
	}
	r := StatusRange{statusNumber(from), statusNumber(to)}
	if r.From == 0 || r.To == 0 || r.From > r.To {
		return StatusRange{}, fmt.Errorf("%q: allowed is %s", text, statusRule)
	}
	return r, nil
}

// statusNumber parses a final status, from 200 on. It returns 0 for any other text.
func statusNumber(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || len(text) != 3 || n < 200 || n > 599 {
		return 0
	}
	return n
}

func (d *decoder) statuses(v value) []StatusRange {
	items := []value{v}
	if v.node.Kind != scalarNode {
		items = d.items(v, statusRule+", or a list of them")
	}
	var list []StatusRange
	for _, item := range items {
		text, ok := d.text(item, statusRule)
		if !ok {
			continue
		}
		r, err := ParseStatus(text)
		if err != nil {
			d.refuse(item, statusRule)
			continue
		}
		list = append(list, r)
	}
	return list
}
