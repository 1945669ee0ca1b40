package topic

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// blank tells whether nothing is left in the index, not even a node or a map.
func (ix *Index[K, V]) blank() bool {
	return ix.exact == nil && ix.root == (node[K, V]{}) && ix.wild == 0 && ix.entries == 0
}

// model is an index written the obvious way. A note is the filter and key, so that a wrong match names itself.
type model map[string]map[int]string

func (m model) set(filter string, k int, v string) (added bool) {
	if m[filter] == nil {
		m[filter] = map[int]string{}
	}
	_, had := m[filter][k]
	m[filter][k] = v
	return !had
}

func (m model) delete(filter string, k int) (v string, ok bool) {
	v, ok = m[filter][k]
	if delete(m[filter], k); len(m[filter]) == 0 {
		delete(m, filter)
	}
	return v, ok
}

func (m model) match(name string) (found []string) {
	for filter, entries := range m {
		if Match(filter, name) {
			found = slices.AppendSeq(found, maps.Values(entries))
		}
	}
	slices.Sort(found)
	return found
}

// notes are what entries say of themselves, sorted.
func notes(all []*entry) (notes []string) {
	for _, e := range all {
		notes = append(notes, e.note)
	}
	slices.Sort(notes)
	return notes
}

func (m model) sizes() map[string]int {
	sizes := map[string]int{}
	for filter, entries := range m {
		sizes[filter] = len(entries)
	}
	return sizes
}

// randomTopic picks from few levels, so that names and filters meet often; filters get wildcards.
func randomTopic(r *rand.Rand, words []string, filter bool) string {
	levels := make([]string, 1+r.IntN(5))
	for i := range levels {
		levels[i] = words[r.IntN(len(words))]
		if filter && r.IntN(4) == 0 {
			levels[i] = "+"
		}
	}
	if filter && r.IntN(3) == 0 {
		levels[len(levels)-1] = "#"
	}
	if s := strings.Join(levels, "/"); s != "" {
		return s
	}
	return "/"
}

func TestIndexAgainstModel(t *testing.T) {
	few := []string{"a", "b", "", "$SYS", "a", "b"}
	many := slices.Clone(few) // enough siblings to turn lists into maps and back
	for i := range 40 {
		many = append(many, fmt.Sprint(i))
	}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		words := few
		if seed%2 == 1 {
			words = many
		}
		var ix Index[int, *entry]
		m := model{}
		var used []string
		for step := range 2000 {
			filter, k := randomTopic(r, words, true), r.IntN(4)
			v := fmt.Sprintf("%s by %d at %d", filter, k, step)
			// Long phases of growing and shrinking take the index through full and nearly empty.
			if grow := step%1000 < 500; grow == (r.IntN(5) > 0) {
				used = append(used, filter)
				if got, want := ix.Set(&entry{filter, k, v}), m.set(filter, k, v); got != want {
					t.Fatalf("seed %d step %d: Set(%q, %d) = %v, want %v", seed, step, filter, k, got, want)
				}
			} else {
				if len(used) > 0 && r.IntN(8) > 0 {
					filter = used[r.IntN(len(used))]
				}
				got, ok := ix.Delete(filter, k)
				if want, wanted := m.delete(filter, k); ok != wanted || ok && got.note != want {
					t.Fatalf("seed %d step %d: Delete(%q, %d) = %+v, %v; want %q, %v", seed, step, filter, k, got, ok, want, wanted)
				}
			}
			compare(t, &ix, m, randomTopic(r, words, false))
			if t.Failed() {
				t.Fatalf("seed %d step %d", seed, step)
			}
		}
		compareAll(t, &ix, m)
		for filter, entries := range m {
			for k := range entries {
				ix.Delete(filter, k)
			}
		}
		if !ix.blank() {
			t.Fatalf("seed %d: an emptied index keeps %+v", seed, &ix.root)
		}
	}
}

func compare(t *testing.T, ix *Index[int, *entry], m model, name string) {
	t.Helper()
	got, want := notes(ix.Match(name, nil)), m.match(name)
	if !slices.Equal(got, want) {
		t.Errorf("Match(%q) = %q, want %q", name, got, want)
	}
	if ix.Filters() != len(m) {
		t.Errorf("%d filters, want %d", ix.Filters(), len(m))
	}
	if _, want := m[name]; ix.Has(name) != want {
		t.Errorf("Has(%q) = %v", name, !want)
	}
}

func compareAll(t *testing.T, ix *Index[int, *entry], m model) {
	t.Helper()
	sum := 0
	for filter, n := range m.sizes() {
		sum += n
		if !ix.Has(filter) {
			t.Errorf("Has(%q) = false", filter)
		}
	}
	for filter, entries := range m {
		for k := range 4 {
			want, wanted := entries[k]
			if e, ok := ix.Get(filter, k); ok != wanted || ok && e.note != want {
				t.Errorf("Get(%q, %d) = %v, want %q", filter, k, e, want)
			}
		}
	}
	if _, ok := ix.Get("no/such/filter", 0); ok {
		t.Error("Get finds what nobody has")
	}
	if ix.Len() != sum {
		t.Errorf("%d entries, want %d", ix.Len(), sum)
	}
	if got, want := maps.Collect(ix.All()), m.sizes(); !maps.Equal(got, want) {
		t.Errorf("All gives %v, want %v", got, want)
	}
}

