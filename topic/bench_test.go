package topic

import (
	"fmt"
	"runtime"
	"testing"
)

// subscriber stands for what the broker puts in: keys are interface values, values are pointers.
type subscriber interface{ ID() string }

type client string

func (c *client) ID() string { return string(*c) }

// benchFilters makes n filters as in scenario 8 of the benchmarks: one half exact, the other a/+/x/N/#. Topic i matches
// filter i and no other.
func benchFilters(n int) (filters, names []string) {
	for i := range n {
		if i%2 == 0 {
			filters = append(filters, fmt.Sprintf("site/%d/dev/%d/state", i%1000, i))
			names = append(names, filters[i])
		} else {
			filters = append(filters, fmt.Sprintf("a/+/x/%d/#", i))
			names = append(names, fmt.Sprintf("a/room/x/%d/temp", i))
		}
	}
	return filters, names
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func fill(ix *Index[subscriber, *client], filters []string) *client {
	c := new(client)
	for _, f := range filters {
		ix.Set(f, c, c)
	}
	return c
}

// bytesPerFilter measures the heap an index needs, not counting the filters' own text.
func bytesPerFilter(filters []string) float64 {
	before := heap()
	ix := new(Index[subscriber, *client])
	fill(ix, filters)
	used := heap() - before
	runtime.KeepAlive(ix)
	runtime.KeepAlive(filters)
	return float64(used) / float64(len(filters))
}

func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			filters, _ := benchFilters(n)
			for b.Loop() {
				b.ReportMetric(bytesPerFilter(filters), "B/filter")
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		filters, names := benchFilters(n)
		ix := new(Index[subscriber, *client])
		fill(ix, filters)
		for _, kind := range []struct {
			name string
			odd  int
		}{{"exact", 0}, {"wildcard", 1}} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				b.ReportAllocs()
				dst, i := make([]*client, 0, 8), uint32(0)
				for b.Loop() {
					i = i*1664525 + 1013904223 // any order, so that caches help no more than they would in life
					dst = ix.Match(names[int(i>>8)%(n/2)*2+kind.odd], dst[:0])
					if len(dst) != 1 {
						b.Fatal(len(dst), " matches")
					}
				}
			})
		}
	}
}

func BenchmarkMatchNothingElse(b *testing.B) {
	ix := new(Index[subscriber, *client])
	c := new(client)
	ix.Set("sensor/7/temp", c, c)
	dst := make([]*client, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		dst = ix.Match("sensor/7/temp", dst[:0])
	}
}

func BenchmarkMatchCrowd(b *testing.B) {
	ix := new(Index[subscriber, *client])
	for range 1000 {
		c := new(client)
		ix.Set("news/#", c, c)
	}
	dst := make([]*client, 0, 1000)
	b.ReportAllocs()
	for b.Loop() {
		dst = ix.Match("news/today", dst[:0])
	}
}

func BenchmarkMatchParallel(b *testing.B) {
	filters, names := benchFilters(10_000)
	ix := new(Index[subscriber, *client])
	fill(ix, filters)
	b.RunParallel(func(pb *testing.PB) {
		dst := make([]*client, 0, 8)
		for i := 0; pb.Next(); i++ {
			dst = ix.Match(names[i%len(names)], dst[:0])
		}
	})
}

func BenchmarkSetDelete(b *testing.B) {
	filters, _ := benchFilters(100_000)
	ix := new(Index[subscriber, *client])
	c := fill(ix, filters)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		f := filters[i%len(filters)]
		ix.Delete(f, c)
		ix.Set(f, c, c)
		i++
	}
}

// BenchmarkLeave lets all subscribers of one filter go; the time for each must not depend on how many they are.
func BenchmarkLeave(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			clients := make([]*client, n)
			for i := range clients {
				clients[i] = new(client)
			}
			for b.Loop() {
				ix := new(Index[subscriber, *client])
				for _, c := range clients {
					ix.Set("news", c, c)
				}
				for _, c := range clients {
					ix.Delete("news", c)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/subscriber")
		})
	}
}
