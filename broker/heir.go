package broker

import (
	"cmp"
	"errors"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
)

// Sessions of a node that has gone wait for their clients. When one doesn't come,
// its will is due at some time, and the end of the session; the oldest node that is
// there takes over then, and sees to both.

const (
	heirEvery = 30 * time.Second
	heirRarer = 20 // so many times that, while all members are there
	// heirGrace is how long a node has to be away before anybody does something in
	// its place, so that a restart changes nothing.
	heirGrace = 60 * time.Second
)

// inherit looks now and then whether sessions that nobody has are due.
func (d *durability) inherit() {
	tick := time.NewTicker(heirEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-d.ctx.Done():
			return
		}
		if m := d.nodes.Load(); len(m.alive) > 1 && m.first && (n%heirRarer == 0 || !m.whole()) {
			d.inheritDue(time.Now())
		}
	}
}

// inheritDue takes over what is due of nodes that are away for long enough, or are
// no members any more.
func (d *durability) inheritDue(now time.Time) {
	wentAt := d.wentAt.Load()
	if now.UnixNano()-wentAt < int64(heirGrace) || d.gate.closed() {
		return
	}
	n := d.nodes.Load()
	var all []string
	err := durable.Load(d.sessions.Each, durable.Loading{
		Found: func(s *durable.Session) error {
			if !n.alive[s.Node] && due(s, now.UnixMilli(), wentAt/int64(time.Millisecond)) {
				all = append(all, s.ClientID)
			}
			return nil
		},
		Damaged: func(string, error) {}, // the start of a node says it
		Stray:   func(string) {},
	})
	if err == nil && len(all) > 0 {
		err = d.settled()
	}
	for _, id := range all {
		if err != nil || d.ctx.Err() != nil {
			break
		}
		var s *durable.Session
		if s, err = d.find(id); err == nil && s != nil && !d.nodes.Load().alive[s.Node] && d.br.clients.get(id) == nil {
			s.OfflineAt = cmp.Or(s.OfflineAt, wentAt/int64(time.Millisecond))
			if err = d.takeOver(s); errors.Is(err, errTaken) {
				err = nil
			}
		}
	}
	if err != nil {
		d.br.logs.notSettled.warn(d.br.log, now.UnixMilli(), "sessions of nodes that have gone can't be looked after, it is tried again", "err", err)
	}
}

// due reports whether something has to happen with a session that waits. One
// whose client was connected waits since its node went.
func due(s *durable.Session, now, wentAt int64) bool {
	since := s.OfflineAt
	if since == 0 {
		since = wentAt
	}
	if s.Will != nil && since+int64(max(s.Will.Delay, willGrace))*1000 <= now {
		return true
	}
	return s.ExpiryInterval != 1<<32-1 && since+int64(s.ExpiryInterval)*1000 <= now
}
