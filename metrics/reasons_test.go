package metrics

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"
)

func reasons(t *testing.T, r *Registry, name string) Sample {
	t.Helper()
	s, ok := r.Get(name)
	if !ok || s.Kind != KindReasons {
		t.Fatalf("%s: %+v, %v", name, s, ok)
	}
	return s
}

func TestReasons(t *testing.T) {
	var r Registry
	f := r.Reasons("delivery.dropped", "messages", "reason", 3, "queue_full", "expired")
	f.Inc("queue_full")
	f.Inc("too_large") // the third and last
	f.Inc("no_room")
	f.Counter("no_room_either").Add(2)
	f.Counter("queue_full").Add(5)
	f.Inc(Other)
	s := reasons(t, &r, "delivery.dropped")
	want := []ReasonCount{{"expired", 0}, {Other, 4}, {"queue_full", 6}, {"too_large", 1}}
	if !slices.Equal(s.Reasons, want) || s.Label != "reason" || s.Value != 11 {
		t.Errorf("total %d by %s: %v, want 11 by reason: %v", s.Value, s.Label, s.Reasons, want)
	}
	s.Reasons[0].Count = 99
	if again := reasons(t, &r, "delivery.dropped"); !slices.Equal(again.Reasons, want) {
		t.Errorf("changed through a sample: %v", again.Reasons)
	}
}

func TestKnownReasonsAreNeverOther(t *testing.T) {
	var r Registry
	f := r.Reasons("f", "", "reason", 0, "a", "b")
	f.Inc("a")
	f.Inc("b")
	f.Inc("c")
	if got, want := reasons(t, &r, "f").Reasons, []ReasonCount{{"a", 1}, {"b", 1}, {Other, 1}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestReasonIsCopied(t *testing.T) {
	var r Registry
	f := r.Reasons("f", "", "word", 2)
	packet := []byte("normal")
	f.Inc(unsafe.String(&packet[0], len(packet)))
	copy(packet, "xxxxxx")
	f.Inc("normal")
	if got, want := reasons(t, &r, "f").Reasons, []ReasonCount{{"normal", 2}, {Other, 0}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestReasonsTogether lets goroutines race for the places; no event may be lost and no place be given twice.
func TestReasonsTogether(t *testing.T) {
	var r Registry
	f := r.Reasons("f", "", "reason", 10)
	together(4, func(int) {
		for i := range 1000 {
			f.Inc(fmt.Sprint("r", i%20))
		}
	})
	s := reasons(t, &r, "f")
	if len(s.Reasons) != 11 || s.Value != 4000 {
		t.Errorf("%d events in %d places: %v; want 4000 in 11", s.Value, len(s.Reasons), s.Reasons)
	}
	for _, c := range s.Reasons {
		if c.Reason != Other && c.Count != 200 {
			t.Errorf("%s was counted %d times, want 200", c.Reason, c.Count)
		}
	}
}
