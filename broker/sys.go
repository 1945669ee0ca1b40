package broker

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// sysDescription is what $SYS/brokers/<node>/sysdescr says.
const sysDescription = "Dunlin"

// sampleInterval is how often the stats that are not kept up to date are read.
const sampleInterval = time.Second

// sysTopics publishes the node's facts on $SYS: a Timer that schedules itself.
type sysTopics struct {
	br      *Broker
	publish func(*Batch)

	mu       sync.Mutex
	interval time.Duration // 0: never
	due      int64         // what it is scheduled for, Unix milliseconds; 0: it isn't
}

// Fire is Timer's.
func (s *sysTopics) Fire(b *Batch, at int64) {
	if !s.take(at) {
		return
	}
	s.publish(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due == 0 { // nobody has changed the interval meanwhile
		s.schedule(at)
	}
}

// take reports whether it is at that it was scheduled for.
func (s *sysTopics) take(at int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at != s.due {
		return false
	}
	s.due = 0
	return true
}

// every sets how often it publishes; the first time is one interval from now,
// as in EMQ X.
func (s *sysTopics) every(interval time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if interval != s.interval {
		s.interval = interval
		s.schedule(Now())
	}
}

// schedule has the next one come an interval after the last one was due, or
// after now if that has passed while the machine slept. mu is held.
func (s *sysTopics) schedule(last int64) {
	old := s.due
	s.due = 0
	if s.interval > 0 {
		step := s.interval.Milliseconds()
		s.due = last + step
		if now := Now(); s.due < now {
			s.due = now + step
		}
	}
	s.br.wheel.set(s, old, s.due)
}

// newSys makes the periodic topics, which Change schedules.
func (br *Broker) newSys() {
	br.facts = &sysTopics{br: br, publish: br.publishNode}
	br.heartbeat = &sysTopics{br: br, publish: br.publishHeartbeat}
	(&sysTopics{br: br, publish: func(*Batch) { br.sample() }}).every(sampleInterval)
}

func (br *Broker) publishNode(b *Batch) {
	nodes := br.node
	if br.nodes != nil {
		nodes = strings.Join(br.nodes(), ",")
	}
	br.publishSys(b, "$SYS/brokers", []byte(nodes), 0, true)
	br.publishSys(b, br.sysPrefix+"version", []byte(br.version), 0, true)
	br.publishSys(b, br.sysPrefix+"sysdescr", []byte(sysDescription), 0, true)
	var samples []metrics.Sample // all read before the first is published, for that counts as well
	br.registry.Each(func(s metrics.Sample) { samples = append(samples, s) })
	for _, s := range samples {
		br.publishSample(b, s)
	}
}

// publishSample publishes one stat or metric: stats in EMQ X's two spellings,
// metrics under the names of its earlier versions too.
func (br *Broker) publishSample(b *Batch, s metrics.Sample) {
	value := strconv.AppendInt(nil, s.Value, 10)
	slashed := strings.ReplaceAll(s.Name, ".", "/")
	if strings.HasSuffix(s.Name, ".count") || strings.HasSuffix(s.Name, ".max") {
		br.publishSys(b, br.sysPrefix+"stats/"+s.Name, value, 0, false)
		br.publishSys(b, br.sysPrefix+"stats/"+slashed, value, 0, false)
		return
	}
	br.publishSys(b, br.sysPrefix+"metrics/"+slashed, value, 0, false)
	for _, former := range formerNames[s.Name] {
		br.publishSys(b, br.sysPrefix+"metrics/"+strings.ReplaceAll(former, ".", "/"), value, 0, false)
	}
}

func (br *Broker) publishHeartbeat(b *Batch) {
	br.publishSys(b, br.sysPrefix+"uptime", []byte(Uptime(time.Since(start))), 0, false)
	br.publishSys(b, br.sysPrefix+"datetime", []byte(time.Now().Format(time.DateTime)), 0, false)
}

// publishSys publishes one of the broker's own messages.
func (br *Broker) publishSys(b *Batch, name string, payload []byte, qos mqtt.QoS, retain bool) {
	br.Publish(b, nil, &mqtt.Message{
		Topic: name, Payload: payload, QoS: qos, Retain: retain, Sys: true, From: br.node, Timestamp: b.Now(),
	})
}

// Uptime writes a duration as EMQ X does: "2 days, 4 hours, 21 minutes, 19
// seconds", without leading zero units.
func Uptime(d time.Duration) string {
	s := int64(d / time.Second)
	text := fmt.Sprintf("%d seconds", s%60)
	for _, u := range []struct {
		name string
		size int64
		mod  int64
	}{{"minutes", 60, 60}, {"hours", 3600, 24}, {"days", 86400, 1 << 40}} {
		if s >= u.size {
			text = fmt.Sprintf("%d %s, %s", s/u.size%u.mod, u.name, text)
		}
	}
	return text
}
