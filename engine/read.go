package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	readBytes = 1 << 20 // of one answer, about
	// readWithin is how long a copy is waited for that has all that was kept.
	readWithin = 30 * time.Second
	// ownWithin is how long this node's copy may be behind before others are asked.
	ownWithin = 100 * time.Millisecond
	// otherWithin is how long one of them has for its answer: the next one may not
	// hang.
	otherWithin = 2 * time.Second
)

var (
	errNotFound = errors.New("engine: no such record")
	errBehind   = errors.New("no copy that can be reached has all that was kept")
)

// ask has a question answered by a copy that has come as far as it says: this
// node's own, or another's when it has none, or one that is behind for a while.
// The answer is Behind when there is none at the moment.
func (s *stream) ask(q question) (a answer, err error) {
	q.Stream = s.name
	l := s.e.to()
	own, has := l.replica(s.name)
	if has {
		if a, err = own.answer(&q); err == nil && !a.Behind {
			s.behind.Store(0)
			return a, nil
		}
	}
	if !l.clustered {
		return answer{Behind: true}, err
	}
	now := time.Now().UnixNano()
	if s.behind.CompareAndSwap(0, now) && has || has && now-s.behind.Load() < int64(ownWithin) {
		return answer{Behind: true}, err
	}
	return s.askOthers(l, &q)
}

// askOthers asks those first that have answered before.
func (s *stream) askOthers(l *link, q *question) (answer, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return answer{}, err
	}
	self, last := s.e.cluster.id(), s.answered.Load()
	var errs []error
	for _, first := range []bool{true, false} {
		for _, m := range s.e.Members() {
			if m.ID == self || !m.Alive || first != (last != nil && *last == m.ID) {
				continue
			}
			reply, err := l.conn.Request(copySubject(m.ID), text, otherWithin)
			var a answer
			if err == nil {
				err = json.Unmarshal(reply.Data, &a)
			}
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("the copy of %s: %w", m.Node, sentence(err)))
			case !a.Behind:
				s.answered.Store(&m.ID)
				return a, nil
			}
		}
	}
	return answer{Behind: true}, errors.Join(errs...)
}

// copySubject is where a member is asked for what its copies have.
func copySubject(id string) string { return "P.copy." + id }

// asked answers another member.
func (p *peers) asked(m *nats.Msg) {
	a := answer{Behind: true}
	var q question
	err := json.Unmarshal(m.Data, &q)
	if err == nil {
		if own, has := p.e.to().replica(q.Stream); has {
			a, err = own.answer(&q)
		}
	}
	if err != nil {
		p.e.log.Warn("engine: answer another node's question: " + sentence(err).Error())
		a = answer{Behind: true}
	}
	text, err := json.Marshal(a)
	if err == nil {
		err = m.Respond(text)
	}
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		p.e.log.Warn("engine: answer another node's question: " + sentence(err).Error())
	}
}

// wireRecord is a record as it is sent to another member.
type wireRecord struct {
	N uint64
	S string
	D []byte
}

// MarshalJSON makes record a json.Marshaler.
func (r record) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireRecord{r.seq, r.subject, r.data})
}

// UnmarshalJSON makes record a json.Unmarshaler.
func (r *record) UnmarshalJSON(text []byte) error {
	var w wireRecord
	err := json.Unmarshal(text, &w)
	*r = record{w.N, w.S, w.D}
	return err
}

// get returns records with numbers of from and above, most of them at most, and
// the number to go on with: what is behind that isn't here yet.
func (s *stream) get(from uint64, most int) (records []record, next uint64, err error) {
	from = max(from, 1)
	a, err := s.read(question{From: from, Most: most, Least: from})
	if err != nil {
		return nil, from, fmt.Errorf("engine: read %s: %w", s.name, sentence(err))
	}
	return a.Records, max(a.Next, from), nil
}

// walk calls f for all records from a number on, until the end, which has come
// when a copy has no more that has all that this node knows of. It returns where
// to go on, and whether these were all. While that isn't known, wait is asked
// whether to go on trying.
func (s *stream) walk(next uint64, wait func(error) bool, f func(record) error) (_ uint64, all bool, err error) {
	next = max(next, 1)
	for least := s.last.Load(); ; {
		a, err := s.read(question{From: next, Most: eachMost, Least: least, Sure: true})
		for _, r := range a.Records {
			if err := f(r); err != nil {
				return r.seq, false, err
			}
		}
		next, least = max(next, a.Next), max(least, a.Last) // the next copy that is asked has what this one has
		if err == nil && a.End {
			return next, true, nil
		}
		if (err != nil || a.Behind) && !wait(err) {
			return next, false, err
		}
	}
}

// patience is a wait that lasts as long as reading may. It begins with short pauses, as what was
// kept a moment ago comes to this node in less than a millisecond.
func patience() (wait func(error) bool) {
	end, pause := time.Now().Add(readWithin), followPause/64
	return func(error) bool {
		time.Sleep(pause)
		pause = min(2*pause, followPause)
		return time.Now().Before(end)
	}
}

// newest returns the last record of a subject, as it was kept before the call as
// far as this node knows, or later.
func (s *stream) newest(subject string) (record, error) {
	q := question{Subject: subject, Least: s.last.Load(), Sure: true}
	wait := patience()
	for {
		a, err := s.read(q)
		switch {
		case err == nil && len(a.Records) > 0:
			return a.Records[0], nil
		case err == nil && a.End:
			return record{}, errNotFound
		case wait(err):
		case err == nil:
			err = errBehind
			fallthrough
		default:
			return record{}, fmt.Errorf("engine: read %s: %w", s.name, sentence(err))
		}
	}
}
