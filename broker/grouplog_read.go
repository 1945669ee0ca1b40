package broker

import (
	"context"
	"errors"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// giveRead gives a member a message that was read from the log.
func (k *groupLog) giveRead(b *Batch, m *mqtt.Message) {
	at, count := m.At(), &b.broker.count
	if m.QoS == 0 || at.Seq < k.read[at.Shard] || k.beyond(at) {
		return
	}
	k.read[at.Shard] = at.Seq + 1
	if !k.take(at) {
		return
	}
	if k.missed > 0 {
		k.missed--
		count.queued.Add(-1)
	} else { // it came before the start, or hasn't been dispatched
		count.matched.Inc()
	}
	k.giveOrKeep(b, m)
}

// passed notes that all up to a position was read.
func (k *groupLog) passed(shard int, next uint64) {
	k.read[shard] = max(k.read[shard], next)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next[shard] = max(k.next[shard], next)
	if k.redo+k.early == 0 {
		return
	}
	for at, who := range k.open {
		switch {
		case at.Shard != shard || at.Seq >= next || who == taken:
			continue
		case who == unheld: // retention has deleted it
			k.redo--
		default:
			k.early--
		}
		delete(k.open, at)
	}
}

// behind is a shard that has more for the group.
func (k *groupLog) behind() (shard int, behind bool) {
	for i, s := range k.d.shards {
		last := s.dispatched.Load()
		if k.until != nil {
			last = min(last, k.until[i]-1)
		}
		if k.read[i] <= last {
			return i, true
		}
	}
	return 0, false
}

// readOrLive has the log read if there is more in it, and somebody who may take
// it.
func (k *groupLog) readOrLive() {
	shard, behind := k.behind()
	switch {
	case k.reading:
	case behind && k.g.online.Load() > 0:
		k.reading, k.shard = true, shard
		k.d.feeder.add(k)
	case !behind:
		k.live = true
		k.writeOff(session.LogRetention, k.missed)
		k.missed, k.cut = 0, false
	}
}

// writeOff books messages as dropped that no member got.
func (k *groupLog) writeOff(why session.Drop, n int64) {
	if n > 0 {
		br := k.d.br
		br.count.queued.Add(-n)
		br.count.dropMany(why, uint64(n))
		br.account.ofDropped[why].addMany("", "", uint64(n))
	}
}

// readFor is fed's.
func (k *groupLog) readFor(b *Batch, f *feeder) {
	k.turn.Lock()
	shard, from, age := k.shard, k.read[k.shard], k.age
	k.turn.Unlock()
	chunk, next, err := f.read(shard, from, []string{k.g.key.Filter})
	k.turn.Lock()
	switch {
	case k.ended:
	case err != nil && errors.Is(err, context.Canceled):
	case err != nil:
		br := k.d.br
		br.logs.notRead.warn(br.log, b.Now(), "the log of messages can't be read for a shared group, it is tried again", "group", k.g.key.Name, "filter", k.g.key.Filter, "err", err)
		br.Schedule(&groupReadsLater{k}, b.Now()+readAgain)
	default:
		if k.reading = false; age == k.age {
			k.shard, k.chunk, k.after = shard, chunk, next
		}
	}
	k.goOn(b)
	k.turn.Unlock()
	if k.again.Load() {
		k.pump(b)
	}
}

// groupReadsLater is the Timer of a read that failed.
type groupReadsLater struct{ k *groupLog }

// Fire is Timer's.
func (l *groupReadsLater) Fire(b *Batch, _ int64) {
	l.k.turn.Lock()
	l.k.reading = false
	l.k.turn.Unlock()
	l.k.pump(b)
}
