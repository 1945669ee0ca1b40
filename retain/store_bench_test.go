package retain

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// site is the topic of scenario 9: a million devices at so many sites.
func site(sites, i int) string {
	return "site/" + strconv.Itoa(i%sites) + "/dev/" + strconv.Itoa(i/sites) + "/state"
}

// sitesStore is a store with n messages of 64 bytes, put in random order.
func sitesStore(tb testing.TB, sites, n int) *Store {
	s := New(Config{})
	m := mqtt.Message{Payload: make([]byte, 64), From: "publisher-7", Retain: true, QoS: 1, Timestamp: 1_800_000_000_000}
	for _, i := range rand.Perm(n) {
		m.Topic = site(sites, i)
		m.Timestamp++
		if err := s.Put(&m, 0); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkNeedle looks for one device at every site. Put in random order,
// every record lies in another cache line and page.
func BenchmarkNeedle(b *testing.B) {
	for _, sites := range []int{10, 100, 1000} {
		s := sitesStore(b, sites, 1_000_000)
		b.Run(fmt.Sprint(sites, " sites"), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if n := drain(s.Find(fmt.Sprintf("site/+/dev/%d/state", i%1000))); n != sites {
					b.Fatal(n, "found")
				}
			}
		})
	}
}

func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		s := sitesStore(b, 1000, n)
		b.ReportMetric(float64(heap()-before)/n, "B/message")
		runtime.KeepAlive(s)
	}
}

func BenchmarkStore(b *testing.B) {
	const n = 1_000_000
	s := sitesStore(b, 1000, n)
	topics := make([]string, 1<<16)
	for i := range topics {
		topics[i] = site(1000, rand.IntN(n))
	}
	m := mqtt.Message{Payload: make([]byte, 64), From: "publisher-7", Timestamp: 1_800_000_000_000}
	b.Run("replace", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Topic = topics[i%len(topics)]
			_ = s.Put(&m, 0)
		}
	})
	b.Run("delete and put", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Topic = topics[i%len(topics)]
			s.Delete(m.Topic)
			_ = s.Put(&m, 0)
		}
	})
	find := func(name string, filter func(i int) string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			found := 0
			for i := 0; b.Loop(); i++ {
				found += drain(s.Find(filter(i)))
			}
			b.ReportMetric(float64(found)/float64(b.N), "messages/op")
		})
	}
	find("exact", func(i int) string { return topics[i%len(topics)] })
	find("none", func(int) string { return "nothing/+/here" })
	find("site", func(i int) string { return fmt.Sprintf("site/%d/#", i%1000) })
	find("everything", func(int) string { return "#" })
}

func drain(c *Cursor) (n int) {
	if c == nil {
		return 0
	}
	for {
		m, more := c.Next(0)
		if m != nil {
			n++
		} else if !more {
			return n
		}
	}
}
