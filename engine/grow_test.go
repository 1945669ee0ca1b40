package engine

import "testing"

// TestGrowingAgain has a node fail to become a member when it has moved its files: it
// goes on there when it is asked again, with what it has kept.
func TestGrowingAgain(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(e *Engine) error{
		"before its server began": func(*Engine) error { return nil },
		"when nobody led":         func(e *Engine) error { return e.enter(e.soon) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := start(t, node(t, "a")), start(t, node(t, "b"))
			l := openLog(t, a, "l", LogOptions{Shards: 1})
			if err := appended(l, "t", "kept"); err != nil {
				t.Fatal(err)
			}
			if err := a.becomeMember(); err != nil {
				t.Fatal(err)
			}
			if err := fail(a); err != nil {
				t.Fatal(err)
			}
			if err := b.Join(within(t), a.o.Cluster.Door); err != nil {
				t.Fatal(err)
			}
			copied(t, a, b)
			for _, e := range []*Engine{a, b} {
				l := openLog(t, e, "l", LogOptions{Shards: 1})
				eventually(t, e.o.Node+" has what was kept", func() bool {
					entries, _, err := l.Read(within(t), 0, 1, nil, 10)
					return err == nil && len(entries) == 1 && string(entries[0].Record) == "kept"
				})
			}
			if err := appended(l, "t", "more"); err != nil {
				t.Error(err)
			}
		})
	}
}
