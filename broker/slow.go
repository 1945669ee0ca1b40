package broker

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// SlowConfig is module.slow_subs.*, with EMQ X's defaults.
type SlowConfig struct {
	On config.Flag `conf:"."`

	Threshold time.Duration `conf:"threshold"`                 // what takes longer is listed
	Expire    time.Duration `conf:"expire_interval"`           // how long, since it was so slow last
	Most      int           `conf:"top_k_num" range:"1..1000"` // rows of the list
	// Type is which time counts: whole is from the message's arrival to its
	// acknowledgement, internal to its first sending, response from there.
	Type string `conf:"stats_type" oneof:"whole internal response"`

	NoticeEvery time.Duration `conf:"notice_interval"` // of the list on $SYS; 0 never
	NoticeQoS   int           `conf:"notice_qos" range:"0..2"`
	NoticeBatch int           `conf:"notice_batch_size" range:"1.."` // rows of a message
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *SlowConfig) SetDefaults() {
	*c = SlowConfig{
		Threshold: 500 * time.Millisecond, Expire: 5 * time.Minute, Most: 10, Type: "whole", NoticeBatch: 500,
	}
}

// slowTidy is how often rows that have expired are looked for.
const slowTidy = 10 * time.Second

// SlowSubscription is a client that takes long over the messages of a topic.
type SlowSubscription struct {
	ClientID, Topic string
	Took            int64 // milliseconds, at the worst
	At              int64 // when it did, Unix milliseconds
}

type slowKey struct{ clientID, topic string }

type slowValue struct{ took, at int64 }

// slowSubscriptions are the slowest pairs of client and topic.
type slowSubscriptions struct {
	br  *Broker
	cfg SlowConfig

	// floor is what a delivery must exceed to change the list: the threshold,
	// or more when the list is full. It spares all others the lock.
	floor atomic.Int64

	mu   sync.Mutex
	rows map[slowKey]slowValue
}

// startSlow makes the list and schedules what it does by itself; nil: it is
// off.
func (br *Broker) startSlow() *slowSubscriptions {
	cfg := br.modules.Slow
	if !cfg.On {
		return nil
	}
	s := &slowSubscriptions{br: br, cfg: cfg, rows: make(map[slowKey]slowValue)}
	s.floor.Store(cfg.Threshold.Milliseconds())
	(&sysTopics{br: br, publish: func(b *Batch) { s.tidy(b.Now()) }}).every(slowTidy)
	(&sysTopics{br: br, publish: s.publish}).every(cfg.NoticeEvery)
	return s
}

// completed is told of each delivery that has come to its end: acknowledged,
// or at QoS 0 handed to the connection. sent is when it was sent first. What is
// older than the session was retained, and nobody was slow.
func (s *slowSubscriptions) completed(clientID string, m *mqtt.Message, created, sent, now int64) {
	took := now - m.Timestamp
	switch s.cfg.Type {
	case "internal":
		took = sent - m.Timestamp
	case "response":
		took = now - sent
	}
	if took > s.floor.Load() && m.Timestamp > created {
		s.add(slowKey{clientID, m.Topic}, slowValue{took, now})
	}
}

// add puts a pair in its place, if it is slower than before.
func (s *slowSubscriptions) add(k slowKey, v slowValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, listed := s.rows[k]
	if v.took <= old.took {
		return
	}
	if !listed {
		k = slowKey{strings.Clone(k.clientID), strings.Clone(k.topic)}
		if len(s.rows) >= s.cfg.Most {
			fastest, took := s.fastest()
			if v.took <= took {
				return
			}
			delete(s.rows, fastest)
		}
	}
	s.rows[k] = v
	s.raise()
}

// fastest is the row that has to go first; mu is held.
func (s *slowSubscriptions) fastest() (k slowKey, took int64) {
	first := true
	for other, v := range s.rows {
		if first || v.took < took {
			k, took, first = other, v.took, false
		}
	}
	return k, took
}

// raise puts the floor where the list has it; mu is held.
func (s *slowSubscriptions) raise() {
	floor := s.cfg.Threshold.Milliseconds()
	if len(s.rows) >= s.cfg.Most {
		_, took := s.fastest()
		floor = max(floor, took)
	}
	s.floor.Store(floor)
}

// tidy takes out what was not slow lately.
func (s *slowSubscriptions) tidy(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.rows {
		if now-v.at >= s.cfg.Expire.Milliseconds() {
			delete(s.rows, k)
		}
	}
	s.raise()
}

// SlowSubscriptions are the slowest, the worst first; on is whether they are
// looked for at all.
func (br *Broker) SlowSubscriptions() (rows []SlowSubscription, on bool) {
	s := br.slow
	if s == nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.rows {
		rows = append(rows, SlowSubscription{k.clientID, k.topic, v.took, v.at})
	}
	slices.SortFunc(rows, func(a, b SlowSubscription) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), strings.Compare(a.ClientID, b.ClientID), strings.Compare(a.Topic, b.Topic))
	})
	return rows, true
}

// ForgetSlowSubscriptions empties the list.
func (br *Broker) ForgetSlowSubscriptions() {
	if s := br.slow; s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		clear(s.rows)
		s.raise()
	}
}

// slowNotice is a part of the list as it is published.
type slowNotice struct {
	LastTickAt int64        `json:"last_tick_at"` // Unix milliseconds
	Logs       []slowLogRow `json:"logs"`
}

type slowLogRow struct {
	ClientID string `json:"clientid"`
	Node     string `json:"node"`
	Topic    string `json:"topic"`
	Timespan int64  `json:"timespan"`
	At       int64  `json:"last_update_time"`
}

// publish tells $SYS of the list, in parts.
func (s *slowSubscriptions) publish(b *Batch) {
	rows, _ := s.br.SlowSubscriptions()
	for part := range slices.Chunk(rows, s.cfg.NoticeBatch) {
		n := slowNotice{LastTickAt: b.Now()}
		for _, r := range part {
			n.Logs = append(n.Logs, slowLogRow{r.ClientID, s.br.node, r.Topic, r.Took, r.At})
		}
		payload, err := json.Marshal(n)
		if err != nil {
			s.br.log.Error("the slow subscriptions can't be published", "err", err)
			return
		}
		s.br.publishSys(b, s.br.sysPrefix+"slow_subs", payload, mqtt.QoS(s.cfg.NoticeQoS), false)
	}
}
