package session

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// newRand is a source whose seed is in the test's log.
func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestInflightAgainstAList compares the ring with a plain list of identifiers,
// with acknowledgements in and out of order and reconnections, over the wrap.
func TestInflightAgainstAList(t *testing.T) {
	r := newRand(t)
	for range 20 {
		f := inflight{lastID: 65500}
		var live []uint16 // in order of sending
		repeated := 0     // how many of live were sent on the connection
		limit := 1 + r.IntN(100)
		for range 2000 {
			switch r.IntN(4) {
			case 0, 1:
				if len(live) == limit || f.unsent > 0 {
					continue
				}
				id := f.next()
				if id == 0 || slices.Contains(live, id) {
					t.Fatalf("next is %d while %v are in use", id, live)
				}
				f.add(flight{id: id, phase: awaitPuback})
				live = append(live, id)
				repeated++
			case 2:
				if len(live) == 0 {
					continue
				}
				i := min(r.IntN(len(live)), r.IntN(len(live))) // rather the older ones
				pos, ok := f.find(live[i])
				if !ok {
					t.Fatalf("%d is not found among %v", live[i], live)
				}
				f.end(pos)
				if _, ok := f.find(live[i]); ok {
					t.Fatalf("%d is still there", live[i])
				}
				live = slices.Delete(live, i, i+1)
				if i < repeated {
					repeated--
				}
			case 3:
				if r.IntN(10) == 0 {
					f.reconnected()
					repeated = 0
				}
				for range r.IntN(limit + 2) {
					pos, ok := f.repeatable()
					if ok != (repeated < len(live)) {
						t.Fatalf("repeatable is %t with %d of %d sent", ok, repeated, len(live))
					}
					if ok {
						if id := f.slots.at(pos).id; id != live[repeated] {
							t.Fatalf("%d is repeated, want %d", id, live[repeated])
						}
						repeated++
					}
				}
			}
			checkInflight(t, &f, live, repeated)
		}
	}
}

func checkInflight(t *testing.T, f *inflight, live []uint16, repeated int) {
	t.Helper()
	var got []uint16
	for i := range f.slots.n {
		if e := f.slots.at(i); e.phase != done {
			got = append(got, e.id)
		}
	}
	if !slices.Equal(got, live) || int(f.live) != len(live) || int(f.sent) != repeated {
		t.Fatalf("holds %v (%d, %d sent), want %v (%d sent)", got, f.live, f.sent, live, repeated)
	}
	if f.unsent > f.slots.n {
		t.Fatalf("%d of %d slots aren't sent", f.unsent, f.slots.n)
	}
	if f.slots.n > 0 && f.slots.at(0).phase == done {
		t.Fatal("the first slot is done")
	}
	if slots := len(f.slots.buf); slots > ringKeep && slots > 8*(len(live)+1) {
		t.Fatalf("%d flights hold %d slots", len(live), slots)
	}
	for _, strange := range []uint16{0, f.next(), nextID(f.next())} {
		if _, ok := f.find(strange); ok && !slices.Contains(live, strange) {
			t.Fatalf("found %d, which isn't in %v", strange, live)
		}
	}
}

// TestWholeIdentifierSpace fills it, and frees it in an order of its own.
func TestWholeIdentifierSpace(t *testing.T) {
	f := inflight{lastID: 40000}
	for range 65535 {
		f.add(flight{id: f.next(), phase: awaitPuback})
	}
	if f.next() != 0 {
		t.Fatalf("%d is offered although all are in use", f.next())
	}
	for _, i := range newRand(t).Perm(65535) {
		pos, ok := f.find(uint16(i + 1))
		if !ok {
			t.Fatalf("%d is not found", i+1)
		}
		f.end(pos)
	}
	if f.live != 0 || f.slots.n != 0 || len(f.slots.buf) > ringKeep {
		t.Errorf("%d flights in %d of %d slots, want none", f.live, f.slots.n, len(f.slots.buf))
	}
}

func TestDistance(t *testing.T) {
	is := func(a, b uint16, want uint32) {
		t.Helper()
		if got := distance(a, b); got != want {
			t.Errorf("from %d to %d: %d, want %d", a, b, got, want)
		}
	}
	is(1, 1, 0)
	is(1, 2, 1)
	is(65535, 1, 1)
	is(2, 1, 65534)
	is(1, 65535, 65534)
	is(40000, 39999, 65534)
}

func TestRingAgainstASlice(t *testing.T) {
	r := newRand(t)
	var ring ring[int]
	var want []int
	for step := range 50000 {
		switch n := r.IntN(100); {
		case n < 50+30*((step/5000)%2): // grows for a while, then shrinks
			ring.push(step)
			want = append(want, step)
		case n == 99:
			odd := func(v *int) bool { return *v%2 == 1 }
			ring.filter(odd)
			want = slices.DeleteFunc(want, func(v int) bool { return v%2 == 0 })
		case len(want) > 0:
			if got := ring.pop(); got != want[0] {
				t.Fatalf("popped %d, want %d", got, want[0])
			}
			want = want[1:]
		}
		if int(ring.n) != len(want) {
			t.Fatalf("%d elements, want %d", ring.n, len(want))
		}
		if len(want) > 0 {
			if i := r.IntN(len(want)); *ring.at(uint32(i)) != want[i] {
				t.Fatalf("element %d is %d, want %d", i, *ring.at(uint32(i)), want[i])
			}
		}
	}
	for ring.n > 0 {
		ring.pop()
	}
	if slices.ContainsFunc(ring.buf, func(v int) bool { return v != 0 }) {
		t.Error("empty slots hold on to what was in them")
	}
	if len(ring.buf) > ringKeep {
		t.Errorf("an empty ring holds %d slots", len(ring.buf))
	}
}

func TestFilteredRingForgets(t *testing.T) {
	var ring ring[int]
	for v := range 8 {
		ring.push(v + 1)
	}
	ring.filter(func(v *int) bool { return *v > 6 })
	if !slices.Equal(ring.buf, []int{7, 8, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("the slots hold %v", ring.buf)
	}
}
