package hook

import (
	"slices"
	"sync"
	"testing"
)

type event struct{ trail []string }

func add(t *testing.T, c *Chain[event], name string, priority int, v Verdict) {
	t.Helper()
	err := c.Add(name, priority, func(e *event) Verdict { e.trail = append(e.trail, name); return v })
	if err != nil {
		t.Fatal(err)
	}
}

func TestOrderIsByPriorityThenByAge(t *testing.T) {
	var c Chain[event]
	add(t, &c, "acl file", -1, Continue)
	add(t, &c, "first plugin", 0, Continue)
	add(t, &c, "rewrite", 1000, Continue)
	add(t, &c, "second plugin", 0, Continue)
	var e event
	c.Run(&e)
	if want := []string{"rewrite", "first plugin", "second plugin", "acl file"}; !slices.Equal(e.trail, want) {
		t.Errorf("ran %v, want %v", e.trail, want)
	}
}

func TestStopEndsTheChain(t *testing.T) {
	var c Chain[event]
	add(t, &c, "a", 1, Stop)
	add(t, &c, "b", 0, Continue)
	var e event
	c.Run(&e)
	if want := []string{"a"}; !slices.Equal(e.trail, want) {
		t.Errorf("ran %v, want %v", e.trail, want)
	}
}

func TestSameNameTwiceIsRefused(t *testing.T) {
	var c Chain[event]
	add(t, &c, "a", 0, Continue)
	if c.Add("a", 5, func(*event) Verdict { return Continue }) == nil {
		t.Error("the second a was taken")
	}
}

func TestRemoveEmptiesAgain(t *testing.T) {
	var c Chain[event]
	if !c.Empty() {
		t.Error("a new chain is not empty")
	}
	add(t, &c, "a", 0, Continue)
	if c.Empty() {
		t.Error("a chain with a function is empty")
	}
	c.Remove("a")
	c.Remove("never there")
	if !c.Empty() {
		t.Error("a is still there")
	}
}

func TestPanicCountsAsContinue(t *testing.T) {
	var c Chain[event]
	if err := c.Add("broken", 1, func(*event) Verdict { panic("oops") }); err != nil {
		t.Fatal(err)
	}
	add(t, &c, "next", 0, Continue)
	var e event
	c.Run(&e)
	if want := []string{"next"}; !slices.Equal(e.trail, want) {
		t.Errorf("ran %v, want %v", e.trail, want)
	}
}

func TestRunWhileOthersAddAndRemove(t *testing.T) {
	var c Chain[event]
	add(t, &c, "always", 0, Continue)
	var wg sync.WaitGroup
	for _, name := range []string{"x", "y"} {
		wg.Go(func() {
			for range 200 {
				if err := c.Add(name, 1, func(*event) Verdict { return Continue }); err != nil {
					t.Error(err)
				}
				c.Remove(name)
			}
		})
	}
	for range 500 {
		var e event
		c.Run(&e)
		if len(e.trail) != 1 {
			t.Fatalf("ran %v", e.trail)
		}
	}
	wg.Wait()
}

func TestAnEmptyChainCostsNothing(t *testing.T) {
	var c Chain[event]
	if n := testing.AllocsPerRun(100, func() {
		if !c.Empty() {
			c.Run(&event{})
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestActionsHaveNames(t *testing.T) {
	if Publish.String() != "publish" || Subscribe.String() != "subscribe" {
		t.Error(Publish, Subscribe)
	}
}
