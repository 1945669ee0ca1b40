package broker

// sweep is the Timer that has expired retained messages removed.
type sweep struct{ br *Broker }

// Fire is Timer's. One call does a bounded part of the work; the store says
// when it wants the next.
func (s *sweep) Fire(b *Batch, _ int64) {
	s.br.wheel.set(s, 0, s.br.Retained.Sweep(b.Now()))
}
