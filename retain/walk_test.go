package retain

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/topic"
)

// seen returns the topics that a walk visits, in its order, a few at a time,
// and the work that it took.
func seen(tr *tree, f string) (topics []string, work int) {
	for w := newWalk(topicFilter(f)); !w.over; {
		work += w.some(tr, 3, func(r record) bool {
			topics = append(topics, r.topic())
			return len(topics)%2 == 0
		})
	}
	return topics, work
}

func treeOf(topics ...string) *tree {
	tr := new(tree)
	for _, topic := range topics {
		tr.put(newRecord(message(topic, "x"), 0))
	}
	return tr
}

func TestWalk(t *testing.T) {
	tr := treeOf("a", "a/b", "a/b/c", "a-b", "a/", "a//", "/", "/a", "b", "b/b", "$SYS", "$SYS/a", "$SYS/a/b", "a/$b", "a\x01", "é/b")
	row := func(filter string, want ...string) {
		t.Helper()
		if got, _ := seen(tr, filter); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
	row("a", "a")
	row("c")
	row("a/b/c", "a/b/c")
	row("a/#", "a", "a/", "a//", "a/$b", "a/b", "a/b/c") // the parent too
	row("a/b/#", "a/b", "a/b/c")
	row("a/c/#")
	row("+", "a", "a\x01", "a-b", "b") // no $ [MQTT-4.7.2-1]
	row("+/b", "a/b", "b/b", "é/b")
	row("+/+", "/", "/a", "a/", "a/$b", "a/b", "b/b", "é/b")
	row("+/+/#", "/", "/a", "a/", "a//", "a/$b", "a/b", "a/b/c", "b/b", "é/b")
	row("/+", "/", "/a")
	row("/#", "/", "/a")
	row("a/+", "a/", "a/$b", "a/b")
	row("a/+/#", "a/", "a//", "a/$b", "a/b", "a/b/c")
	row("a/+/c", "a/b/c")
	row("+/+/c", "a/b/c")
	row("$SYS", "$SYS")
	row("$SYS/#", "$SYS", "$SYS/a", "$SYS/a/b")
	row("$SYS/+", "$SYS/a")
	row("$SYS/+/b", "$SYS/a/b")
	row("#", "/", "/a", "a", "a/", "a//", "a/$b", "a/b", "a/b/c", "a\x01", "a-b", "b", "b/b", "é/b")
}

func randomFilter(r *rand.Rand, words []string) string {
	levels := strings.Split(randomTopic(r, words), "/")
	for i := range levels {
		if r.IntN(3) == 0 {
			levels[i] = "+"
		}
	}
	if r.IntN(3) == 0 {
		levels[len(levels)-1] = "#"
	}
	if s := strings.Join(levels, "/"); s != "" {
		return s
	}
	return "#"
}

// TestWalkAgainstMatch compares walks with a look at every topic.
func TestWalkAgainstMatch(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		words := words(int(seed) * 3)
		all := map[string]bool{}
		for range 50 * (seed + 1) {
			all[randomTopic(r, words)] = true
		}
		tr := treeOf(slices.Collect(maps.Keys(all))...)
		for range 300 {
			filter := randomFilter(r, words)
			var want []string
			for name := range all {
				if topic.Match(filter, name) {
					want = append(want, name)
				}
			}
			slices.SortFunc(want, slowCompare)
			if got, _ := seen(tr, filter); !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s: got %q, want %q", seed, filter, got, want)
			}
		}
	}
}

// TestWalkSkips: the work goes with what the filter leaves open, not with what
// is stored.
func TestWalkSkips(t *testing.T) {
	tr := new(tree)
	for site := range 50 {
		for dev := range 400 {
			for _, what := range []string{"state", "temp"} {
				tr.put(newRecord(message(fmt.Sprintf("site/%d/dev/%d/%s", site, dev, what), "x"), 0))
			}
		}
	}
	row := func(filter string, matches, most int) {
		t.Helper()
		if got, work := seen(tr, filter); len(got) != matches || work > most {
			t.Errorf("%s: %d matches with %d looks, want %d with %d at most", filter, len(got), work, matches, most)
		}
	}
	row("site/7/dev/7/state", 1, 2)
	row("site/7/dev/7/#", 2, 3)
	row("site/7/dev/+/state", 400, 3*400)
	row("site/+/dev/7/state", 50, 3*50+2)
	row("site/+/dev/7/#", 100, 4*50+2)
	row("+/7/+/7/+", 2, 10)
	row("site/+/dev/nil/state", 0, 2*50+2)
	row("other/#", 0, 1)
	row("+/+/+/+/+/+", 0, 50*400*2+1)
	row("+/other/#", 0, 3)
	row("site/#", 40_000, 40_001)
}

// TestWalkDeep: a topic of 65536 levels is no burden.
func TestWalkDeep(t *testing.T) {
	deep := strings.Repeat("/", topic.MaxLength)
	tr := treeOf(deep, "a")
	row := func(filter string, want ...string) {
		t.Helper()
		if got, _ := seen(tr, filter); !slices.Equal(got, want) {
			t.Errorf("%.20s: %d matches, want %d", filter, len(got), len(want))
		}
	}
	row("#", deep, "a")
	row("+/#", deep, "a")
	row(strings.Repeat("+/", topic.MaxLength/2)+"#", deep)
	row(strings.Repeat("+/", topic.MaxLength/2) + "b")
	row(deep, deep)
	if _, work := seen(tr, "#"); work < topic.MaxLength/topicUnit {
		t.Errorf("looking at a long topic counts as %d", work)
	}
}

// FuzzWalk compares a walk over any topics with a look at each.
func FuzzWalk(f *testing.F) {
	f.Fuzz(func(t *testing.T, filter, list string) {
		if topic.ValidFilter(filter) != nil {
			return
		}
		tr, want := new(tree), []string(nil)
		for _, name := range strings.Split(list, "\n") {
			if topic.ValidName(name) == nil && tr.put(newRecord(message(name, "x"), 0)) == "" && topic.Match(filter, name) {
				want = append(want, name)
			}
		}
		if err := tr.verify(); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(want, slowCompare)
		if got, _ := seen(tr, filter); !slices.Equal(got, want) {
			t.Errorf("%q over %q: got %q, want %q", filter, list, got, want)
		}
	})
}
