package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Renew is for a durable session whose log has become another one, with nothing in
// it that was in the one before: next is, by shard, where the session goes on. What
// it holds it goes on with, from memory; after a crash that is as if it had never
// been in a log.
func (s *Session) Renew(next []uint64) {
	d := s.lasts()
	d.read = append(d.read[:0], next...)
	for i := range s.flights.slots.n {
		e := s.flights.slots.at(i)
		e.msg = uproot(e.msg)
	}
	if s.queue != nil {
		for i := range s.queue.levels {
			waiting := &s.queue.levels[i].waiting
			for j := range waiting.n {
				w := waiting.at(j)
				w.Msg = uproot(w.Msg)
			}
		}
	}
	for _, f := range d.flows {
		if f.from.Shard < len(next) {
			f.from.Seq = next[f.from.Shard]
		}
	}
	s.want()
}

// uproot is a message that other sessions have as well, without its place.
func uproot(m *mqtt.Message) *mqtt.Message {
	if m == nil || m.At().Zero() {
		return m
	}
	return m.Placed(mqtt.At{})
}
