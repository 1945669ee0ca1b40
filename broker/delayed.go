package broker

import (
	"container/heap"
	"strconv"
	"strings"
	"sync"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/mqtt"
)

const (
	delayedPrefix = "$delayed/"
	delayedMax    = 4294967 // seconds; a larger number is a point in Unix time
)

func isDelayed(name string) bool { return strings.HasPrefix(name, delayedPrefix) }

// delayed holds the messages published to $delayed/<seconds>/<topic> until
// their time has come. It is one Timer in the wheel, for the earliest.
type delayed struct {
	br *Broker

	keeper DelayedKeeper // nil: they are gone with the process
	owner  string        // this node, in the keys of what is kept

	mu       sync.Mutex
	limit    int   // messages; 0: no bound
	maxBytes int64 // of payload; 0: no bound
	queue    delayedQueue
	n        int // of queue, without those that are undone
	bytes    int64
	seq      uint64
	timer    int64 // when the wheel will fire; 0: not scheduled
}

// delay puts m aside, if its topic is a valid delayed one; if not, it is a
// topic like any other, as in EMQ X. The code is for the publisher: nobody
// gets the message now, or it is refused because too many wait. pending: it will
// be told when the message is kept.
func (br *Broker) delay(b *Batch, m *mqtt.Message, r receipt) (code mqtt.ReasonCode, pending, delayed bool) {
	now := b.Now()
	at, name, ok := parseDelayed(m.Topic, now)
	if !ok {
		br.logs.badDelay.warn(br.log, now, "a message has no valid delay and is routed to its literal topic",
			"topic", m.Topic, "client", m.From, "expected", "$delayed/<seconds>/<topic>, seconds from 1 to 4294966 or a Unix time")
		return mqtt.Success, false, false
	}
	k := m.Keep().Copy()
	k.Topic = name
	var w *await
	var done func(error)
	if br.delayed.keeper != nil {
		if w = br.await(m, &r); w != nil {
			done = w.kept
		}
	}
	e := br.delayed.reserve(at, k)
	if code = mqtt.NoMatchingSubscribers; e == nil {
		code = mqtt.QuotaExceeded
		br.delayRefused(m, now)
		if w != nil {
			w.kept(nil)
		}
	} else {
		br.count.delayed.Inc()
		br.traceDelayed(k, at)
	}
	if w != nil {
		br.tellRouted(m, code, 0)
		w.routed(b, code, 0)
	}
	if e != nil && (w == nil || !w.saveFirst(b, &postponed{w, e, k})) {
		br.delayed.start(e, k, durable.Origin{}, done)
	}
	return code, w != nil, true
}

// delayRefused books a message that finds no room to wait.
func (br *Broker) delayRefused(m *mqtt.Message, now int64) {
	br.count.dropped.Inc()
	br.Refused(DelayedFull, m.From, m.Topic)
	br.logs.delayedFull.warn(br.log, now, "a delayed message is refused: broker.max_delayed_messages or broker.max_delayed_bytes wait already",
		"topic", m.Topic, "client", m.From)
	br.traceRefused(m, DelayedFull.String(), mqtt.QuotaExceeded)
}

// parseDelayed finds the time, Unix milliseconds, and the topic in a topic
// that begins with $delayed/. A point in time may lie in the past, by as much
// as it may lie in the future: such a message is published at once.
func parseDelayed(name string, now int64) (at int64, rest string, ok bool) {
	digits, rest, _ := strings.Cut(name[len(delayedPrefix):], "/")
	seconds, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || rest == "" || seconds <= 0:
		return 0, "", false
	case seconds < delayedMax:
		return now + seconds*1000, rest, true
	case seconds < now/1000-delayedMax || seconds > now/1000+delayedMax:
		return 0, "", false
	}
	return seconds * 1000, rest, true
}

func (d *delayed) bound(limit int, maxBytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit, d.maxBytes = limit, maxBytes
}

// reserve has room for m, a message of its own, until at; nil: there is none.
func (d *delayed) reserve(at int64, m *mqtt.Message) *delayedMessage {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit > 0 && d.n >= d.limit || d.maxBytes > 0 && d.bytes+int64(len(m.Payload)) > d.maxBytes {
		return nil
	}
	return d.book(at, d.seq+1, m)
}

// start lets m wait in its room. done, if not nil, is told when it is kept, if
// there is a keeper.
func (d *delayed) start(e *delayedMessage, m *mqtt.Message, o durable.Origin, done func(error)) {
	d.keep(e, m, o, done) // before it can be published, and kept no more
	d.enter(e)
}

// book counts a message that is to wait; mu is held.
func (d *delayed) book(at int64, seq uint64, m *mqtt.Message) *delayedMessage {
	d.seq = max(d.seq, seq)
	d.n++
	d.bytes += int64(len(m.Payload))
	return &delayedMessage{at, seq, m}
}

// enter lets a message wait that was booked, unless it is undone already.
func (d *delayed) enter(e *delayedMessage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.msg != nil {
		heap.Push(&d.queue, e)
		d.wake()
	}
}

// remove books that a message waits no more, and returns it; nil: it has gone
// before. mu is held.
func (d *delayed) remove(e *delayedMessage) *mqtt.Message {
	m := e.msg
	if m != nil {
		d.n--
		d.bytes -= int64(len(m.Payload))
		e.msg = nil
	}
	return m
}

// wake schedules the timer for the earliest message; mu is held.
func (d *delayed) wake() {
	if len(d.queue) == 0 {
		return
	}
	if at := d.queue[0].at; d.timer == 0 || at < d.timer {
		d.br.wheel.set(d, d.timer, at)
		d.timer = at
	}
}

// Fire is Timer's: it publishes what is due.
func (d *delayed) Fire(b *Batch, at int64) {
	for _, e := range d.take(at, b.Now()) {
		e.msg.Timestamp = b.Now() // its way begins now
		d.br.Publish(b, nil, e.msg)
		d.forget(&e)
	}
}

// take takes the messages out that are due at now, if the timer was set for at.
func (d *delayed) take(at, now int64) (due []delayedMessage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at != d.timer {
		return nil
	}
	d.timer = 0
	for len(d.queue) > 0 && d.queue[0].at <= now {
		e := heap.Pop(&d.queue).(*delayedMessage)
		if m := d.remove(e); m != nil {
			due = append(due, delayedMessage{e.at, e.seq, m})
		}
	}
	d.wake()
	return due
}

func (d *delayed) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

// Delayed is a message that waits for its time.
type Delayed struct {
	At      int64         // Unix milliseconds
	Order   uint64        // of those that are due together
	Message *mqtt.Message // not to be changed
}

// Delayed are all messages that wait, in no order.
func (br *Broker) Delayed() []Delayed {
	d := &br.delayed
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]Delayed, 0, d.n)
	for _, e := range d.queue {
		if e.msg != nil {
			all = append(all, Delayed{e.at, e.seq, e.msg})
		}
	}
	return all
}

type delayedMessage struct {
	at  int64
	seq uint64        // messages due together keep their order
	msg *mqtt.Message // nil: it is undone, and falls out when its time has come
}

// delayedQueue is a heap.Interface, the earliest first.
type delayedQueue []*delayedMessage

func (q delayedQueue) Len() int { return len(q) }
func (q delayedQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q delayedQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *delayedQueue) Push(x any)   { *q = append(*q, x.(*delayedMessage)) }
func (q *delayedQueue) Pop() any {
	last := len(*q) - 1
	m := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return m
}
