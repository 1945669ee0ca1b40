package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// holders are the numbers of the nodes that have a copy of the log, and of those
// that don't.
func holders(nodes []*child) (with, without []int) {
	for i, c := range nodes {
		if _, err := os.Stat(filepath.Join(c.o.Dir, clusterDir, storeDir, accountDir, "streams", logPrefix+"l_0")); err == nil {
			with = append(with, i+1)
		} else {
			without = append(without, i+1)
		}
	}
	return with, without
}

// part cuts two groups of nodes off each other.
func (s *net3) part(a, b []int) {
	s.t.Helper()
	for _, i := range a {
		for _, k := range b {
			s.deafen(i, k)
			s.deafen(k, i)
		}
	}
}

// slow makes what reaches a node slow: a part of it is lost, and more than a
// rate is too.
func (s *net3) slow(i int) {
	s.t.Helper()
	for _, rule := range []string{
		"add rule inet cut in numgen random mod 100 < 3 drop",
		"add rule inet cut in limit rate over 256 kbytes/second burst 64 kbytes drop",
	} {
		if err := run("ip", "netns", "exec", s.name(i), "nft", rule); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestFive has five nodes, of which three have copies: parted two and three, one
// that is deaf, one behind a connection that comes and goes, and one behind a
// slow one. Nothing that was acknowledged is lost.
func TestFive(t *testing.T) {
	t.Parallel()
	s := namespaces(t, 5)
	nodes := s.cluster()
	nodes[0].tries("copied 2")
	with, without := holders(nodes)
	if len(with) != 3 || len(without) != 2 {
		t.Fatalf("the log is on %v and not on %v", with, without)
	}
	at := func(i int) *child { return nodes[i-1] }
	phase := func(what string, trouble func()) {
		t.Helper()
		began := time.Now()
		at(with[0]).load()
		at(without[0]).load()
		trouble()
		s.heal()
		for _, i := range []int{with[0], without[0]} {
			at(i).tries(fmt.Sprintf("append after-%d %d", i, began.UnixNano()))
			at(i).does("stop")
		}
		t.Logf("%s: over after %v", what, time.Since(began))
	}
	phase("two and three, two copies with the three", func() {
		s.part([]int{with[0], without[0]}, []int{with[1], with[2], without[1]})
		for _, i := range []int{with[1], without[1]} {
			at(i).tries("append of-three " + fmt.Sprint(i))
		}
		at(with[0]).refuses()
		at(without[0]).refuses()
	})
	phase("two and three, two copies with the two", func() {
		s.part([]int{with[0], with[1]}, []int{with[2], without[0], without[1]})
		at(with[0]).refuses()
		at(with[1]).refuses()
	})
	phase("one is deaf", func() {
		s.deafen(with[0], with[1], with[2], without[0], without[1])
		at(with[1]).tries("append deaf 1")
	})
	phase("one comes and goes", func() {
		for range 6 {
			s.split(with[rand.IntN(3)])
			time.Sleep(time.Duration(rand.IntN(2500)) * time.Millisecond)
			s.heal()
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		}
	})
	phase("one is slow", func() {
		s.slow(with[0])
		for i := 1; i <= 5; i++ {
			at(with[1]).tries(fmt.Sprint("append slow ", i))
		}
		time.Sleep(3 * time.Second)
	})
	sound(t, nodes...)
}
