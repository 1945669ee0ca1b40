package broker

import (
	"sync"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
)

// remains are the records of sessions that have ended and could not be deleted,
// because the disk is full as a rule. They are tried again: after a crash they
// would be sessions that nobody wants. A client that comes back has its new
// records written over them.
type remains struct {
	d    *durability
	turn sync.Mutex // held while records are deleted again, and before mu
	mu   sync.Mutex
	all  map[string]*remnant // by client id; those that are being deleted for the first time, too
}

// remnant is what there is to delete of one session.
type remnant struct {
	id     string
	chunks int
	layout uint32
	known  bool // there is a record, as far as is known

	revisions *revisions // of what is kept; nil: it is deleted whatever it is
	saved     bool       // there is a state, or will be
	open      int        // deletions under way
	failed    bool       // one of them
}

// atOnce is how many sessions' records are deleted again at a time.
const atOnce = 256

// forget deletes all that is kept of the session. The client is entered.
func (c *Client) forget() {
	r, d := c.more.reader, c.broker.durable
	saved := r.saving || r.revisions.state.Load() != engine.Absent
	d.remains.begin(&remnant{id: c.info.ClientID, chunks: r.chunks, layout: r.layout, known: r.known, revisions: &r.revisions, saved: saved})
}

// begin deletes what is left of a session.
func (rs *remains) begin(m *remnant) {
	rs.mu.Lock()
	if rs.all == nil {
		rs.all = make(map[string]*remnant)
	}
	rs.all[m.id] = m
	rs.mu.Unlock()
	rs.remove(m)
}

// remove begins the deletion of what is left of a session.
func (rs *remains) remove(m *remnant) {
	rs.mu.Lock()
	m.open, m.failed = m.chunks+2, false
	rs.mu.Unlock()
	done := func(err error) { rs.removed(m, err) }
	rs.d.gate.pass(func(err error) {
		if err != nil {
			for range m.chunks + 2 {
				done(err)
			}
			return
		}
		for i := range m.chunks {
			rs.d.records.Delete(durable.ChunkKey(m.id, m.layout, i), done)
		}
		if m.revisions == nil {
			rs.d.records.Delete(durable.SessionKey(m.id), done)
			rs.d.states.DeleteLater(m.id, done)
			return
		}
		rs.d.records.DeleteBy(&owned{d: rs.d, id: m.id, m: m, seen: &m.revisions.record}, durable.SessionKey(m.id), done)
		if m.saved {
			(&owned{d: rs.d, id: m.id, m: m, seen: &m.revisions.state, state: true}).DeleteLater(m.id, done)
		} else {
			done(nil)
		}
	})
}

// has reports whether something is still left of a session that nobody has taken
// the place of.
func (rs *remains) has(m *remnant) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.all[m.id] == m
}

// removed is the end of one deletion.
func (rs *remains) removed(m *remnant, err error) {
	d := rs.d
	d.well(err, Now())
	if err != nil {
		d.br.logs.notDeleted.warn(d.br.log, Now(), "the record of an ended session can't be deleted, it is tried again", "client", m.id, "err", err)
	}
	rs.mu.Lock()
	m.failed = m.failed || err != nil
	m.open--
	again := m.open == 0 && m.failed && m.known && rs.all[m.id] == m
	if m.open == 0 && !again && rs.all[m.id] == m {
		delete(rs.all, m.id)
	}
	rs.mu.Unlock()
	if again {
		d.br.Schedule(rs, Now()+saveAgain)
	}
}

// written is for a client that has a new session: its records take the place of
// the ones before. The client is entered.
func (rs *remains) written(id string) {
	rs.turn.Lock()
	defer rs.turn.Unlock()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.all, id)
}

// claimed is for a client whose session is on another node from now on, where new
// records will be written. wait: not before a deletion that is under way is over.
func (rs *remains) claimed(id string) (wait bool) {
	rs.turn.Lock()
	defer rs.turn.Unlock()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	m := rs.all[id]
	if m == nil || m.open > 0 {
		return m != nil
	}
	delete(rs.all, id)
	return false
}

// Fire is Timer's: it tries some again.
func (rs *remains) Fire(_ *Batch, at int64) {
	if !rs.d.mayTry(at) {
		rs.d.br.Schedule(rs, at+saveAgain)
		return
	}
	rs.turn.Lock()
	defer rs.turn.Unlock()
	for _, m := range rs.some() {
		rs.remove(m)
	}
}

// some are up to atOnce that have to be tried again.
func (rs *remains) some() (some []*remnant) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, m := range rs.all {
		if m.open > 0 {
			continue
		}
		if some = append(some, m); len(some) == atOnce {
			break
		}
	}
	return some
}
