package auth

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"
)

func TestCacheIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Cache{}); n > 16 {
		t.Errorf("%d bytes for each connection", n)
	}
}

func TestCacheKeepsOrderAndSize(t *testing.T) {
	var c Cache
	topics := func(want ...string) {
		t.Helper()
		var got []string
		for _, e := range c.Entries() {
			got = append(got, e.Topic)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	put := func(topic string) { c.put(cached{topic: topic, at: 1}, 3) }
	topics()
	put("a")
	put("b")
	put("c")
	topics("a", "b", "c")
	put("a") // refreshed: moves to the end
	topics("b", "c", "a")
	put("d") // the oldest goes
	topics("c", "a", "d")
	c.Drain()
	topics()
}

func TestNilCacheKeepsNothing(t *testing.T) {
	var c *Cache
	c.put(cached{topic: "t", at: 1, allow: true}, 9)
	if _, ok := c.get(Publish, "t", 0); ok || c.Entries() != nil {
		t.Error("it does")
	}
	c.Drain()
}

func TestCacheTellsActionsApart(t *testing.T) {
	var c Cache
	c.put(cached{"t", 1, Publish, true}, 9)
	c.put(cached{"t", 1, Subscribe, false}, 9)
	if allow, ok := c.get(Publish, "t", 0); !allow || !ok {
		t.Error("publish", allow, ok)
	}
	if allow, ok := c.get(Subscribe, "t", 0); allow || !ok {
		t.Error("subscribe", allow, ok)
	}
	if _, ok := c.get(Publish, "T", 0); ok {
		t.Error("another topic")
	}
}

func TestCacheForgetsTheOld(t *testing.T) {
	var c Cache
	c.put(cached{"a", 10, Publish, true}, 9)
	c.put(cached{"b", 20, Publish, true}, 9)
	if _, ok := c.get(Publish, "a", 11); ok {
		t.Error("an answer that is too old was given")
	}
	if _, ok := c.get(Publish, "b", 20); !ok || len(c.Entries()) != 2 {
		t.Error("an answer that holds wasn't given")
	}
	c.get(Publish, "other", 21)
	if c.t != nil {
		t.Error("memory is held though even the newest is too old")
	}
}

func TestCacheOwnsItsTopics(t *testing.T) {
	buffer := []byte("t/1")
	var c Cache
	c.put(cached{unsafe.String(&buffer[0], 3), 1, Publish, true}, 9)
	copy(buffer, "xxx")
	if c.Entries()[0].Topic != "t/1" {
		t.Error(c.Entries())
	}
}

// TestCacheAgainstAList compares it with a list that is looked through.
func TestCacheAgainstAList(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var c Cache
		var list []cached
		size := 1 + rnd.IntN(8)
		for now := time.Duration(1); now < 300; now++ {
			e := cached{fmt.Sprint("t", rnd.IntN(12)), now, rnd.IntN(2) == 0, rnd.IntN(2) == 0}
			same := func(o cached) bool { return o.topic == e.topic && o.action == e.action }
			if rnd.IntN(2) == 0 {
				c.put(e, size)
				list = append(slices.DeleteFunc(list, same), e)
				list = list[max(0, len(list)-size):]
				continue
			}
			since := now - time.Duration(rnd.IntN(20))
			i := slices.IndexFunc(list, same)
			wantOK := i >= 0 && list[i].at >= since
			allow, ok := c.get(e.action, e.topic, since)
			if ok != wantOK || ok && allow != list[i].allow {
				t.Fatalf("seed %d: %v %v", seed, allow, ok)
			}
			if len(list) > 0 && list[len(list)-1].at < since {
				list = nil
			}
		}
	}
}

func TestCacheFromManyGoroutines(t *testing.T) {
	var c Cache
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 500 {
				topic := fmt.Sprint(n % 7)
				c.put(cached{topic, time.Duration(n), Publish, true}, 4)
				if allow, ok := c.get(Publish, topic, 0); ok && !allow {
					t.Error("nobody said so")
				}
				if i == 0 && n%50 == 0 {
					c.Drain()
				}
				c.Entries()
			}
		})
	}
	wg.Wait()
}
