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

// model is an index written the obvious way. A value is its filter and key, so that a wrong match names itself.
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

func (m model) match(name string) (values []string) {
	for filter, entries := range m {
		if Match(filter, name) {
			values = slices.AppendSeq(values, maps.Values(entries))
		}
	}
	slices.Sort(values)
	return values
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
		var ix Index[int, string]
		m := model{}
		var used []string
		for step := range 2000 {
			filter, k := randomTopic(r, words, true), r.IntN(4)
			v := fmt.Sprintf("%s by %d at %d", filter, k, step)
			// Long phases of growing and shrinking take the index through full and nearly empty.
			if grow := step%1000 < 500; grow == (r.IntN(5) > 0) {
				used = append(used, filter)
				if got, want := ix.Set(filter, k, v), m.set(filter, k, v); got != want {
					t.Fatalf("seed %d step %d: Set(%q, %d) = %v, want %v", seed, step, filter, k, got, want)
				}
			} else {
				if len(used) > 0 && r.IntN(8) > 0 {
					filter = used[r.IntN(len(used))]
				}
				got, ok := ix.Delete(filter, k)
				if want, wanted := m.delete(filter, k); got != want || ok != wanted {
					t.Fatalf("seed %d step %d: Delete(%q, %d) = %q, %v; want %q, %v", seed, step, filter, k, got, ok, want, wanted)
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

func compare(t *testing.T, ix *Index[int, string], m model, name string) {
	t.Helper()
	got, want := ix.Match(name, nil), m.match(name)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("Match(%q) = %q, want %q", name, got, want)
	}
	if ix.Filters() != len(m) {
		t.Errorf("%d filters, want %d", ix.Filters(), len(m))
	}
	if _, want := m[name]; ix.Has(name) != want {
		t.Errorf("Has(%q) = %v", name, !want)
	}
}

func compareAll(t *testing.T, ix *Index[int, string], m model) {
	t.Helper()
	sum := 0
	for filter, n := range m.sizes() {
		sum += n
		if !ix.Has(filter) {
			t.Errorf("Has(%q) = false", filter)
		}
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
		var ix Index[string, int]
		first, second := ix.Set(filter, "c1", 1), ix.Set(filter, "c1", 2)
		if !first || second {
			t.Errorf("%q: added = %v, then %v", filter, first, second)
		}
		if got := ix.Match("a/b", nil); !slices.Equal(got, []int{2}) {
			t.Errorf("%q: match gives %v after the value was replaced", filter, got)
		}
		if _, ok := ix.Delete(filter, "c2"); ok {
			t.Errorf("%q: deleted for a key that is not there", filter)
		}
		if v, ok := ix.Delete(filter, "c1"); !ok || v != 2 {
			t.Errorf("%q: deleted %d, %v", filter, v, ok)
		}
	}
}

func TestMatchAppends(t *testing.T) {
	var ix Index[string, int]
	ix.Set("a/#", "c", 1)
	ix.Set("a", "c", 2)
	got := ix.Match("a", []int{9})
	slices.Sort(got[1:])
	if !slices.Equal(got, []int{9, 1, 2}) {
		t.Errorf("%v: want what was there, then one value for each filter", got)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var ix Index[subscriber, *client]
	c := new(client)
	for _, f := range []string{"a/b/c", "a/+/c", "#", "a/#", "+/+/+", "+/b/#", "a/b/+"} {
		ix.Set(f, c, c)
	}
	dst := make([]*client, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst = ix.Match("a/b/c", dst[:0]) }); n != 0 || len(dst) != 7 {
		t.Errorf("%d matches with %v allocations", len(dst), n)
	}
}

// TestCrowd lets many clients share a filter and leave in any order, and looks into the structure all the way.
func TestCrowd(t *testing.T) {
	const n = 2000
	var ix Index[int, int]
	for k := range n {
		ix.Set("news", k, k)
	}
	there := make(map[int]bool)
	for k := range n {
		there[k] = true
	}
	for _, k := range rand.New(rand.NewPCG(1, 2)).Perm(n)[:n-1] {
		if v, ok := ix.Delete("news", k); !ok || v != k {
			t.Fatalf("Delete(%d) = %d, %v", k, v, ok)
		}
		delete(there, k)
		s := ix.exact["news"]
		if s.more != nil {
			checkCrowd(t, s.more)
		}
		if len(there) != s.size() || (s.more == nil) != (len(there) == 1) {
			t.Fatalf("%d entries in a set of size %d", len(there), s.size())
		}
	}
	for _, v := range ix.Match("news", nil) {
		if !there[v] {
			t.Errorf("%d is still there", v)
		}
	}
}

func checkCrowd(t *testing.T, c *crowd[int, int]) {
	t.Helper()
	if len(c.keys) > crowdIndexed && len(c.pos) != len(c.keys) {
		t.Fatalf("%d keys, %d of them in the map", len(c.keys), len(c.pos))
	}
	if len(c.keys) > 1 && cap(c.keys) > 4*len(c.keys)+4 {
		t.Fatalf("%d keys hold on to memory for %d", len(c.keys), cap(c.keys))
	}
	for i, k := range c.keys {
		if c.vals[i] != k || c.find(k) != i {
			t.Fatalf("key %d at %d has value %d and is found at %d", k, i, c.vals[i], c.find(k))
		}
	}
}

func TestDeepTopics(t *testing.T) {
	deep := func(level string) string { return strings.Repeat(level+"/", 30000/len(level)) }
	name := deep("a") + "z"
	filters := []string{deep("a") + "#", deep("+") + "z", deep("+") + "#", name, deep("a") + "+", deep("a") + "y"}
	var ix Index[int, string]
	for _, f := range filters {
		ix.Set(f, 1, f)
	}
	got := ix.Match(name, nil)
	slices.Sort(got)
	want := slices.Sorted(slices.Values(filters[:5]))
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
	var ix Index[int, int]
	for bits := range 1 << depth {
		levels := make([]string, depth)
		for i := range levels {
			if levels[i] = "a"; bits>>i&1 == 1 {
				levels[i] = "+"
			}
		}
		ix.Set(strings.Join(levels, "/"), 1, bits)
	}
	name := strings.Repeat("a/", depth-1) + "a"
	if got := len(ix.Match(name, nil)); got != 1<<depth {
		t.Errorf("%d matches, want %d", got, 1<<depth)
	}
	if got := ix.Match(strings.Replace(name, "a", "b", depth-1), nil); len(got) != 2 {
		t.Errorf("matches %b, want two", got)
	}
}

// TestLongFilterIsNotPinned has a long filter create a node that a short one goes on using.
func TestLongFilterIsNotPinned(t *testing.T) {
	var ix Index[int, int]
	before := heap()
	for i := range 200 {
		long := fmt.Sprintf("%d/+/%s", i, strings.Repeat("x", 50_000))
		ix.Set(long, 1, 1)
		ix.Set(fmt.Sprintf("%d/#", i), 1, 1)
		ix.Delete(long, 1)
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("200 short filters hold %d bytes", grown)
	}
	runtime.KeepAlive(&ix)
}

func TestAllStopsAndAllowsChange(t *testing.T) {
	var ix Index[int, int]
	for i := range 1000 {
		ix.Set(fmt.Sprintf("a/%d", i), 1, 1)
		ix.Set(fmt.Sprintf("b/+/%d/x/#", i), 1, 1)
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
			ix.Set(rest+"/x/y/#", 1, 1) // moves the filter two levels down
			ix.Set("c/"+filter, 1, 1)
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
	ix.Set("after", 1, 1) // blocks for ever if a lock was left behind
}

// TestConcurrentUse has clients come and go while others publish. A filter that stays must be found by every match.
func TestConcurrentUse(t *testing.T) {
	var ix Index[int, string]
	ix.Set("room/+/temp", -1, "stays")
	ix.Set("room/7/temp", -1, "stays")
	var writers, readers sync.WaitGroup
	for k := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(k), 9))
			for range 2000 {
				f := randomTopic(r, []string{"room", "7", "temp"}, true)
				ix.Set(f, k, f)
				ix.Delete(randomTopic(r, []string{"room", "7", "temp"}, true), k)
			}
		})
	}
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			var dst []string
			for {
				select {
				case <-done:
					return
				default:
				}
				stays := 0
				dst = ix.Match("room/7/temp", dst[:0])
				for _, v := range dst {
					if v == "stays" {
						stays++
					} else if !Match(v, "room/7/temp") {
						t.Errorf("%q came for room/7/temp", v)
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

// TestMemory holds the index to its budget at sizes where Go's maps are just past doubling, the worst for them.
func TestMemory(t *testing.T) {
	atMost := func(what string, filters []string, limit float64) {
		t.Helper()
		if got := bytesPerFilter(filters); got > limit {
			t.Errorf("%s: %.1f bytes a filter, want %v at most", what, got, limit)
		}
	}
	atMost("half exact, half with wildcards", benchFilters(120_000), 120)
	var own []string
	for i := range 60_000 {
		own = append(own, fmt.Sprintf("site/+/line/%d/cmd/+/do/#", i))
	}
	atMost("wildcards after the client id", own, 140)
	atMost("one filter of 30,000 levels", []string{strings.Repeat("+/", 30_000) + "+"}, 4096)
}
