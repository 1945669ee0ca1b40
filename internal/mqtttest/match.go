package mqtttest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// vars holds what a scenario's ?names were bound to.
type vars map[string]string

// compare says why got is not what the scenario wants, or "". Fields count as a set: only those of the same name keep their
// order, as user properties must. Variables bind only when the whole packet fits.
func compare(want, got packet, bound vars) string {
	if want.kind != got.kind {
		return "another packet came"
	}
	trial := make(vars)
	bad := compareFields(want.fields, got.fields, bound, trial, false)
	if bad == "" {
		bad = compareFields(want.props, got.props, bound, trial, want.more)
	}
	if bad == "" {
		for name, val := range trial {
			bound[name] = val
		}
	}
	return bad
}

func compareFields(want, got []field, bound, trial vars, more bool) string {
	left := slices.Clone(got)
	for _, w := range want {
		at := slices.IndexFunc(left, func(g field) bool { return g.key == w.key })
		switch {
		case w.match == absent && at < 0:
			continue
		case w.match == absent:
			return "unexpected " + left[at].String()
		case w.match == literal && at < 0:
			return w.key + " is missing"
		}
		val := "0" // an absent number is zero
		if at >= 0 {
			val = left[at].val
			left = slices.Delete(left, at, at+1)
		}
		if bad := compareValue(w, val, bound, trial); bad != "" {
			return bad
		}
	}
	if len(left) > 0 && !more {
		return "unexpected " + left[0].String()
	}
	return ""
}

func compareValue(want field, val string, bound, trial vars) string {
	switch want.match {
	case anything:
		return ""
	case containing:
		if !strings.Contains(val, want.val) {
			return fmt.Sprintf("%s lacks %s", want.key, want.val)
		}
		return ""
	case between:
		lo, hi, _ := strings.Cut(want.val, "..")
		if n := number(val); n < number(lo) || n > number(hi) {
			return fmt.Sprintf("%s is %s, want %s", want.key, val, want.val)
		}
		return ""
	case variable:
		known, ok := bound[want.val]
		if !ok {
			known, ok = trial[want.val]
		}
		if ok && known != val {
			return fmt.Sprintf("%s is %s, want ?%s which is %s", want.key, shown(val), want.val, shown(known))
		}
		trial[want.val] = val
		return ""
	}
	if want.val != val {
		return fmt.Sprintf("%s differs", want.key)
	}
	return ""
}

// fill puts bound values in the place of ?names in a packet about to be sent.
func fill(fields []field, bound vars) ([]field, error) {
	filled := slices.Clone(fields)
	for i, f := range filled {
		if f.match == variable {
			val, ok := bound[f.val]
			if !ok {
				return nil, fmt.Errorf("?%s is not bound yet", f.val)
			}
			filled[i].val, filled[i].match = val, literal
		}
	}
	return filled, nil
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 0, 64)
	return n
}
