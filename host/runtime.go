package host

import (
	"math"
	"runtime/metrics"
)

// Runtime is what the Go runtime tells of itself.
type Runtime struct {
	Goroutines uint64
	Runnable   uint64 // goroutines that could run and wait for a processor
	Processors uint64 // goroutines that may run at once: GOMAXPROCS

	Mapped    uint64 // bytes of memory got from the system and not given back
	Heap      uint64 // bytes of objects, those not yet collected included
	Stacks    uint64 // bytes of goroutines' stacks
	HeapGoal  uint64 // bytes at which the next collection is to be over
	Allocated uint64 // bytes of all objects ever
	Objects   uint64 // allocated ever

	Collections uint64
	Pauses      Distribution // seconds for which a collection stopped everything
	Delays      Distribution // seconds for which goroutines that could have run waited for a processor
	MutexWait   float64      // seconds that goroutines have waited for each other
}

// Distribution counts what was observed by size.
type Distribution struct {
	Bounds []float64 // the highest value of each class
	Counts []uint64  // one more than Bounds: the last is for what is above all bounds
}

// delayBounds are those of the distributions, in seconds: from what nobody
// notices to what a client takes for an outage.
func delayBounds() []float64 {
	return []float64{10e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3, 10e-3, 50e-3, 100e-3, 1}
}

// ReadRuntime reads the figures of the Go runtime, without stopping anything.
func ReadRuntime() Runtime {
	var r Runtime
	whole := map[string]*uint64{
		"/sched/goroutines:goroutines":          &r.Goroutines,
		"/sched/goroutines/runnable:goroutines": &r.Runnable,
		"/sched/gomaxprocs:threads":             &r.Processors,
		"/memory/classes/heap/objects:bytes":    &r.Heap,
		"/memory/classes/heap/stacks:bytes":     &r.Stacks,
		"/gc/heap/goal:bytes":                   &r.HeapGoal,
		"/gc/heap/allocs:bytes":                 &r.Allocated,
		"/gc/heap/allocs:objects":               &r.Objects,
		"/gc/cycles/total:gc-cycles":            &r.Collections,
	}
	const total, released = "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes"
	const pauses, delays, mutexes = "/sched/pauses/total/gc:seconds", "/sched/latencies:seconds", "/sync/mutex/wait/total:seconds"
	samples := []metrics.Sample{{Name: total}, {Name: released}, {Name: pauses}, {Name: delays}, {Name: mutexes}}
	for name := range whole {
		samples = append(samples, metrics.Sample{Name: name})
	}
	metrics.Read(samples)
	for _, s := range samples {
		switch {
		case s.Value.Kind() == metrics.KindBad: // a version of Go without it
		case s.Name == total:
			r.Mapped += s.Value.Uint64()
		case s.Name == released:
			r.Mapped -= s.Value.Uint64()
		case s.Name == pauses:
			r.Pauses = condense(s.Value.Float64Histogram(), delayBounds())
		case s.Name == delays:
			r.Delays = condense(s.Value.Float64Histogram(), delayBounds())
		case s.Name == mutexes:
			r.MutexWait = s.Value.Float64()
		default:
			*whole[s.Name] = s.Value.Uint64()
		}
	}
	return r
}

// condense counts the runtime's hundreds of fine buckets in the classes of
// bounds; a bucket that lies across a bound belongs to the class above it.
func condense(h *metrics.Float64Histogram, bounds []float64) Distribution {
	d := Distribution{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
	class := 0
	for i, n := range h.Counts {
		high := h.Buckets[i+1]
		for class < len(bounds) && (high > bounds[class] || math.IsInf(high, 1)) {
			class++
		}
		d.Counts[class] += n
	}
	return d
}