func TestSetReplaces(t *testing.T) {
	for _, filter := range []string{"a/b", "a/+", "#"} {
		var ix Index[int, *entry]
		old, now := &entry{filter: filter, who: 1}, &entry{filter: filter, who: 1}
		first, second := ix.Set(old), ix.Set(now)
		if !first || second {
			t.Errorf("%q: added = %v, then %v", filter, first, second)
		}
		if got := ix.Match("a/b", nil); len(got) != 1 || got[0] != now {
			t.Errorf("%q: match gives %v after the entry was replaced", filter, got)
		}
		if _, ok := ix.Delete(filter, 2); ok {
			t.Errorf("%q: deleted for a key that is not there", filter)
		}
		if e, ok := ix.Delete(filter, 1); !ok || e != now {
			t.Errorf("%q: deleted %v, %v", filter, e, ok)
		}
	}
}

func TestMatchAppends(t *testing.T) {
	var ix Index[int, *entry]
	before, one, two := new(entry), &entry{filter: "a/#"}, &entry{filter: "a"}
	fill(&ix, []*entry{one, two})
	got := ix.Match("a", []*entry{before})
	if len(got) != 3 || got[0] != before || !slices.Contains(got, one) || !slices.Contains(got, two) {
		t.Errorf("%v: want what was there, then one entry for each filter", got)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var ix Index[int, *entry]
	filters := []string{"a/b/c", "a/+/c", "#", "a/#", "+/+/+", "+/b/#", "a/b/+"}
	fill(&ix, entries(filters))
	for who := range 2 {
		ix.Set(&entry{filter: "a/b/c", who: who}) // a crowd as well
	}
	dst := make([]*entry, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst = ix.Match("a/b/c", dst[:0]) }); n != 0 || len(dst) != len(filters)+1 {
		t.Errorf("%d matches with %v allocations", len(dst), n)
	}
}

// TestCrowd lets many clients share a filter and leave in any order, and looks into the structure all the way.
func TestCrowd(t *testing.T) {
	const n = 2000
	var ix Index[int, *entry]
	for k := range n {
		ix.Set(&entry{filter: "news", who: k})
	}
	there := make(map[int]bool)
	for k := range n {
		there[k] = true
	}
	for _, k := range rand.New(rand.NewPCG(1, 2)).Perm(n)[:n-1] {
		if e, ok := ix.Delete("news", k); !ok || e.who != k {
			t.Fatalf("Delete(%d) = %v, %v", k, e, ok)
		}
		delete(there, k)
		s := ix.getExact("news")
		if s.crowd != nil {
			checkCrowd(t, s.crowd)
		}
		if len(there) != s.size() || (s.crowd == nil) != (len(there) == 1) {
			t.Fatalf("%d entries in a set of size %d", len(there), s.size())
		}
	}
	for _, e := range ix.Match("news", nil) {
		if !there[e.who] {
			t.Errorf("%d is still there", e.who)
		}
	}
}

func checkCrowd(t *testing.T, c *crowd[int, *entry]) {
	t.Helper()
	n := len(c.vals)
	if n > crowdIndexed && len(c.pos) != n {
		t.Fatalf("%d entries, %d of them in the map", n, len(c.pos))
	}
	if cap(c.vals) > 4*n+4 {
		t.Fatalf("%d entries hold on to memory for %d", n, cap(c.vals))
	}
	for i, e := range c.vals {
		if at := c.find(e.who); at != i {
			t.Fatalf("the entry of %d at %d is found at %d", e.who, i, at)
		}
	}
}

func TestDeepTopics(t *testing.T) {
	deep := func(level string) string { return strings.Repeat(level+"/", 30000/len(level)) }
	name := deep("a") + "z"
	filters := []string{deep("a") + "#", deep("+") + "z", deep("+") + "#", name, deep("a") + "+", deep("a") + "y"}
	var ix Index[int, *entry]
	for _, f := range filters {
		ix.Set(&entry{f, 1, f})
	}
	got, want := notes(ix.Match(name, nil)), slices.Sorted(slices.Values(filters[:5]))
	if !slices.Equal(got, want) {
		t.Errorf("%d deep filters match, want %d", len(got), len(want))
	}
	if got := maps.Collect(ix.All()); len(got) != len(filters) || got[filters[1]] != 1 {
		t.Errorf("All gives %d deep filters, want %d", len(got), len(filters))
	}
	for _, f := range filters {
		ix.Delete(f, 1)
	}
	if !ix.blank() {
		t.Error("deep filters leave nodes behind")
	}
}

