package engine

import (
	"fmt"
	"sync"
	"testing"
)

// benched are records of 256 bytes in a map of so many keys, and a log.
const (
	benchedKeys = 20_000
	benchedSize = 256
)

// Benchmark has the calls of maps and logs, on a node of its own and on one of three.
func Benchmark(b *testing.B) {
	b.Run("alone", func(b *testing.B) { benchmarkOn(b, start(b, Options{Dir: memory(b)})) })
	b.Run("three", func(b *testing.B) {
		all := together(b, node(b, "a"), node(b, "b"), node(b, "c"))
		benchmarkOn(b, all[2])
	})
}

func benchmarkOn(b *testing.B, e *Engine) {
	m, err := e.BigMap("bench")
	if err != nil {
		b.Fatal(err)
	}
	l := openLog(b, e, "bench", LogOptions{Shards: 1})
	value := make([]byte, benchedSize)
	key := func(i int) string { return fmt.Sprint("key", i%benchedKeys) }
	err = m.PutAll(func(yield func(string, []byte) bool) {
		for i := range benchedKeys {
			if !yield(key(i), value) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		pipelined(b, func(done func(error)) { l.Append("a/topic", value, func(_ At, err error) { done(err) }) })
	})
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		pipelined(b, func(done func(error)) { i++; m.PutLater(key(i), value, done) })
	})
	b.Run("put and wait", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := m.Put(key(i), value); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, ok, err := m.Get(key(i)); err != nil || !ok {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("each", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if err := m.Each(func(string, []byte) error { n++; return nil }); err != nil || n != benchedKeys {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchedKeys), "ns/record")
	})
}

// pipelined has up to a thousand calls under way.
func pipelined(b *testing.B, call func(done func(error))) {
	slots := make(chan struct{}, 1000)
	var once sync.Once
	var failed error
	for b.Loop() {
		slots <- struct{}{}
		call(func(err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
			<-slots
		})
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
	if failed != nil {
		b.Fatal(failed)
	}
}
