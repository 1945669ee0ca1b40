package cluster

import (
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// stream is what goes to one node, from the moment it is there until it has
// gone.
type stream struct {
	f    *Forwarder
	node string
	id   uint64

	mu       sync.Mutex // guards what follows
	over     bool
	queue    []byte   // records that wait to be sent
	accepted position // of all that was ever put in
	guarded  uint64   // records of this type among it
	kept     []*guarded
	keptFrom uint64 // the number of the first of kept; they are counted from 1

	sent        position
	sentGuarded uint64
	skip        uint64 // bytes left of a record that was cut,
	skipped     bool   // which is a guarded one

	receiver  uint64 // its start, as it has said; 0: it hasn't
	confirmed position
	results   uint64 // of the receiver that have been seen
	toldOf    uint64 // of these, as the last batch said
	says      bool   // a batch must be sent even if it is empty
	movedAt   int64  // when Tick saw confirmed move last,
	moved     uint64 // to where

	spare   []byte // for pump
	message []byte
}

// guarded is a message of a shared group that is kept until it is known that
// somebody has it.
type guarded struct {
	filter, group string
	m             *mqtt.Message
	tried         []string // nodes that could not take it
}

// put takes what has been gathered. What can't be taken is dropped, or if it is
// guarded given back, to go to another member.
func (s *stream) put(b *bin) {
	s.mu.Lock()
	size, others := uint64(len(b.data)), uint64(b.messages-len(b.guarded))
	stats := &s.f.Stats
	switch {
	case s.over:
		stats.Gone.Add(others)
	case size > s.f.room:
		stats.TooLarge.Add(others)
	case size+s.accepted.bytes-s.confirmed.bytes > s.f.room:
		stats.Slow.Add(others)
	default:
		wake := len(s.queue) == 0
		s.queue = append(s.queue, b.data...)
		s.accepted.bytes += size
		s.accepted.messages += uint64(b.messages)
		s.guarded += uint64(len(b.guarded))
		s.kept = append(s.kept, b.guarded...)
		s.mu.Unlock()
		if wake {
			s.f.wake(s.node)
		}
		return
	}
	s.mu.Unlock()
	for _, k := range b.guarded {
		k.tried = append(k.tried, s.node)
		s.f.refused(k)
	}
}

// mayKeep reports whether there is room for one more guarded message.
func (s *stream) mayKeep() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept) < maxGuarded
}

// pump sends all that waits.
func (s *stream) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.over && (len(s.queue) > 0 || s.says) {
		taken := s.queue
		out := taken
		s.queue, s.spare, s.says = s.spare[:0], nil, false
		for first := true; first || len(out) > 0; first = false {
			s.message = appendBatch(s.message[:0], &batch{
				stream: s.id, receiver: s.receiver, position: s.sent, guarded: s.sentGuarded, results: s.results, skip: s.skip, skipped: s.skipped,
			})
			s.toldOf = s.results
			ended := s.sent.messages
			n := s.cut(out)
			s.message = append(s.message, out[:n]...)
			out = out[n:]
			s.f.Stats.Forwarded.Add(s.sent.messages - ended)
			s.mu.Unlock()
			s.f.send(s.node, s.message)
			s.mu.Lock()
		}
		if cap(taken) <= 4*maxBatch {
			s.spare = taken[:0]
		}
	}
	if cap(s.message) > 4*maxBatch || s.over {
		s.message = nil
	}
}

// cut says how much of out goes into one batch, and counts it as sent: whole
// records, or a piece of one that is too long for a batch.
func (s *stream) cut(out []byte) int {
	at, most := 0, min(len(out), maxBatch)
	if s.skip > 0 {
		at = min(int(s.skip), most)
		if s.skip -= uint64(at); s.skip == 0 {
			s.ended(s.skipped)
			s.skipped = false
		}
	}
	for at < most {
		size, isGuarded := recordSize(out[at:]), out[at+4] == recordGuarded
		if at+size > most {
			if at == 0 {
				at, s.skip, s.skipped = most, uint64(size-most), isGuarded
			}
			break
		}
		s.ended(isGuarded)
		at += size
	}
	s.sent.bytes += uint64(at)
	return at
}

func (s *stream) ended(isGuarded bool) {
	s.sent.messages++
	if isGuarded {
		s.sentGuarded++
	}
}

// confirm takes what the receiver says. again is what another member must take
// now. restarted: the receiver is not the one that the stream began with.
func (s *stream) confirm(c *confirm) (again []*guarded, restarted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || c.stream != s.id {
		return nil, false
	}
	if s.receiver != 0 && s.receiver != c.receiver {
		return nil, true
	}
	s.receiver = c.receiver
	if c.bytes > s.confirmed.bytes && c.bytes <= s.sent.bytes {
		s.confirmed = c.position
	}
	for i, res := range c.results {
		if c.first+uint64(i) != s.results {
			continue // seen already, or one is missing before it: they come again
		}
		s.results++
		if k := s.settle(res.record); k != nil && res.fate != fateKept {
			if res.fate == fateNobody {
				k.tried = append(k.tried, s.node)
			}
			again = append(again, k)
		}
	}
	return again, false
}

// settle takes a message off what is kept.
func (s *stream) settle(record uint64) (k *guarded) {
	at := record - s.keptFrom
	if record < s.keptFrom || at >= uint64(len(s.kept)) {
		return nil
	}
	k, s.kept[at] = s.kept[at], nil
	done := 0
	for done < len(s.kept) && s.kept[done] == nil {
		done++
	}
	s.kept, s.keptFrom = s.kept[done:], s.keptFrom+uint64(done)
	return k
}

// probe has an empty batch sent if the receiver has not moved for a while, or
// has to know what has been seen of its results.
func (s *stream) probe(now int64) {
	s.mu.Lock()
	if s.confirmed.bytes != s.moved || s.confirmed.bytes == s.accepted.bytes {
		s.moved, s.movedAt = s.confirmed.bytes, now
	}
	s.says = s.says || now-s.movedAt >= probeAfter || s.toldOf != s.results
	says := s.says
	s.mu.Unlock()
	if says {
		s.f.wake(s.node)
	}
}

// end is the end of the stream; what is still kept is returned.
func (s *stream) end() (kept []*guarded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	stats := &s.f.Stats
	stats.Lost.Add(s.sent.messages - s.confirmed.messages)
	stats.Gone.Add((s.accepted.messages - s.sent.messages) - (s.guarded - s.sentGuarded))
	kept = slices.DeleteFunc(s.kept, func(k *guarded) bool { return k == nil })
	s.queue, s.kept = nil, nil
	return kept
}
