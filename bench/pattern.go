package bench

import (
	"fmt"
	"strconv"
	"time"
)

// verb is one traffic pattern that the tool knows by name.
type verb struct {
	help                  string
	publishes, subscribes bool
	stored                bool   // subscribers are away while the others publish
	count                 int    // default of --count
	topic                 string // default of --topic
	warmup, seconds       time.Duration
	plan                  func(o *options) *plan
}

// verbs is the whole list; nothing changes it.
var verbs = map[string]verb{
	"conn": {help: "connect and stay connected", count: 200, plan: planConn},
	"pub":  {help: "connect and publish", publishes: true, count: 200, plan: planPub},
	"sub":  {help: "connect, subscribe and count what arrives", subscribes: true, count: 200, plan: planSub},
	"offline": {
		help:      "fill sessions whose clients are away, let these come back, and count what is lost or comes twice",
		publishes: true, subscribes: true, stored: true, count: 1, topic: "bench", plan: planOffline,
	},
	"roundtrip": {
		help:      "publish, take it back, and count what is lost, late or comes twice",
		publishes: true, subscribes: true, count: 1, topic: "bench",
		warmup: time.Second, seconds: 10 * time.Second, plan: planRoundtrip,
	},
}

// plan says who takes part in a run and what each of them does. Clients are
// numbered: subscribers first, then publishers, then idle ones.
type plan struct {
	subscribers, publishers, idle int

	filters    int                           // of one subscriber
	filter     func(c *client, k int) string // the k-th of them
	idleFilter func(c *client) string        // nil: idle clients subscribe to nothing

	// topic says where the publisher sends the run's message number n, and how
	// many deliveries it should cause.
	topic func(c *client, n uint64) (topic string, copies int)

	eager   bool // traffic counts from the start, not only once all are connected
	stored  bool // deliveries wait until all is published
	single  bool // no message goes to more than one subscriber
	ordered bool // a publisher's messages have to reach each subscriber in their order
	slow    int  // the last subscribers, which stop reading for a while
}

func planConn(o *options) *plan { return &plan{idle: o.count} }

func planPub(o *options) *plan {
	topics := make([]string, o.count)
	return &plan{publishers: o.count, eager: !o.wait, topic: func(c *client, _ uint64) (string, int) {
		if topics[c.number] == "" {
			topics[c.number] = o.replace(o.topic, c.id, o.startNumber+c.number)
		}
		return topics[c.number], 0
	}}
}

func planSub(o *options) *plan {
	return &plan{subscribers: o.count, filters: 1, eager: true, filter: func(c *client, _ int) string {
		return o.replace(o.topic, c.id, o.startNumber+c.number)
	}}
}

// planRoundtrip lets publisher i publish to topic i mod N and subscribers take
// what --filter says.
func planRoundtrip(o *options) *plan {
	p := &plan{
		subscribers: o.subscribers, publishers: o.publishers, idle: o.idle, slow: o.slow, filters: 1,
		idleFilter: func(c *client) string { return fmt.Sprintf("%s-idle/%d", o.topic, c.number) },
		single:     o.filter == "shared" || o.filter == "mixed" || o.filter == "own" && o.topics >= o.subscribers,
		ordered:    o.filter != "shared" && o.filter != "mixed" && !o.spread, // one topic for each publisher
	}
	if o.filter == "mixed" {
		all := uint64(o.subscribers * o.filters)
		p.filters = o.filters
		p.filter = func(c *client, k int) string { return mixedFilter(o.topic, c.number*o.filters+k) }
		p.topic = func(_ *client, n uint64) (string, int) {
			return mixedTopic(o.topic, int(n%max(all, 1))), min(o.subscribers, 1)
		}
		return p
	}
	topics := make([]string, o.topics)
	for i := range topics {
		topics[i] = o.topic + "/" + strconv.Itoa(i)
	}
	p.topic = func(c *client, n uint64) (string, int) {
		k := (c.number - o.subscribers) % o.topics
		if o.spread {
			k = int(n % uint64(o.topics))
		}
		return topics[k], o.copies(k)
	}
	p.filter = func(c *client, _ int) string {
		switch o.filter {
		case "all":
			return o.topic + "/#"
		case "plus":
			return o.topic + "/+"
		case "shared":
			return "$share/g/" + o.topic + "/#"
		}
		return topics[c.number%o.topics]
	}
	return p
}

// copies is the number of subscribers, the slow ones apart, that a message to
// topic k should reach.
func (o *options) copies(k int) int {
	switch o.filter {
	case "own":
		return (o.subscribers + o.topics - 1 - k) / o.topics
	case "shared":
		return min(o.subscribers, 1)
	}
	return o.subscribers - o.slow
}

// mixedFilter is filter number n of all: every other one has two wildcards,
// and each matches mixedTopic(n) and no other topic of these.
func mixedFilter(topic string, n int) string {
	if n%2 == 0 {
		return topic + "/site/y/" + strconv.Itoa(n)
	}
	return topic + "/+/x/" + strconv.Itoa(n) + "/#"
}

func mixedTopic(topic string, n int) string {
	if n%2 == 0 {
		return topic + "/site/y/" + strconv.Itoa(n)
	}
	return topic + "/site/x/" + strconv.Itoa(n) + "/t"
}
