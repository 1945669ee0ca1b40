package metrics

import "sync/atomic"

// cacheLine keeps what different cores write apart. The metrics of one kind are allocated one after the other, and two
// in one line would slow down both.
const cacheLine = 64

// Counter counts events since the start. Its methods never block and may be called at the same time.
type Counter struct {
	n atomic.Uint64
	_ [cacheLine - 8]byte
}

// Counter makes a counter and registers it.
func (r *Registry) Counter(name, help string) *Counter {
	c := new(Counter)
	r.add(name, help, func(s *Sample) { s.Kind, s.Value = KindCounter, int64(c.Value()) })
	return c
}

// Inc counts one event.
func (c *Counter) Inc() { c.n.Add(1) }

// Add counts n events at once.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Value returns the number of events so far.
func (c *Counter) Value() uint64 { return c.n.Load() }

// Gauge is a number that goes up and down. Its methods never block and may be called at the same time.
type Gauge struct {
	n atomic.Int64
	_ [cacheLine - 8]byte
}

// Gauge makes a gauge and registers it.
func (r *Registry) Gauge(name, help string) *Gauge {
	g := new(Gauge)
	r.add(name, help, func(s *Sample) { s.Kind, s.Value = KindGauge, g.Value() })
	return g
}

// Set puts the gauge to n.
func (g *Gauge) Set(n int64) { g.n.Store(n) }

// Add moves the gauge by n, which may be negative.
func (g *Gauge) Add(n int64) { g.n.Add(n) }

// Value returns where the gauge stands.
func (g *Gauge) Value() int64 { return g.n.Load() }

// GaugeFunc registers a gauge that is asked for its value whenever it is read. The function may be called at any time,
// several times at once, and must answer quickly.
func (r *Registry) GaugeFunc(name, help string, f func() int64) {
	r.add(name, help, func(s *Sample) { s.Kind, s.Value = KindGauge, f() })
}

// CounterFunc registers a counter that f reads; f never blocks, and never returns less than before.
func (r *Registry) CounterFunc(name, help string, f func() uint64) {
	r.add(name, help, func(s *Sample) { s.Kind, s.Value = KindCounter, int64(f()) })
}

// Stat is a gauge that remembers the highest value it had since the start: a pair of EMQ X's stats. Its methods never
// block and may be called at the same time.
type Stat struct {
	now, max atomic.Int64
	_        [cacheLine - 16]byte
}

// Stat makes a stat and registers its two gauges as name.count and name.max.
func (r *Registry) Stat(name, help string) *Stat {
	st := new(Stat)
	r.add(name+".count", help, func(s *Sample) { s.Kind, s.Value = KindGauge, st.Value() })
	r.add(name+".max", help+", highest since the start", func(s *Sample) { s.Kind, s.Value = KindGauge, st.Max() })
	return st
}

// Set puts the stat to n.
func (s *Stat) Set(n int64) {
	s.now.Store(n)
	s.raise(n)
}

// Add moves the stat by n, which may be negative.
func (s *Stat) Add(n int64) { s.raise(s.now.Add(n)) }

// Value returns where the stat stands.
func (s *Stat) Value() int64 { return s.now.Load() }

// Max returns the highest value so far, zero at least.
func (s *Stat) Max() int64 { return s.max.Load() }

func (s *Stat) raise(n int64) {
	for old := s.max.Load(); n > old; old = s.max.Load() {
		if s.max.CompareAndSwap(old, n) {
			return
		}
	}
}
