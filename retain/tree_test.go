package retain

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// verify checks what must hold for every node, whatever was put and removed.
func (t *tree) verify() error {
	if t.root == nil {
		if t.n != 0 {
			return fmt.Errorf("%d records, but no root", t.n)
		}
		return nil
	}
	records, _, err := t.root.verify("", "")
	if err == nil && records != t.n {
		err = fmt.Errorf("%d records in the leaves, %d counted", records, t.n)
	}
	return err
}

// verify returns how many records and levels of nodes there are from n down;
// all topics must lie at or after low and, unless high is empty, before it.
func (n *node) verify(low, high string) (records, depth int, err error) {
	if n.n < 1 || n.n > fan || n.kids != nil && n.n == 1 && low == "" && high == "" {
		return 0, 0, fmt.Errorf("a node has %d records", n.n)
	}
	for i, r := range n.recs {
		if i >= n.n && r != "" || i >= n.n && n.kids != nil && n.kids[i] != nil {
			return 0, 0, fmt.Errorf("something is left behind the end of a node")
		}
		if i >= n.n {
			continue
		}
		topic := r.topic()
		switch {
		case n.heads[i] != head(topic, n.skip):
			err = fmt.Errorf("the head of %q is wrong", topic)
		case i > 0 && (slowCompare(n.recs[i-1].topic(), topic) >= 0 || n.heads[i-1] > n.heads[i]):
			err = fmt.Errorf("%q comes before %q", n.recs[i-1].topic(), topic)
		case len(topic) < n.skip || topic[:n.skip] != n.recs[0].topic()[:n.skip]:
			err = fmt.Errorf("%q doesn't begin like %q", topic, n.recs[0].topic())
		case n.kids == nil && (slowCompare(topic, low) < 0 || high != "" && slowCompare(topic, high) >= 0):
			err = fmt.Errorf("%q isn't between %q and %q", topic, low, high)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if n.kids == nil {
		return n.n, 1, nil
	}
	for i, kid := range n.kids[:n.n] {
		kidLow, kidHigh := low, high
		if i > 0 {
			kidLow = n.recs[i].topic()
		}
		if i+1 < n.n {
			kidHigh = n.recs[i+1].topic()
		}
		inKid, below, err := kid.verify(kidLow, kidHigh)
		if err != nil {
			return 0, 0, err
		}
		if i > 0 && below+1 != depth {
			return 0, 0, fmt.Errorf("leaves at different depths")
		}
		records, depth = records+inKid, below+1
	}
	return records, depth, nil
}

// slowCompare is the order of topics in the plainest way.
func slowCompare(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

func message(topic, payload string) *mqtt.Message {
	return &mqtt.Message{Topic: topic, Payload: []byte(payload), Retain: true, Timestamp: 1}
}

// randomTopic has few words, so that topics meet, some of them long, so that
// heads do.
func randomTopic(r *rand.Rand, words []string) string {
	levels := make([]string, 1+r.IntN(5))
	for i := range levels {
		levels[i] = words[r.IntN(len(words))]
	}
	if s := strings.Join(levels, "/"); s != "" {
		return s
	}
	return "/"
}

func words(n int) []string {
	words := []string{"", "a", "b", "ab", "a-b", "a b", "a\x01", "$SYS", "temperature", "temperatures", "temperature-1", "é", "\U0010ffff"}
	for i := range n {
		words = append(words, fmt.Sprint(i))
	}
	return words
}

// TestTreeAgainstMap grows and shrinks a tree, so that nodes split and join in
// every way, and compares it with a map.
func TestTreeAgainstMap(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		words := words(int(seed) * 10)
		var tr tree
		model := map[string]record{}
		for step := range 20_000 {
			topic := randomTopic(r, words)
			grow := 3 + 4*(step/4000%2) // of 10
			if r.IntN(10) < grow {
				rec := newRecord(message(topic, fmt.Sprint(step)), 0)
				if old := tr.put(rec); old != model[topic] {
					t.Fatalf("seed %d: put %q: old is %q, want %q", seed, topic, old, model[topic])
				}
				model[topic] = rec
			} else {
				if old := tr.remove([]byte(topic)); old != model[topic] {
					t.Fatalf("seed %d: remove %q: old is %q, want %q", seed, topic, old, model[topic])
				}
				delete(model, topic)
			}
			if step%2000 == 1999 {
				compareWithMap(t, &tr, model)
			}
		}
		for topic := range model {
			tr.remove([]byte(topic))
		}
		if tr != (tree{}) {
			t.Errorf("seed %d: the tree is not empty when all is removed: %+v", seed, tr)
		}
	}
}

func compareWithMap(t *testing.T, tr *tree, model map[string]record) {
	t.Helper()
	if err := tr.verify(); err != nil {
		t.Fatal(err)
	}
	want := make([]string, 0, len(model))
	for topic, r := range model {
		if got := tr.get([]byte(topic)); got != r {
			t.Fatalf("get %q: %q, want %q", topic, got, r)
		}
		if got := tr.get([]byte(topic + "\x01")); got != model[topic+"\x01"] {
			t.Fatalf("get %q found %q", topic+"\x01", got)
		}
		want = append(want, topic)
	}
	slices.SortFunc(want, slowCompare)
	if got := everyTopic(tr); !slices.Equal(got, want) {
		t.Fatalf("the tree has %q, want %q", got, want)
	}
}

func everyTopic(tr *tree) []string {
	all := []string{}
	w := newWalk(everything)
	for !w.over {
		w.some(tr, 7, func(r record) bool {
			all = append(all, r.topic())
			return len(all)%3 > 0
		})
	}
	return all
}

// TestTreeInOrder: topics that come in order fill the nodes; taken out in
// order they leave few behind.
func TestTreeInOrder(t *testing.T) {
	const n = 20_000
	var up, down tree
	for i := range n {
		up.put(newRecord(message(fmt.Sprintf("a/%08d/b", i), "x"), 0))
		down.put(newRecord(message(fmt.Sprintf("a/%08d/b", n-i), "x"), 0))
	}
	if leaves := leaves(up.root); leaves > n/fan*11/10 {
		t.Errorf("%d topics in order take %d leaves", n, leaves)
	}
	for i := range n * 9 / 10 {
		up.remove([]byte(fmt.Sprintf("a/%08d/b", i)))
		if i%10 > 0 {
			down.remove([]byte(fmt.Sprintf("a/%08d/b", i)))
		}
	}
	for _, tr := range []*tree{&up, &down} {
		if err := tr.verify(); err != nil {
			t.Error(err)
		}
		if leaves := leaves(tr.root); leaves > tr.n/sparse {
			t.Errorf("%d topics are left in %d leaves", tr.n, leaves)
		}
	}
}

func leaves(n *node) (count int) {
	if n.kids == nil {
		return 1
	}
	for _, kid := range n.kids[:n.n] {
		count += leaves(kid)
	}
	return count
}

// TestTreeOfClosest: all topics that a few bytes allow, so that each is next to
// its neighbours in the order.
func TestTreeOfClosest(t *testing.T) {
	var topics []string
	var grow func(s string)
	grow = func(s string) {
		if s != "" {
			topics = append(topics, s)
		}
		if len(s) < 5 {
			for _, c := range "\x01./0" {
				grow(s + string(c))
			}
		}
	}
	grow("")
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(topics), func(i, j int) { topics[i], topics[j] = topics[j], topics[i] })
	var tr tree
	model := map[string]record{}
	for _, prefix := range []string{"", "a/long/beginning/of/them/all/"} {
		for _, topic := range topics {
			r := newRecord(message(prefix+topic, "x"), 0)
			tr.put(r)
			model[prefix+topic] = r
		}
	}
	compareWithMap(t, &tr, model)
}

func TestCompare(t *testing.T) {
	topics := []string{"", "/", "//", "/a", "\x01", "a", "a/", "a/\x01", "a/b", "a\x01", "a!", "a0", "a0/", "aaaaaaaaa", "aaaaaaaa/", "aaaaaaaa"}
	for _, a := range topics {
		for _, b := range topics {
			order, at := compare([]byte(a), b)
			if want := slowCompare(a, b); cmp.Compare(order, 0) != want {
				t.Errorf("compare(%q, %q) = %d, want %d", a, b, order, want)
			}
			if a[:at] != b[:at] || at < len(a) && at < len(b) && a[at] == b[at] {
				t.Errorf("compare(%q, %q): they don't part at %d", a, b, at)
			}
			for skip := range at + 1 {
				if order <= 0 && head(a, skip) > head(b, skip) {
					t.Errorf("the head of %q from %d is greater than that of %q", a, skip, b)
				}
			}
		}
	}
}
