package broker

import (
	"container/heap"
	"strconv"
	"strings"
	"sync"

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
	mu    sync.Mutex
	queue delayedQueue
	seq   uint64
	timer int64 // when the wheel will fire; 0: not scheduled
	limit int   // messages; 0: no bound
	br    *Broker
}

// take keeps m for later, if its topic is a valid delayed one; if not, it is a
// topic like any other.
func (d *delayed) take(br *Broker, m *mqtt.Message, now int64) bool {
	at, name, ok := parseDelayed(m.Topic, now)
	if !ok {
		br.log.Warn("a delayed message has no valid delay; it is routed to its literal topic",
			"topic", m.Topic, "client", m.From, "expected", "$delayed/<seconds>/<topic>, seconds from 1 to 4294966 or a Unix time")
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit > 0 && len(d.queue) >= d.limit {
		br.count.dropped.Inc()
		br.log.Warn("a delayed message is dropped: the table is full", "topic", m.Topic, "client", m.From, "limit", d.limit)
		return true
	}
	k := m.Keep().Copy()
	k.Topic = name
	d.seq++
	heap.Push(&d.queue, delayedMessage{at, d.seq, k})
	d.wake(d.queue[0].at)
	return true
}

func parseDelayed(name string, now int64) (at int64, rest string, ok bool) {
	digits, rest, found := strings.Cut(name[len(delayedPrefix):], "/")
	seconds, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || !found || rest == "" || seconds <= 0:
		return 0, "", false
	case seconds < delayedMax:
		return now + seconds*1000, rest, true
	}
	at = seconds * 1000
	if seconds > 1<<40 || at < now || at-now > delayedMax*1000 {
		return 0, "", false
	}
	return at, rest, true
}

func (d *delayed) wake(at int64) {
	if d.timer == 0 || at < d.timer {
		d.timer = at
		d.br.wheel.schedule(d, at)
	}
}

// Fire is Timer's: it publishes what is due.
func (d *delayed) Fire(b *Batch, at int64) {
	d.mu.Lock()
	if at != d.timer {
		d.mu.Unlock()
		return
	}
	d.timer = 0
	var due []*mqtt.Message
	for len(d.queue) > 0 && d.queue[0].at <= b.Now() {
		due = append(due, heap.Pop(&d.queue).(delayedMessage).msg)
	}
	if len(d.queue) > 0 {
		d.wake(d.queue[0].at)
	}
	d.mu.Unlock()
	for _, m := range due {
		d.br.Publish(b, nil, m.Copy())
	}
}

func (d *delayed) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.queue)
}

type delayedMessage struct {
	at  int64
	seq uint64 // messages due together keep their order
	msg *mqtt.Message
}

// delayedQueue is a heap.Interface, the earliest first.
type delayedQueue []delayedMessage

func (q delayedQueue) Len() int { return len(q) }
func (q delayedQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q delayedQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *delayedQueue) Push(x any)   { *q = append(*q, x.(delayedMessage)) }
func (q *delayedQueue) Pop() any {
	last := len(*q) - 1
	m := (*q)[last]
	(*q)[last] = delayedMessage{}
	*q = (*q)[:last]
	return m
}
