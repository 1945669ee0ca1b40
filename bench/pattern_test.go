package bench

import (
	"testing"

	"github.com/dunlin-mq/dunlin/topic"
)

// TestCopies compares what a plan promises with what its filters match.
func TestCopies(t *testing.T) {
	for _, line := range []string{
		"roundtrip --publishers 4 --subscribers 4",
		"roundtrip --publishers 3 --subscribers 10 --topics 4",
		"roundtrip --publishers 3 --subscribers 2 --topics 4 --spread",
		"roundtrip --publishers 2 --subscribers 7 --filter all",
		"roundtrip --publishers 2 --subscribers 7 --filter all --slow 2",
		"roundtrip --publishers 2 --subscribers 7 --topics 3 --filter plus",
		"roundtrip --publishers 2 --subscribers 5 --filter mixed --filters 20",
		"roundtrip --publishers 2 --subscribers 0",
	} {
		o := parsed(t, line)
		p := verbs[o.verb].plan(o)
		for n := range uint64(200) {
			c := &client{number: p.subscribers + int(n)%p.publishers}
			name, copies := p.topic(c, n)
			if got := matching(t, p, name); got != copies {
				t.Fatalf("%s: %d subscribers match %s, the plan says %d", line, got, name, copies)
			}
			if p.single && copies > 1 {
				t.Fatalf("%s: %s has %d copies, the plan says one at most", line, name, copies)
			}
		}
	}
}

// matching counts the subscribers, the slow ones apart, whose filters match.
func matching(t *testing.T, p *plan, name string) (n int) {
	t.Helper()
	for i := range p.subscribers - p.slow {
		c := &client{number: i}
		for k := range p.filters {
			if filter := p.filter(c, k); topic.Match(filter, name) {
				n++
			}
		}
	}
	return n
}

func TestPatternsOfOneSide(t *testing.T) {
	o := parsed(t, "pub -t t/%i/%c -c 2 -n 10 --prefix p")
	p := verbs["pub"].plan(o)
	c := &client{number: 1, id: clientID(o, publisher, 11)}
	for range 2 { // the second one is remembered
		if got, _ := p.topic(c, 0); got != "t/11/p-pub-11" {
			t.Errorf("pub: topic %s", got)
		}
	}
	o = parsed(t, "sub -t t/%i -c 3 -n 5")
	p = verbs["sub"].plan(o)
	if got := p.filter(&client{number: 2}, 0); got != "t/7" || p.subscribers != 3 || p.publishers != 0 {
		t.Errorf("sub: filter %s, %d subscribers", got, p.subscribers)
	}
	if p = verbs["conn"].plan(parsed(t, "conn -c 9")); p.idle != 9 || p.idleFilter != nil {
		t.Errorf("conn: %d idle clients", p.idle)
	}
}
