package bench

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	now := time.Now().UnixNano()
	made := stamp{sent: now - 1500, run: 0xabc, publisher: maxConnections - 1, sequence: 1 << 31}
	payload := make([]byte, 20)
	made.put(payload)
	is := func(payload []byte, now int64, want bool) {
		t.Helper()
		got, ok := stampOf(payload, now)
		if ok != want || ok && got != made {
			t.Errorf("stampOf(% x) = %+v, %v; expected %v", payload, got, ok, want)
		}
	}
	is(payload, now, true)
	is(payload[:stampSize], now, true)
	is(payload[:stampSize-1], now, false)
	is(payload, now+int64(2*time.Hour), false) // retained long ago
	is(payload, now-int64(time.Minute), false) // from the future
	is([]byte("a payload of someone else"), now, false)
}

func TestLedger(t *testing.T) {
	l := newLedger(maxGaps)
	enter := func(flow uint64, number uint32, first bool) {
		t.Helper()
		if got, _ := l.first(flow, number); got != first {
			t.Errorf("flow %d, number %d: first is %v, expected %v", flow, number, got, first)
		}
	}
	enter(1, 0, true)
	enter(1, 0, false)
	enter(2, 0, true) // flows are apart
	enter(1, 3, true) // 1 and 2 are missing
	enter(1, 3, false)
	enter(1, 2, true) // late
	enter(1, 2, false)
	enter(1, 4, true)
	enter(1, 1, true)
	if len(l.gaps) != 0 {
		t.Errorf("nothing is missing, the ledger says %v", l.gaps)
	}
}

// TestLedgerAgainstSets compares with a plain set per flow, in any order and
// with repetitions.
func TestLedgerAgainstSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	l, seen, highest := newLedger(maxGaps), map[gap]bool{}, map[uint64]uint32{}
	for range 20_000 {
		g := gap{flow: rng.Uint64N(5), number: rng.Uint32N(2000)}
		got, late := l.first(g.flow, g.number)
		if got == seen[g] || late != (got && g.number < highest[g.flow]) {
			t.Fatalf("%+v: first is %v and late %v, but seen before: %v, the highest was %d", g, got, late, seen[g], highest[g.flow])
		}
		seen[g], highest[g.flow] = true, max(highest[g.flow], g.number)
	}
}

func TestLedgerIsBounded(t *testing.T) {
	l := newLedger(maxGaps)
	l.first(1, 1<<31)
	if len(l.gaps) != maxGaps {
		t.Errorf("%d gaps are kept, expected %d", len(l.gaps), maxGaps)
	}
	if first, late := l.first(1, 1<<31+1); !first || late {
		t.Error("a new number after a huge gap counts as repeated")
	}
}

// TestLedgerOfSessions: sessions that are drained one after the other let most
// of a publisher's messages be missing for long.
func TestLedgerOfSessions(t *testing.T) {
	l := newLedger(gapsOf(parsed(t, "offline")))
	const sessions, each = 4, maxGaps / 2
	for s := range uint32(sessions) {
		for i := range uint32(each) {
			if first, _ := l.first(1, i*sessions+s); !first {
				t.Fatalf("number %d of session %d counts as repeated", i, s)
			}
		}
	}
	if len(l.gaps) != 0 {
		t.Errorf("%d are missing", len(l.gaps))
	}
}

func BenchmarkLedgerInOrder(b *testing.B) {
	l := newLedger(maxGaps)
	b.ReportAllocs()
	for i := range b.N {
		l.first(uint64(i%1000), uint32(i/1000))
	}
}
