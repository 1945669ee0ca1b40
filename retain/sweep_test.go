package retain

import (
	"fmt"
	"testing"
)

// expiring puts a message that expires.
func expiring(t *testing.T, s *Store, name string, at int64) {
	t.Helper()
	m := message(name, "x")
	m.ExpiresAt = at
	if err := s.Put(m, 0); err != nil {
		t.Error(err)
	}
}

func TestSweep(t *testing.T) {
	s := New(Config{})
	step := func(now, next int64, left int) {
		t.Helper()
		if got := s.Sweep(now); got != next || s.Len() != left {
			t.Errorf("at %d: next %d, %d left, want %d, %d", now, got, s.Len(), next, left)
		}
	}
	step(1000, 1000+sweepLatest, 0)
	put(t, s, "for/ever=x")
	step(1000, 1000+sweepLatest, 1)
	expiring(t, s, "a", 5000)
	expiring(t, s, "b", 9000)
	step(1000, 5000, 3)
	step(4900, 4900+sweepRest, 3)
	expiring(t, s, "c", 500_000)
	step(5000, 9000, 3)
	put(t, s, "b=stays")
	step(9000, 9000+sweepLatest, 3)
	step(499_990, 499_990+sweepRest, 3)
	step(500_990, 500_990+sweepLatest, 2)
}

// TestSweepInSteps: a call does little; what comes while the pass is under
// way isn't forgotten.
func TestSweepInSteps(t *testing.T) {
	s := New(Config{})
	const n = 5 * sweepSlices * slice
	for i := range n {
		expiring(t, s, fmt.Sprintf("t/%05d", i), int64(1+i%2*1_000_000))
	}
	now, calls := int64(100), 0
	for next := now; next == now; calls++ {
		before := s.Len()
		if next = s.Sweep(now); next == now+sweepStep {
			now = next
		}
		if gone := before - s.Len(); gone > sweepSlices*slice {
			t.Errorf("one call removes %d", gone)
		}
		if calls == 1 {
			expiring(t, s, "a", 300) // behind the pass, over before it ends
			expiring(t, s, "z", 2_000_000)
		}
	}
	if calls < 4 || calls > 7 || s.Len() != n/2+2 {
		t.Errorf("%d calls, %d left", calls, s.Len())
	}
	for range calls {
		now += sweepRest
		s.Sweep(now)
	}
	if s.Len() != n/2+1 {
		t.Errorf("%d left after another pass, want %d", s.Len(), n/2+1)
	}
}

// TestSweepLeavesTheRestAlone: while nothing can have expired, nothing is
// looked at.
func TestSweepLeavesTheRestAlone(t *testing.T) {
	s := sitesStore(t, 10, 5000)
	if s.Sweep(1_900_000_000_000); s.sweeper.pass != nil {
		t.Error("a pass for messages that never expire")
	}
	expiring(t, s, "a", 1_900_000_000_000)
	if s.Sweep(1_899_999_999_999); s.sweeper.pass != nil {
		t.Error("a pass before anything has expired")
	}
	if s.Sweep(1_900_000_000_000); s.sweeper.pass == nil {
		t.Error("no pass when something has")
	}
}

func TestExpire(t *testing.T) {
	s := New(Config{})
	for i := range 10 * slice {
		expiring(t, s, fmt.Sprintf("t/%d", i), int64(1+i%2*1000))
	}
	s.Sweep(500) // a pass is under way
	expiring(t, s, "a", 1)
	if s.Expire(500); s.Len() != 5*slice {
		t.Errorf("%d left, want %d", s.Len(), 5*slice)
	}
	if s.Expire(1001); s.Len() != 0 {
		t.Errorf("%d left, want none", s.Len())
	}
}
