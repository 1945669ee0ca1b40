package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// TestStoredKnown fails when a new version of the server has its records in
// another way.
func TestStoredKnown(t *testing.T) {
	if err := storedKnown(); err != nil {
		t.Error(err)
	}
}

// held are copies that are kept behind at the moment.
type held struct {
	mu     sync.Mutex
	groups []server.RaftNode
}

// back has a node's copy of a stream stay as it is; false: the node leads it.
func (h *held) back(e *Engine, stream string) bool {
	r, has := e.to().replica(stream)
	if !has || r.group.PauseApply() != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.groups = append(h.groups, r.group)
	return true
}

// release lets all go on.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.groups {
		g.ResumeApply()
	}
	h.groups = nil
}

// TestCopies: of four nodes three have copies. Reads have what was acknowledged,
// whatever copies are behind, and without one.
func TestCopies(t *testing.T) {
	t.Parallel()
	all := together(t, node(t, "a"), node(t, "b"), node(t, "c"), node(t, "d"))
	var with, without []*Map
	for _, e := range all {
		m := openMap(t, e, "m")
		if _, has := e.to().replica(sharedMaps); has {
			with = append(with, m)
		} else {
			without = append(without, m)
		}
	}
	copied(t, all...)
	if len(with) != 3 {
		t.Fatalf("%d nodes have copies", len(with))
	}
	testWithout(t, with[0], without[0])
	testBehind(t, with)
	testCounts(t, append(with, without...))
	testRandom(t, append(with, without...))
}

// testWithout has a node without a copy read, and follow.
func testWithout(t *testing.T, other, without *Map) {
	f := follow(t, without)
	n := 3 * feedMost
	for i := range n {
		other.PutLater(fmt.Sprint("many", i), []byte("v"), nil)
	}
	put(t, other, "last", "v")
	put(t, without, "mark", "v")
	if v, ok, err := without.Get("last"); err != nil || !ok || string(v) != "v" {
		t.Errorf("it is %q, %v, %v", v, ok, err)
	}
	if _, ok, err := without.Get("none"); err != nil || ok {
		t.Errorf("what isn't there is %v, %v", ok, err)
	}
	if got := f.len(); got != n+2 {
		t.Errorf("who follows it has %d records, want %d", got, n+2)
	}
	if got := len(readEach(t, without)); got != n+2 {
		t.Errorf("it has %d records, want %d", got, n+2)
	}
}

