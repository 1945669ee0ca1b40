package broker

import (
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/session"
)

// counters are what the broker counts, under EMQ X's names where it has one.
//
// The ledger of deliveries always balances, for every match of a message with
// a subscription is booked once when it happens and once for what became of
// it:
//
//	matched + redispatched + moved in = delivered + queued + Σ dropped{reason} + moved out
//
// where dropped{expired} is the "expired" of the equation. A delivery counts
// as delivered when it is first handed to a connection; if a member of a
// shared group goes away with it unacknowledged, it is booked again as
// redispatched. What moves to another node is matched or moved in there. Ledger
// reads all terms.
type counters struct {
	published     *metrics.Counter
	dropped       *metrics.Counter
	unkept        *metrics.Counter
	forwarded     *metrics.Counter
	retained      *metrics.Counter
	acked         *metrics.Counter
	delayed       *metrics.Counter
	delayedFailed *metrics.Counter
	// awaitRelTimeouts are QoS 2 identifiers that were forgotten; EMQ X counts
	// them as dropped messages, though they were routed when they came.
	awaitRelTimeouts *metrics.Counter

	matched         *metrics.Counter
	redispatched    *metrics.Counter
	movedIn         *metrics.Counter
	movedOut        *metrics.Counter
	delivered       *metrics.Counter
	queued          *metrics.Gauge
	deliveryDropped *metrics.Counter
	drops           [session.Unsubscribed + 1]*metrics.Counter // by session.Drop, which begins at 1

	latency *metrics.Histogram

	connect, connack, subscribe, unsubscribe *metrics.Counter // runs of the client.* hooks

	clientConnected    *metrics.Counter
	clientDisconnected *metrics.Counter

	sessionCreated    *metrics.Counter
	sessionResumed    *metrics.Counter
	sessionTakenOver  *metrics.Counter
	sessionDiscarded  *metrics.Counter
	sessionTerminated *metrics.Counter

	connections         *metrics.Stat
	sessions            *metrics.Stat
	subscriptions       *metrics.Stat
	sharedSubscriptions *metrics.Stat
	persistent          *metrics.Stat
	sampled             []sampled
}

// sampled is a stat that is read once a second instead of kept up to date.
type sampled struct {
	stats []*metrics.Stat
	read  func() int
}