// TestManyBranches gives every level both ways to go on. The work is bounded by the nodes there are: 2^13.
func TestManyBranches(t *testing.T) {
	const depth = 12
	var ix Index[int, *entry]
	for bits := range 1 << depth {
		levels := make([]string, depth)
		for i := range levels {
			if levels[i] = "a"; bits>>i&1 == 1 {
				levels[i] = "+"
			}
		}
		ix.Set(&entry{filter: strings.Join(levels, "/")})
	}
	name := strings.Repeat("a/", depth-1) + "a"
	if got := len(ix.Match(name, nil)); got != 1<<depth {
		t.Errorf("%d matches, want %d", got, 1<<depth)
	}
	if got := ix.Match(strings.Replace(name, "a", "b", depth-1), nil); len(got) != 2 {
		t.Errorf("%d matches, want two", len(got))
	}
}

// TestLongFilterIsNotPinned has a long filter create a node that a short one goes on using.
func TestLongFilterIsNotPinned(t *testing.T) {
	var ix Index[int, *entry]
	before := heap()
	for i := range 200 {
		long := fmt.Sprintf("%d/+/%s", i, strings.Repeat("x", 50_000))
		ix.Set(&entry{filter: long, who: 1})
		for who := range 2 {
			ix.Set(&entry{filter: fmt.Sprintf("%d/#", i), who: who})
		}
		ix.Delete(long, 1)
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("200 short filters hold %d bytes", grown)
	}
	runtime.KeepAlive(&ix)
}

func TestAllStopsAndAllowsChange(t *testing.T) {
	var ix Index[int, *entry]
	for i := range 1000 {
		ix.Set(&entry{filter: fmt.Sprintf("a/%d", i), who: 1})
		ix.Set(&entry{filter: fmt.Sprintf("b/+/%d/x/#", i), who: 1})
	}
	n := 0
	for range ix.All() {
		if n++; n == 700 {
			break
		}
	}
	if n != 700 {
		t.Errorf("the loop went on to %d", n)
	}
	seen := map[string]int{}
	for filter := range ix.All() {
		seen[filter]++
		if strings.HasPrefix(filter, "a/") {
			ix.Delete(filter, 1) // takes the write lock: All must not hold the lock here
		} else if rest, ok := strings.CutSuffix(filter, "/x/#"); ok {
			ix.Set(&entry{filter: rest + "/x/y/#", who: 1}) // moves the filter two levels down
			ix.Set(&entry{filter: "c/" + filter, who: 1})
		}
	}
	for i := range 1000 {
		if a, b := fmt.Sprintf("a/%d", i), fmt.Sprintf("b/+/%d/x/#", i); seen[a] != 1 || seen[b] != 1 {
			t.Fatalf("%q came %d times, %q %d times", a, seen[a], b, seen[b])
		}
	}
	func() {
		defer func() { _ = recover() }()
		for range ix.All() {
			panic("out of the loop")
		}
	}()
	ix.Set(&entry{filter: "after", who: 1}) // blocks for ever if a lock was left behind
}

// TestConcurrentUse has clients come and go while others publish. A filter that stays must be found by every match.
func TestConcurrentUse(t *testing.T) {
	var ix Index[int, *entry]
	ix.Set(&entry{"room/+/temp", -1, "stays"})
	ix.Set(&entry{"room/7/temp", -1, "stays"})
	var writers, readers sync.WaitGroup
	for k := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(k), 9))
			for range 2000 {
				f := randomTopic(r, []string{"room", "7", "temp"}, true)
				ix.Set(&entry{f, k, f})
				ix.Delete(randomTopic(r, []string{"room", "7", "temp"}, true), k)
			}
		})
	}
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			var dst []*entry
			for {
				select {
				case <-done:
					return
				default:
				}
				stays := 0
				dst = ix.Match("room/7/temp", dst[:0])
				for _, e := range dst {
					if e.note == "stays" {
						stays++
					} else if !Match(e.filter, "room/7/temp") {
						t.Errorf("%q came for room/7/temp", e.filter)
						return
					}
				}
				if stays != 2 {
					t.Errorf("%d of 2 filters that stay were found", stays)
					return
				}
				for filter, n := range ix.All() {
					if n < 1 || ValidFilter(filter) != nil {
						t.Errorf("All gives %q with %d entries", filter, n)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

// TestMemory holds the index to its budget.
func TestMemory(t *testing.T) {
	atMost := func(what string, filters []string, limit float64) {
		t.Helper()
		if got := bytesPerFilter(filters); got > limit {
			t.Errorf("%s: %.1f bytes a filter, want %v at most", what, got, limit)
		}
	}
	atMost("half exact, half with wildcards", benchFilters(120_000), 16)
	var own []string
	for i := range 60_000 {
		own = append(own, fmt.Sprintf("site/+/line/%d/cmd/+/do/#", i))
	}
	atMost("wildcards after the client id", own, 16)
	atMost("one filter of 30,000 levels", []string{strings.Repeat("+/", 30_000) + "+"}, 4096)
}