func readEach(t *testing.T, m *Map) map[string]string {
	t.Helper()
	all := make(map[string]string)
	if err := m.Each(func(key string, v []byte) error { all[key] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// testBehind holds one copy behind: its node reads what was acknowledged all the
// same, one by one and all of them.
func testBehind(t *testing.T, with []*Map) {
	h := new(held)
	defer h.release()
	for round := range 3 {
		value := fmt.Sprint("round", round)
		var behind, other *Map
		eventually(t, "a copy that doesn't lead", func() bool {
			i := rand.IntN(len(with))
			behind, other = with[i], with[(i+1)%len(with)]
			return h.back(behind.s.e, sharedMaps)
		})
		for i := range 100 {
			put(t, other, fmt.Sprint(i), value)
		}
		put(t, behind, "mark", value) // from here on it knows of all
		var state server.StreamState
		r, _ := behind.s.e.to().replica(sharedMaps)
		if r.store.FastState(&state); state.LastSeq >= behind.s.last.Load() {
			t.Error("the copy isn't held behind")
		}
		found := readEach(t, behind)
		for i := range 100 {
			v, ok, err := behind.Get(fmt.Sprint(i))
			if err != nil || !ok || string(v) != value || found[fmt.Sprint(i)] != value {
				t.Fatalf("round %d: %s and %s are read of %d, want %s (%v)", round, v, found[fmt.Sprint(i)], i, value, err)
			}
		}
		h.release()
	}
}

// testRandom holds copies behind at random, while a node changes keys, which also
// moves their records, and the others read behind marks.
func testRandom(t *testing.T, maps []*Map) {
	const keys = 20
	var kept [keys]atomic.Int64
	for k := range keys {
		put(t, maps[0], fmt.Sprint(k), "0")
	}
	end := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() { keepOn(t, maps[0], kept[:], end) })
	busy.Go(func() { holdOn(maps[:3], end) })
	for i := range 100 {
		reader := maps[1+i%(len(maps)-1)]
		var want [keys]int64
		for k := range keys {
			want[k] = kept[k].Load()
		}
		if err := reader.Put("mark", nil); errors.Is(err, ErrNoQuorum) {
			continue // whoever led was held for too long
		} else if err != nil {
			t.Error(err)
			break
		}
		found := readEach(t, reader)
		for k := range keys {
			v, _, err := reader.Get(fmt.Sprint(k))
			for _, v := range []string{string(v), found[fmt.Sprint(k)]} {
				var n int64
				if _, bad := fmt.Sscan(v, &n); err != nil || bad != nil || n < want[k] {
					t.Errorf("%s reads %q of %d, %d was kept before (%v)", reader.s.e.o.Node, v, k, want[k], err)
				}
			}
		}
		if t.Failed() {
			break
		}
	}
	close(end)
	busy.Wait()
}

// keepOn changes keys, and notes what was kept.
func keepOn(t *testing.T, m *Map, kept []atomic.Int64, end chan struct{}) {
	for n := int64(1); ; n++ {
		select {
		case <-end:
			return
		default:
		}
		k := rand.IntN(len(kept))
		if err := m.Put(fmt.Sprint(k), fmt.Append(nil, n)); err == nil {
			kept[k].Store(n)
		} else if !errors.Is(err, ErrNoQuorum) {
			t.Error(err)
		}
	}
}

// holdOn holds copies behind at random.
func holdOn(maps []*Map, end chan struct{}) {
	h := new(held)
	defer h.release()
	for {
		h.back(maps[rand.IntN(len(maps))].s.e, sharedMaps)
		select {
		case <-end:
			return
		case <-time.After(rand.N(300 * time.Millisecond)):
			h.release()
		}
		time.Sleep(rand.N(100 * time.Millisecond))
	}
}

// emptyStore is a store of that many records that are all gone.
type emptyStore struct {
	server.StreamStore
	last uint64
}

func (s emptyStore) FastState(state *server.StreamState) { state.LastSeq = s.last }

func (s emptyStore) LoadLastMsg(string, *server.StoreMsg) (*server.StoreMsg, error) {
	return nil, server.ErrStoreMsgNotFound
}

func (s emptyStore) LoadNextMsg(string, bool, uint64, *server.StoreMsg) (*server.StoreMsg, uint64, error) {
	return nil, s.last, server.ErrStoreEOF
}

// progress is a group that has to apply up to commit, and is there after some looks.
type progress struct {
	server.RaftNode
	commit, applied uint64
}

func (p *progress) Progress() (index, commit, applied uint64) {
	p.applied++
	return 0, p.commit, p.applied
}

// What a copy misses isn't gone before it has applied what it has got.
func TestMissing(t *testing.T) { synctest.Test(t, testMissing) }

func testMissing(t *testing.T) {
	f := func(what string, q question, commit uint64, want answer) {
		t.Helper()
		r := replica{emptyStore{last: 7}, &progress{commit: commit}}
		got, err := r.answer(&q)
		if err != nil || got.Behind != want.Behind || got.End != want.End || got.Next != want.Next || got.Last != want.Last {
			t.Errorf("%s: %+v, %v, want %+v", what, got, err, want)
		}
	}
	const never, soon = 1 << 60, 5
	gone, behind := answer{End: true, Last: 7}, answer{Behind: true}
	f("applied, the key", question{Subject: "k", Sure: true}, 0, gone)
	f("applied soon, the key", question{Subject: "k", Sure: true}, soon, gone)
	f("not applied, the key", question{Subject: "k", Sure: true}, never, behind)
	f("not that far, the key", question{Subject: "k", Sure: true, Least: 8}, 0, behind)
	gone.Next = 8
	f("applied, the rest", question{From: 3, Most: 1, Sure: true}, 0, gone)
	f("not applied, the rest", question{From: 3, Most: 1, Sure: true}, never, behind)
	f("not applied, what is there", question{From: 3, Most: 1}, never, gone)
	f("not that far, the rest", question{From: 8, Most: 1, Least: 8}, 0, behind)
}
