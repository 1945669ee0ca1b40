package topic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// word is a value of the tables tested: found by text, told apart by its address.
type word struct{ text string }

func wordText(w *word) string { return w.text }

// check looks at every page: the number of values, their place, and that no page holds on to too much memory.
func (t *Table[V]) check() error {
	n := 0
	for i := range t.pages {
		p := &t.pages[i]
		n += len(p.vals)
		if cap(p.vals) > 2*len(p.vals)+2 {
			return fmt.Errorf("page %d has memory for %d values and only %d", i, cap(p.vals), len(p.vals))
		}
		for _, v := range p.vals {
			if at, _ := t.find(t.hash(v)); at != p {
				return fmt.Errorf("%q is on page %d, where it is not looked for", t.key(v), i)
			}
		}
	}
	if n != t.n || n > 0 && (n > len(t.pages)*pageMean || n < (len(t.pages)-1)*pageMean/2) || n == 0 && t.pages != nil {
		return fmt.Errorf("%d values on %d pages, counted as %d", n, len(t.pages), t.n)
	}
	return nil
}

// TestTableAgainstMap lets a table grow and shrink, both past many splits and merges, and checks it all the way.
func TestTableAgainstMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	table, want := NewTable(wordText), map[string]*word{}
	for step := range 40_000 {
		w := &word{fmt.Sprint(r.IntN(3000))}
		if grow := step/5000%2 == 0; grow == (r.IntN(8) > 0) {
			old, replaced := table.Put(w)
			if had := want[w.text]; old != had || replaced != (had != nil) {
				t.Fatalf("step %d: Put(%q) replaced %v, want %v", step, w.text, old, had)
			}
			want[w.text] = w
		} else {
			old, ok := table.Delete(w.text)
			if had := want[w.text]; old != had || ok != (had != nil) {
				t.Fatalf("step %d: Delete(%q) = %v, want %v", step, w.text, old, had)
			}
			delete(want, w.text)
		}
		if step%100 == 0 {
			compareTable(t, table, want)
		}
	}
	for text := range want {
		table.Delete(text)
	}
	compareTable(t, table, nil)
}

func compareTable(t *testing.T, table *Table[*word], want map[string]*word) {
	t.Helper()
	if err := table.check(); err != nil || table.Len() != len(want) {
		t.Fatalf("%d values, want %d: %v", table.Len(), len(want), err)
	}
	for text, w := range want {
		if got, ok := table.Get(text); !ok || got != w {
			t.Fatalf("Get(%q) = %v, %v", text, got, ok)
		}
	}
	n := 0
	for w := range table.All {
		if n++; want[w.text] != w {
			t.Fatalf("All gives %q, which is not there", w.text)
		}
	}
	if n != len(want) {
		t.Fatalf("All gives %d values, want %d", n, len(want))
	}
	if _, ok := table.Get("none"); ok {
		t.Fatal("a value that was never there is found")
	}
}

// TestTableAllDuringChange grows a table, and then shrinks it, under a loop over it.
func TestTableAllDuringChange(t *testing.T) {
	const n = 2000
	table := NewTable(wordText)
	for i := range n {
		table.Put(&word{fmt.Sprint("stays ", i)})
	}
	change := func(change func(i int)) {
		t.Helper()
		seen, i := map[string]int{}, 0
		for w := range table.All {
			seen[w.text]++
			for range 10 {
				if i < 10*n { // All goes on to what is added ahead of it
					change(i)
					i++
				}
			}
		}
		for i := range n {
			if got := seen[fmt.Sprint("stays ", i)]; got != 1 {
				t.Errorf("value %d came %d times", i, got)
			}
		}
	}
	change(func(i int) { table.Put(&word{fmt.Sprint("comes ", i)}) })
	change(func(i int) { table.Delete(fmt.Sprint("comes ", i)) })
	for w := range table.All {
		table.Delete(w.text)
	}
	if table.Len() != 0 {
		t.Errorf("%d values are left after the loop has removed each", table.Len())
	}
}

// TestTableFullPage puts more values on one page than it has tags for.
func TestTableFullPage(t *testing.T) {
	table := NewTable(wordText)
	table.pages = make([]page[*word], 1)
	var texts []string
	for i := range 2 * pageTags {
		w := &word{fmt.Sprint(i)}
		table.pages[0].add(hash(w.text), w)
		texts = append(texts, w.text)
	}
	table.n = len(texts)
	for _, text := range texts {
		if _, ok := table.Get(text); !ok {
			t.Errorf("%q is not found", text)
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	for i, text := range texts {
		if _, ok := table.Delete(text); !ok || table.Len() != len(texts)-i-1 {
			t.Errorf("%q is not found, or not removed", text)
		}
	}
	if err := table.check(); err != nil {
		t.Error(err)
	}
}

func TestNilTable(t *testing.T) {
	var table *Table[*word]
	if table.Len() != 0 || len(slices.Collect(table.All)) != 0 {
		t.Error("a nil table is not empty")
	}
}

// BenchmarkTable compares the table with the map that it stands for.
func BenchmarkTable(b *testing.B) {
	words := make([]*word, 10_000)
	for i := range words {
		words[i] = &word{fmt.Sprint("site/7/dev/", i)}
	}
	b.Run("table", func(b *testing.B) {
		table := NewTable(wordText)
		for _, w := range words {
			table.Put(w)
		}
		for i := 0; b.Loop(); i++ {
			table.Get(words[i%len(words)].text)
		}
	})
	b.Run("map", func(b *testing.B) {
		table := map[string]*word{}
		for _, w := range words {
			table[w.text] = w
		}
		for i := 0; b.Loop(); i++ {
			_ = table[words[i%len(words)].text]
		}
	})
}
