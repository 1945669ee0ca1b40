package broker

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// maxCounted is how many topics are counted by themselves at most, as in EMQ X.
const maxCounted = 512

const (
	rateEvery  = time.Second
	rateWindow = 5 // seconds over which a rate is smoothed, as in EMQ X
)

// Errors of CountTopic.
var (
	ErrCounted       = errors.New("this topic is counted already")
	ErrTooManyTopics = errors.New("512 topics are counted already")
)

// topicCounts counts the messages of topics that were chosen. Who routes looks
// at one pointer, which is nil as long as none is.
type topicCounts struct {
	br  *Broker
	all atomic.Pointer[map[string]*topicCount] // the map is never changed, only replaced

	mu    sync.Mutex // of changes of all, and of rates
	timer int64      // when the wheel fires; 0: not scheduled
}

// topicCount is what is counted of one topic.
type topicCount struct {
	counted [7]atomic.Uint64 // by QoS in, by QoS out, dropped
	rates   [7]rate
}

const (
	countOut     = 3
	countDropped = 6
)

// rate is how much a count grows in a second, smoothed.
type rate struct {
	before uint64
	per    float64
}

func (r *rate) tick(now uint64) {
	r.per = (r.per*(rateWindow-1) + float64(now-r.before)/rateEvery.Seconds()) / rateWindow
	r.before = now
}

// of is the count of a topic; nil: it isn't counted.
func (t *topicCounts) of(name string) *topicCount {
	all := t.all.Load()
	if all == nil {
		return nil
	}
	return (*all)[name]
}

func (c *topicCount) in(q mqtt.QoS)  { c.counted[q].Add(1) }
func (c *topicCount) out(q mqtt.QoS) { c.counted[countOut+q].Add(1) }
func (c *topicCount) dropped()       { c.counted[countDropped].Add(1) }

// Rated is a count and how fast it grows, in a second.
type Rated struct {
	Count uint64
	Rate  float64
}

// TopicCount is what was counted of one topic since CountTopic.
type TopicCount struct {
	Topic   string
	In, Out [3]Rated // messages published and deliveries handed to connections, by QoS
	Dropped Rated    // messages that nobody subscribed to
}

// CountTopic begins to count the messages of a topic. The error is ErrCounted,
// ErrTooManyTopics, or that this is no topic name.
func (br *Broker) CountTopic(name string) error {
	if err := topic.ValidName(name); err != nil {
		return err
	}
	t := &br.topics
	t.mu.Lock()
	defer t.mu.Unlock()
	next := make(map[string]*topicCount)
	if all := t.all.Load(); all != nil {
		for name, c := range *all {
			next[name] = c
		}
	}
	switch {
	case next[name] != nil:
		return ErrCounted
	case len(next) >= maxCounted:
		return ErrTooManyTopics
	}
	next[strings.Clone(name)] = new(topicCount)
	t.all.Store(&next)
	t.schedule(Now())
	return nil
}

// UncountTopic forgets what was counted of a topic; false: nothing was.
func (br *Broker) UncountTopic(name string) bool {
	t := &br.topics
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of(name) == nil {
		return false
	}
	next := make(map[string]*topicCount)
	for other, c := range *t.all.Load() {
		if other != name {
			next[other] = c
		}
	}
	if len(next) == 0 {
		t.all.Store(nil)
	} else {
		t.all.Store(&next)
	}
	return true
}

// UncountTopics forgets all that was counted of single topics.
func (br *Broker) UncountTopics() {
	t := &br.topics
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all.Store(nil)
}

// TopicCounts are the topics that are counted, in the order of their names.
func (br *Broker) TopicCounts() (rows []TopicCount) {
	t := &br.topics
	t.mu.Lock()
	defer t.mu.Unlock()
	if all := t.all.Load(); all != nil {
		for name, c := range *all {
			rows = append(rows, c.row(name))
		}
	}
	slices.SortFunc(rows, func(a, b TopicCount) int { return strings.Compare(a.Topic, b.Topic) })
	return rows
}

// TopicCount is what was counted of a topic; false: it isn't counted.
func (br *Broker) TopicCount(name string) (row TopicCount, ok bool) {
	t := &br.topics
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.of(name)
	if c == nil {
		return row, false
	}
	return c.row(name), true
}

// row reads the counts; the lock of the rates is held.
func (c *topicCount) row(name string) TopicCount {
	at := func(i int) Rated { return Rated{c.counted[i].Load(), c.rates[i].per} }
	row := TopicCount{Topic: name, Dropped: at(countDropped)}
	for q := range row.In {
		row.In[q], row.Out[q] = at(q), at(countOut+q)
	}
	return row
}

// schedule has the rates taken in a second; mu is held.
func (t *topicCounts) schedule(now int64) {
	if t.timer == 0 && t.all.Load() != nil {
		t.timer = now + rateEvery.Milliseconds()
		t.br.wheel.set(t, 0, t.timer)
	}
}

// Fire is Timer's: it takes the rates, as long as there is something to count.
func (t *topicCounts) Fire(_ *Batch, at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at != t.timer {
		return
	}
	t.timer = 0
	all := t.all.Load()
	if all == nil {
		return
	}
	for _, c := range *all {
		for i := range c.rates {
			c.rates[i].tick(c.counted[i].Load())
		}
	}
	t.schedule(at)
}
