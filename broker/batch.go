package broker

import (
	"log/slog"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// Batch is the work of one pass of a loop, or of one event elsewhere: it
// gathers the connections that got output, so that each is flushed once at
// the end, and holds the scratch space that routing needs. It is also the
// Sender of whichever session is being driven.
//
// A Batch belongs to one goroutine, and to one call of the broker at a time:
// a function on a hook that publishes needs another one.
type Batch struct {
	broker *Broker
	now    int64 // 0: not asked for in this pass

	touched []Conn
	routes  []*route
	decided []GroupKey // shared groups of this node that the message being routed has met

	// Outbox is what has been gathered for other nodes; Peers sets it, and End
	// flushes it. nil: nothing was.
	Outbox Outbox

	watch  stopwatch
	client *Client   // the one that is entered
	queued int       // what its session had queued before
	partly []*Client // that wait for more copies of the message that is being dispatched
	aside  bool      // durable sessions get what is being routed from the log
	drops  []hook.DeliveryDropped

	template mqtt.Template
	encoded  *mqtt.Message // what template holds
	counted  *mqtt.Message // what count is of
	count    *topicCount   // nil: that topic isn't counted
	options  mqtt.PublishOptions
	mounted  *mqtt.Message // what stripped was made of
	stripped mqtt.Message  // mounted without its mountpoint
}

// NewBatch makes a batch for one goroutine to use again and again.
func (br *Broker) NewBatch() *Batch {
	return &Batch{broker: br, watch: stopwatch{latency: br.count.latency}}
}

// Now is the time of this pass, Unix milliseconds; asked for once a pass.
func (b *Batch) Now() int64 {
	if b.now == 0 {
		b.lookAtClock()
	}
	return b.now
}

func (b *Batch) lookAtClock() {
	b.watch.began = time.Since(start)
	b.now = at(b.watch.began)
	b.watch.begin(b.now)
}

// Touch puts a connection on the list of those to flush. The connection calls
// it when its output was not on a list yet.
func (b *Batch) Touch(c Conn) { b.touched = append(b.touched, c) }

// End flushes every touched connection and makes the batch ready for the next
// pass. Nothing that the batch has sent is on its way before.
func (b *Batch) End() {
	for i, c := range b.touched {
		c.Flush()
		b.touched[i] = nil
	}
	b.touched = b.touched[:0]
	if b.Outbox != nil {
		b.Outbox.Flush()
	}
	b.watch.end()
	b.now = 0
	b.forget()
}

// forget lets go of the message that was sent last, which may be large, and if
// it was borrowed is another one soon.
func (b *Batch) forget() {
	b.counted, b.count = nil, nil
	if b.encoded != nil {
		b.template.Reset(nil)
		b.encoded = nil
		b.mounted, b.stripped = nil, mqtt.Message{}
	}
}

// Publish is session.Sender's: it writes one delivery to the client's
// connection.
func (b *Batch) Publish(d session.Delivery, id uint16, dup bool) bool {
	c, m := b.client, d.Msg
	if h := &b.broker.Hooks.MessageDelivered; !h.Empty() {
		e := hook.MessageDelivered{Client: c.info, Message: m}
		h.Run(&e)
		m = e.Message
	}
	if c.info.Mountpoint != "" {
		m = b.unmount(m, c.info.Mountpoint)
	}
	if b.encoded != m {
		b.template.Reset(m)
		b.encoded = m
	}
	b.options = mqtt.PublishOptions{QoS: d.QoS, Retain: d.Retain, Dup: dup, PacketID: id, Now: b.Now()}
	if d.Sub != nil {
		b.options.SubscriptionID = d.Sub.ID
	}
	if !c.conn.Send(b, &b.template, &b.options) {
		if dup { // it counts as completed [MQTT-3.1.2-25]
			c.settled(&d)
		}
		return false
	}
	if !dup {
		b.delivered(c, d.Msg, d.QoS, d.Retain)
	}
	return true
}

// delivered books what was handed to a connection for the first time.
func (b *Batch) delivered(c *Client, m *mqtt.Message, qos mqtt.QoS, retained bool) {
	br := b.broker
	br.count.delivered.Inc()
	if b.watch.runs {
		b.watch.delivered(m, retained, c.connectedAt, b.now)
	}
	if br.topics.all.Load() != nil {
		if b.counted != m {
			b.counted, b.count = m, br.topics.of(m.Topic)
		}
		if b.count != nil {
			b.count.out(qos)
		}
	}
	if br.slow != nil && qos == 0 && !retained {
		br.slow.completed(c.info.ClientID, m, c.sess.Created(), b.now, b.now)
	}
}

// unmount takes a mountpoint off the topic of a delivery, once for all clients
// that have it as they follow each other.
func (b *Batch) unmount(m *mqtt.Message, mount string) *mqtt.Message {
	if len(m.Topic) < len(mount) || m.Topic[:len(mount)] != mount {
		return m
	}
	if b.mounted == m && b.encoded == &b.stripped && len(b.stripped.Topic) == len(m.Topic)-len(mount) {
		return &b.stripped
	}
	b.mounted, b.stripped = m, *m
	b.stripped.Topic = m.Topic[len(mount):]
	b.encoded = nil
	return &b.stripped
}

// Ack is session.Sender's.
func (b *Batch) Ack(kind mqtt.Type, id uint16, code mqtt.ReasonCode) {
	b.client.conn.SendAck(b, kind, id, code)
}

// Full is session.Sender's.
func (b *Batch) Full() bool { return b.client.conn != nil && b.client.conn.Full() }

// Dropped is session.Sender's. It counts the drop; the hook hears of it when
// the client is left.
func (b *Batch) Dropped(d session.Delivery, why session.Drop) {
	b.broker.count.drop(why)
	b.broker.guards.settle(d.Msg)
	b.client.settled(&d)
	b.broker.account.ofDropped[why].add(b.client.info.ClientID, d.Msg.Topic)
	b.client.traceDelivery(d, slog.LevelWarn, "dropped", why.String())
	if b.broker.Hooks.DeliveryDropped.Empty() {
		return
	}
	b.drops = append(b.drops, hook.DeliveryDropped{Client: b.client.info, Message: d.Msg, Reason: why.String()})
}

// tellDrops runs the hook delivery.dropped for what was dropped while a client
// was entered.
func (b *Batch) tellDrops() {
	for i := range b.drops {
		b.broker.Hooks.DeliveryDropped.Run(&b.drops[i])
	}
	clear(b.drops)
	b.drops = b.drops[:0]
}