func (br *Broker) newCounters(r *metrics.Registry) {
	c := &br.count
	*c = counters{
		published: r.Counter("messages.publish", "messages that entered the broker, $SYS excluded"),
		dropped:   r.Counter("messages.dropped", "messages dropped before they were delivered to anybody"),
		unkept:    r.Counter("messages.not_kept", "messages for durable sessions that live in memory, as the log didn't take them"),
		retained:  r.Counter("messages.retained", "messages that came with the retain flag"),
		forwarded: r.Counter("messages.forward", "messages sent to another node, once for each node and for each shared group with members elsewhere"),
		acked:     r.Counter("messages.acked", "deliveries that the client acknowledged by PUBACK or PUBREC"),

		delayed:          r.Counter("messages.delayed", "messages put aside for later by $delayed"),
		delayedFailed:    r.Counter("messages.delayed.failed", "delayed messages dropped as they could not be kept"),
		awaitRelTimeouts: r.Counter("messages.dropped.await_pubrel_timeout", "QoS 2 messages whose PUBREL didn't come in time"),

		matched:         r.Counter("deliveries.matched", "matches of a message with a subscription"),
		redispatched:    r.Counter("deliveries.redispatched", "deliveries taken back from a member of a shared group that went away"),
		movedIn:         r.Counter("deliveries.moved.in", "deliveries that came with sessions from other nodes"),
		movedOut:        r.Counter("deliveries.moved.out", "deliveries that went to other nodes: with sessions, or to other members of a shared group"),
		delivered:       r.Counter("messages.delivered", "deliveries handed to a connection for the first time"),
		queued:          r.Gauge("deliveries.queued", "deliveries that wait in the queues of sessions"),
		deliveryDropped: r.Counter("delivery.dropped", "deliveries dropped, for all reasons together"),

		latency: r.Histogram("messages.latency", "deliveries, by the microseconds from the PUBLISH to the receivers' sockets; a sample", latencies()),

		connect:     r.Counter("client.connect", "CONNECT packets before any check"),
		connack:     r.Counter("client.connack", "CONNACK packets about to be sent"),
		subscribe:   r.Counter("client.subscribe", "SUBSCRIBE packets"),
		unsubscribe: r.Counter("client.unsubscribe", "UNSUBSCRIBE packets"),

		clientConnected:    r.Counter("client.connected", "connections accepted"),
		clientDisconnected: r.Counter("client.disconnected", "accepted connections that ended"),

		sessionCreated:    r.Counter("session.created", "sessions begun"),
		sessionResumed:    r.Counter("session.resumed", "sessions continued by a new connection"),
		sessionTakenOver:  r.Counter("session.takeovered", "sessions taken over from a connection that was still open"),
		sessionDiscarded:  r.Counter("session.discarded", "sessions ended by a clean start"),
		sessionTerminated: r.Counter("session.terminated", "sessions ended otherwise"),

		connections:         r.Stat("connections", "connected clients"),
		sessions:            r.Stat("sessions", "sessions, of connected and absent clients"),
		subscriptions:       r.Stat("subscriptions", "subscriptions of all sessions"),
		persistent:          r.Stat("sessions.persistent", "sessions whose client connected without a clean start; EMQ X 3 has it"),
		sharedSubscriptions: r.Stat("subscriptions.shared", "subscriptions in shared groups"),
	}
	for d := session.NoLocal; d <= session.Unsubscribed; d++ {
		c.drops[d] = r.Counter("delivery.dropped."+d.String(), "deliveries dropped for this reason")
	}
	topics := []*metrics.Stat{r.Stat("topics", "distinct topic filters"), r.Stat("routes", "distinct topic filters, as routes of this node")}
	entries := []*metrics.Stat{r.Stat("subscribers", "pairs of filter and subscriber"), r.Stat("suboptions", "subscription option records")}
	c.sampled = []sampled{
		{[]*metrics.Stat{c.sessions, r.Stat("channels", "the same as sessions")}, br.clients.len},
		{topics, br.index.Filters},
		{entries, func() int { return int(c.subscriptions.Value()) }},
		{[]*metrics.Stat{r.Stat("retained", "retained messages")}, br.Retained.Len},
		{[]*metrics.Stat{r.Stat("delayed", "delayed messages that wait")}, br.delayed.len},
		{[]*metrics.Stat{r.Stat("live_connections", "clients connected right now")}, func() int { return int(c.connections.Value()) }},
	}
}

// sample brings the sampled stats up to date.
func (br *Broker) sample() {
	for _, s := range br.count.sampled {
		n := int64(s.read())
		for _, stat := range s.stats {
			stat.Set(n)
		}
	}
}

func (c *counters) drop(why session.Drop) { c.dropMany(why, 1) }

func (c *counters) dropMany(why session.Drop, n uint64) {
	c.deliveryDropped.Add(n)
	c.drops[why].Add(n)
}

// Ledger is the account of all deliveries since the start.
type Ledger struct {
	Matched, Redispatched uint64
	MovedIn, MovedOut     uint64 // from and to other nodes
	Delivered             uint64
	Queued                int64
	Dropped               map[string]uint64 // by reason, expired included
}

// Ledger reads the account. It balances exactly while no message is on its
// way; on a busy broker the terms are read a moment apart.
func (br *Broker) Ledger() Ledger {
	c := &br.count
	l := Ledger{
		Matched: c.matched.Value(), Redispatched: c.redispatched.Value(), MovedIn: c.movedIn.Value(), MovedOut: c.movedOut.Value(), Delivered: c.delivered.Value(),
		Queued: c.queued.Value(), Dropped: make(map[string]uint64),
	}
	for d := session.NoLocal; d <= session.Unsubscribed; d++ {
		l.Dropped[d.String()] = c.drops[d].Value()
	}
	return l
}

// Balance is what came in less what became of it: 0 if nothing was lost.
func (l Ledger) Balance() int64 {
	out := int64(l.Delivered+l.MovedOut) + l.Queued
	for _, n := range l.Dropped {
		out += int64(n)
	}
	return int64(l.Matched+l.Redispatched+l.MovedIn) - out
}
