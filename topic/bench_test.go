package topic

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// entry is what the tests put in: the subscription of client who.
type entry struct {
	filter string
	who    int
	note   string
}

func (e *entry) Bare() string { return e.filter }
func (e *entry) Key() int     { return e.who }

// benchFilters makes n filters as in scenario 8 of the benchmarks: one half exact, the other a/+/x/N/#.
func benchFilters(n int) (filters []string) {
	for i := range n {
		if i%2 == 0 {
			filters = append(filters, benchName(i))
		} else {
			filters = append(filters, fmt.Sprintf("a/+/x/%d/#", i))
		}
	}
	return filters
}

// benchName returns a name that filter i of benchFilters matches, and no other.
func benchName(i int) string {
	if i%2 == 0 {
		return fmt.Sprintf("site/%d/dev/%d/state", i%1000, i)
	}
	return fmt.Sprintf("a/room/x/%d/temp", i)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func entries(filters []string) (all []*entry) {
	for _, f := range filters {
		all = append(all, &entry{filter: f})
	}
	return all
}

func fill(ix *Index[int, *entry], all []*entry) {
	for _, e := range all {
		ix.Set(e)
	}
}

// bytesPerFilter measures the heap an index needs, not counting the entries themselves.
func bytesPerFilter(filters []string) float64 {
	all := entries(filters)
	before := heap()
	ix := new(Index[int, *entry])
	fill(ix, all)
	used := heap() - before
	runtime.KeepAlive(ix)
	runtime.KeepAlive(all)
	return float64(used) / float64(len(filters))
}

// BenchmarkMemoryShapes shows what filters of other shapes take, all with a client id in them.
func BenchmarkMemoryShapes(b *testing.B) {
	for _, shape := range []string{"dev/%d", "dev/%d/#", "dev/%d/cmd/+", "+/%d/+/state", "site/+/line/%d/cmd/+/do/#"} {
		b.Run(shape, func(b *testing.B) {
			filters := make([]string, 300_000)
			for i := range filters {
				filters[i] = fmt.Sprintf(shape, i)
			}
			for b.Loop() {
				b.ReportMetric(bytesPerFilter(filters), "B/filter")
			}
		})
	}
}

func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			filters := benchFilters(n)
			for b.Loop() {
				b.ReportMetric(bytesPerFilter(filters), "B/filter")
			}
		})
	}
}

// BenchmarkMatch looks up each topic once and in any order, so that the index is as cold as it would be in life. The
// names lie in memory in the order of their use: a name that has just come from a socket is in the cache.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		ix := new(Index[int, *entry])
		fill(ix, entries(benchFilters(n)))
		for odd, kind := range []string{"exact", "wildcard"} {
			names := make([]string, n/2)
			for at, i := range rand.Perm(n / 2) {
				names[at] = benchName(2*i + odd)
			}
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				b.ReportAllocs()
				dst := make([]*entry, 0, 8)
				for i := 0; b.Loop(); i++ {
					if dst = ix.Match(names[i%len(names)], dst[:0]); len(dst) != 1 {
						b.Fatal(len(dst), " matches")
					}
				}
			})
		}
	}
}

func BenchmarkMatchNothingElse(b *testing.B) {
	ix := new(Index[int, *entry])
	ix.Set(&entry{filter: "sensor/7/temp"})
	dst := make([]*entry, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		dst = ix.Match("sensor/7/temp", dst[:0])
	}
}

func BenchmarkMatchCrowd(b *testing.B) {
	ix := new(Index[int, *entry])
	for who := range 1000 {
		ix.Set(&entry{filter: "news/#", who: who})
	}
	dst := make([]*entry, 0, 1000)
	b.ReportAllocs()
	for b.Loop() {
		dst = ix.Match("news/today", dst[:0])
	}
}

func BenchmarkMatchParallel(b *testing.B) {
	ix := new(Index[int, *entry])
	fill(ix, entries(benchFilters(10_000)))
	names := make([]string, 10_000)
	for i := range names {
		names[i] = benchName(i)
	}
	b.RunParallel(func(pb *testing.PB) {
		dst := make([]*entry, 0, 8)
		for i := 0; pb.Next(); i++ {
			dst = ix.Match(names[i%len(names)], dst[:0])
		}
	})
}

func BenchmarkSetDelete(b *testing.B) {
	all := entries(benchFilters(100_000))
	ix := new(Index[int, *entry])
	fill(ix, all)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		e := all[i%len(all)]
		ix.Delete(e.filter, e.who)
		ix.Set(e)
		i++
	}
}

// BenchmarkLeave lets all subscribers of one filter go; the time for each must not depend on how many they are.
func BenchmarkLeave(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := make([]*entry, n)
			for who := range all {
				all[who] = &entry{filter: "news", who: who}
			}
			for b.Loop() {
				ix := new(Index[int, *entry])
				fill(ix, all)
				for who := range all {
					ix.Delete("news", who)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/subscriber")
		})
	}
}
