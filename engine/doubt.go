package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// doubt is a record that its writer was told is not kept, while it may still be
// on its way: a cut that heals has the connections deliver what lay in their
// buffers. Kept then, it would come behind later records of its writer: a log
// would be out of order, and a map would have an old value again. So before the
// writer sends anything else, a record that says nothing is kept under the same
// id: then the late one is a repetition, and is dropped. If it was kept already,
// the one that says nothing is.
type doubt struct {
	number  uint64
	subject string
	data    []byte
}

// voidToken stands for a key in the subject of a map's record that says nothing. No key has it.
const voidToken = "%="

// voidOf makes the record that says nothing, in the place of another one: in a
// log an entry without a topic, in a map the mark of a deleted key that isn't one.
func (s *stream) voidOf(subject string) (void string, data []byte) {
	if s.isLog {
		return subject, makeEntry("", time.Now().UnixMilli(), nil)
	}
	return subject[:strings.LastIndexByte(subject, '.')+1] + voidToken, appendKeyed(isDeleted, "", true, nil)
}

// doubt notes a record that is given up; mu is held.
func (w *writer) doubt(p *pending, number uint64) {
	if w.link.clustered && p.tried {
		subject, data := w.s.voidOf(p.record.subject)
		w.doubts = append(w.doubts, doubt{number, subject, data})
	}
}

// settle tries to keep what says nothing; mu is held.
func (w *writer) settle() {
	for _, d := range w.doubts {
		p := pending{record: record{subject: d.subject, data: d.data}}
		if !w.s.isLog {
			p.header = nats.Header{"Nats-TTL": {markKept}}
		}
		if err := w.publish(&p, d.number); err != nil {
			w.s.e.log.Warn(fmt.Sprintf("engine: write to %s: %v", w.s.name, sentence(err)))
			return
		}
	}
}

// settled notes that a record can't come late any more; mu is held.
func (w *writer) settled(number uint64) {
	i := slices.IndexFunc(w.doubts, func(d doubt) bool { return d.number == number })
	if i < 0 {
		return
	}
	if w.doubts = slices.Delete(w.doubts, i, i+1); len(w.doubts) == 0 && !w.held {
		w.moved = time.Now()
		w.catchUp()
	}
}
