package broker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// messageOrigin tells a message from all others of all clients.
type messageOrigin struct {
	client string
	durable.Origin
}

// doubt is a QoS 2 message that may be kept or not.
type doubt struct {
	messageOrigin
	from mqtt.At // it isn't in the log before here
}

func doubtOf(client string, f session.Flow) doubt {
	return doubt{messageOrigin{client, durable.Origin{PacketID: f.ID, Flow: f.Num}}, f.From}
}

// doubts are QoS 2 messages that were given to the log, which had no answer: too
// few nodes were there to keep them, or their server hung. Nobody is told anything
// of them until the log keeps something again, which has to lie behind them, so that
// it is clear which of them it has. Those go on as if they had just been appended;
// the others are refused. A client that repeats one meanwhile waits as well.
//
// They count in durability.pending, which bounds them.
type doubts struct {
	d       *durability
	mu      sync.Mutex
	all     []*appended
	running bool
}

const doubtAgain = 250 * time.Millisecond // until the log is tried again

var errNotInLog = errors.New("the log had no answer for it, and has not taken it")

// add has a message wait. False: it is too late for that.
func (q *doubts) add(a *appended) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running = q.running || q.d.begin(q.run); !q.running {
		return false
	}
	q.all = append(q.all, a)
	q.d.busy.Add(-1) // until it is known
	return true
}

// run is the goroutine that is there while a message is in doubt.
func (q *doubts) run() {
	d := q.d
	for wait := time.Duration(0); ; wait = doubtAgain {
		select {
		case <-time.After(wait):
		case <-d.ctx.Done():
			return
		}
		q.mu.Lock()
		all := slices.Clone(q.all)
		q.mu.Unlock()
		kept, err := d.whichAreKept(wantedOf(all), true)
		if err != nil {
			d.br.logs.notSettled.warn(d.br.log, Now(), "it is not known whether the log has taken messages, their clients have to wait", "messages", len(all), "err", err)
			continue
		}
		for _, a := range all {
			d.busy.Add(1)
			if at, is := kept[a.name()]; is {
				a.ended(at, nil)
			} else {
				a.ended(a.first, errNotInLog)
			}
		}
		q.mu.Lock()
		q.all = slices.Clone(q.all[len(all):])
		q.running = len(q.all) > 0
		over := !q.running
		q.mu.Unlock()
		if over {
			return
		}
	}
}

func (a *appended) name() messageOrigin { return messageOrigin{a.m.From, a.origin()} }

func wantedOf(all []*appended) (doubts []doubt) {
	for _, a := range all {
		doubts = append(doubts, doubt{a.name(), a.first})
	}
	return doubts
}

// resolve finds out which of the clients' QoS 2 messages that were on their way
// to the log, or to the delayed messages, have come there: those get a PUBREC when the client repeats them,
// and the others are new ones then.
func (d *durability) resolve(all ...*Client) error {
	var doubts []doubt
	for _, c := range all {
		for _, f := range c.sess.Doubtful() {
			doubts = append(doubts, doubtOf(c.info.ClientID, f))
		}
	}
	kept, err := d.whichAreKept(doubts, d.several())
	if err != nil {
		return err
	}
	for _, c := range all {
		for _, f := range c.sess.Doubtful() {
			if _, is := kept[doubtOf(c.info.ClientID, f).messageOrigin]; is {
				c.sess.Appended(f.ID, f.Num)
			} else {
				c.sess.Missing(f.ID, f.Num)
			}
		}
	}
	return nil
}

// whichAreKept looks for messages in the log, and among the delayed ones; in the
// log they have a place. mark: there were others that wrote to the log, or it had
// no answer; then it has to keep a mark first, so that what it doesn't have in
// front of that it will never have.
func (d *durability) whichAreKept(doubts []doubt, mark bool) (map[messageOrigin]mqtt.At, error) {
	wanted, kept := make(map[messageOrigin]bool, len(doubts)), make(map[messageOrigin]mqtt.At)
	from := make(map[int]uint64)
	for _, q := range doubts {
		wanted[q.messageOrigin] = true
		if first, is := from[q.from.Shard]; q.from.Shard < len(d.shards) && (!is || q.from.Seq < first) {
			from[q.from.Shard] = max(q.from.Seq, 1)
		}
	}
	for shard, first := range from {
		if err := d.lookFor(wanted, kept, shard, first, mark); err != nil {
			return nil, err
		}
	}
	if d.delayed == nil || len(kept) == len(wanted) {
		return kept, nil
	}
	err := d.delayed.Each(func(_ string, value []byte) error {
		if m, err := parseKeptDelayed(value); err == nil && wanted[messageOrigin{m.From, m.Origin}] {
			kept[messageOrigin{m.From, m.Origin}] = mqtt.At{}
		} // else it is left out when the others are brought in, which says so
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the delayed messages can't be read: %w", err)
	}
	return kept, nil
}

// lookFor notes which of the wanted messages a shard of the log has.
func (d *durability) lookFor(wanted map[messageOrigin]bool, kept map[messageOrigin]mqtt.At, shard int, from uint64, mark bool) error {
	_, last := d.log.Bounds(shard)
	var err error
	if mark {
		last, err = d.markLog(shard)
	}
	for err == nil && from <= last {
		entries, next, err := d.log.Read(d.ctx, shard, from, nil, chunkMost)
		if err != nil {
			return err
		}
		for _, e := range entries {
			m, err := durable.ParseMessage(mqtt.At{Shard: shard, Seq: e.Seq}, e.Topic, e.Record)
			if err == nil && wanted[messageOrigin{m.From, m.Origin}] {
				kept[messageOrigin{m.From, m.Origin}] = m.At()
			}
		}
		if next <= from {
			return fmt.Errorf("shard %d of the log can't be read beyond %d", shard, from)
		}
		from = next
	}
	return err
}

// together is how far apart two entries may be for those between to be read with
// them.
const together = 8

// readAll reads the messages at these places, in any order, each once. Those that
// retention has deleted, or that nobody understands, are not in the result.
func (d *durability) readAll(at []mqtt.At) (map[mqtt.At]*mqtt.Message, error) {
	all := make(map[mqtt.At]*mqtt.Message, len(at))
	slices.SortFunc(at, comparePlaces)
	for at = slices.Compact(at); len(at) > 0; {
		shard, first := at[0].Shard, at[0].Seq
		if shard >= len(d.shards) {
			break
		}
		n := 1
		for n < len(at) && at[n].Shard == shard && at[n].Seq-at[n-1].Seq <= together && at[n].Seq-first < chunkMost {
			n++
		}
		entries, next, err := d.log.Read(d.ctx, shard, first, nil, int(at[n-1].Seq-first)+1)
		if err == nil && next <= first { // it isn't here yet, or was never there
			e, there, late := d.readAt(d.ctx, shard, first)
			if next, err = first+1, late; there {
				entries = append(entries, e)
			}
		}
		if err != nil {
			return nil, err
		}
		for i := range entries {
			place := mqtt.At{Shard: shard, Seq: entries[i].Seq}
			if m := d.parse(shard, &entries[i]); m != nil && isIn(at, place) {
				all[place] = m
			}
		}
		for len(at) > 0 && at[0].Shard == shard && at[0].Seq < next {
			at = at[1:]
		}
	}
	return all, nil
}

// isIn reports whether a place is among others, which are in order.
func isIn(at []mqtt.At, place mqtt.At) bool {
	_, is := slices.BinarySearchFunc(at, place, comparePlaces)
	return is
}

func comparePlaces(a, b mqtt.At) int {
	return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Seq, b.Seq))
}
