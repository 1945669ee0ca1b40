package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestBalance(t *testing.T) {
	f := func(counts []int, absolute int, relative float64, want string) {
		t.Helper()
		var all []load
		for i, n := range counts {
			all = append(all, load{Member{Name: fmt.Sprint(i)}, n})
		}
		donors, recipients, goal := balance(all, absolute, relative)
		got := strings.Join(names(donors), ",") + " > " + strings.Join(names(recipients), ",") + " " + fmt.Sprint(goal)
		if got != want {
			t.Errorf("%v: got %s, want %s", counts, got, want)
		}
	}
	f([]int{3000, 0, 0}, 100, 1.1, "0 > 1,2 1067") // and 967 at the others
	f([]int{3000, 3000, 0}, 100, 1.1, "0,1 > 2 2063")
	f([]int{30000, 0}, 100, 1.1, "0 > 1 15715") // 1.1 times 14286
	f([]int{1100, 100}, 1000, 1.1, " >  0")     // no more than 1000 above
	f([]int{1102, 100}, 1000, 1.1, "0 > 1 1101")
	f([]int{110, 100}, 1, 1.1, " >  0")
	f([]int{5, 5, 5}, 1, 1, " >  0")
	f([]int{0, 0}, 1, 1, " >  0")
	f([]int{7}, 1, 1, " >  0")
	f(nil, 1, 1, " >  0")
	f([]int{2, 0}, 1, 1, " >  0") // as even as that can be
}
