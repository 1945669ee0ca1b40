package otel

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Names of spans, as in EMQX 5: what the broker does with a message, and what
// becomes of it for one subscriber.
const (
	spanProcess = "process_message"
	spanDeliver = "send_published_message"
)

// span is a thing that took time, with what is known of it.
type span struct {
	name     string
	kind     int
	context  spanContext
	parent   spanID // zero: none
	state    string // tracestate
	from, to int64  // Unix nanoseconds

	topic      string
	client     string
	size       int
	qos        mqtt.QoS
	deliveries int    // -1: the span is one
	failure    string // empty: none
}

// tracer makes spans of messages that are traced: those whose publisher gave
// them a context that says so, and if wished a share of the others. The context
// of the first span goes on with the message, so that a delivery finds it, now
// or when an absent client returns, and the subscriber as well.
type tracer struct {
	c     *TracesConfig
	queue *queue

	mu     sync.Mutex
	active map[spanID]*span // messages on their way through the broker
}

func newTracer(c *TracesConfig, q *queue) *tracer {
	return &tracer{c: c, queue: q, active: make(map[spanID]*span)}
}

// hookName and the priorities: messages are seen as other hooks have left them.
const (
	hookName = "opentelemetry"
	seesLast = -1 << 20
)

func (t *tracer) hang(p *hook.Points) error {
	err := p.MessagePublish.Add(hookName, seesLast, t.publish)
	if err == nil {
		err = p.MessageRouted.Add(hookName, seesLast, t.routed)
	}
	if err == nil {
		err = p.MessageDelivered.Add(hookName, seesLast, t.delivered)
	}
	if err == nil {
		err = p.DeliveryDropped.Add(hookName, seesLast, t.dropped)
	}
	return err
}

func (t *tracer) unhang(p *hook.Points) {
	p.MessagePublish.Remove(hookName)
	p.MessageRouted.Remove(hookName)
	p.MessageDelivered.Remove(hookName)
	p.DeliveryDropped.Remove(hookName)
}

// publish begins the span of a message that is traced.
func (t *tracer) publish(e *hook.MessagePublish) hook.Verdict {
	m := e.Message
	if m.Sys {
		return hook.Continue
	}
	c, state, has := contextOf(m)
	if has && !c.sampled || !has && !t.chosen() {
		return hook.Continue
	}
	s := &span{name: spanProcess, kind: kindInternal, parent: c.span, state: state, from: time.Now().UnixNano(),
		client: m.From, size: len(m.Payload), qos: m.QoS, topic: m.Topic}
	if s.context = (spanContext{c.trace, newSpanID(), true}); !has {
		s.context.trace, s.parent = newTraceID(), spanID{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.active) >= t.c.MaxQueue {
		t.queue.drop(dropFull, 1)
		return hook.Continue
	}
	t.active[s.context.span] = s
	e.Message = withContext(m, s.context)
	return hook.Continue
}

// chosen is true for the wanted share.
func (t *tracer) chosen() bool { return t.c.All && rand.IntN(100) < int(t.c.Ratio) }

// routed ends it.
func (t *tracer) routed(e *hook.MessageRouted) hook.Verdict {
	c, _, ok := contextOf(e.Message)
	if !ok || !c.sampled {
		return hook.Continue
	}
	t.mu.Lock()
	s := t.active[c.span]
	delete(t.active, c.span)
	t.mu.Unlock()
	if s == nil {
		return hook.Continue
	}
	if over := s.deliveries - t.c.MaxDeliveries; over > 0 {
		t.queue.drop(dropMany, over)
	}
	s.to, s.deliveries = time.Now().UnixNano(), e.Deliveries
	if e.Code.Failed() {
		s.failure = e.Code.String()
	}
	t.queue.put(*s)
	return hook.Continue
}

// delivered makes the span of a delivery that is written to a connection: it
// began when the message came.
func (t *tracer) delivered(e *hook.MessageDelivered) hook.Verdict {
	t.delivery(e.Client, e.Message, "")
	return hook.Continue
}

// dropped makes that of one which isn't.
func (t *tracer) dropped(e *hook.DeliveryDropped) hook.Verdict {
	t.delivery(e.Client, e.Message, e.Reason)
	return hook.Continue
}

func (t *tracer) delivery(to *hook.ClientInfo, m *mqtt.Message, failure string) {
	c, state, ok := contextOf(m)
	if !ok || !c.sampled {
		return
	}
	from := m.Timestamp * int64(time.Millisecond)
	t.mu.Lock()
	s := t.active[c.span]
	if s != nil {
		s.deliveries++
		from = s.from
	}
	many := s != nil && s.deliveries > t.c.MaxDeliveries
	t.mu.Unlock()
	if many || s == nil && m.Retain { // what is retained is no part of what happened when it was published
		return
	}
	t.queue.put(span{name: spanDeliver, kind: kindProducer, context: spanContext{c.trace, newSpanID(), true}, parent: c.span, state: state,
		from: from, to: max(time.Now().UnixNano(), from), topic: m.Topic, client: to.ClientID,
		size: len(m.Payload), qos: m.QoS, deliveries: -1, failure: failure})
}

func newTraceID() (id traceID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // not all zero
	return id
}

func newSpanID() (id spanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// tracesRequest is an ExportTraceServiceRequest.
func (e *Exporter) tracesRequest(spans []span) []byte {
	var m message
	m.inner(1, func() {
		e.resource(&m)
		m.inner(2, func() {
			e.scope(&m)
			for i := range spans {
				m.inner(2, func() { spans[i].write(&m) })
			}
		})
	})
	return m
}

// write writes a Span. The names of its attributes are those of OpenTelemetry's
// conventions for messaging.
func (s *span) write(m *message) {
	m.bytes(1, s.context.trace[:])
	m.bytes(2, s.context.span[:])
	m.text(3, s.state)
	if s.parent != (spanID{}) {
		m.bytes(4, s.parent[:])
	}
	m.text(5, s.name)
	m.number(6, uint64(s.kind))
	m.fixed64(7, uint64(s.from))
	m.fixed64(8, uint64(s.to))
	m.attribute(9, "messaging.system", "mqtt")
	m.attribute(9, "messaging.destination.name", s.topic)
	m.attribute(9, "messaging.client.id", s.client)
	m.attributeNumber(9, "messaging.message.body.size", int64(s.size))
	m.attributeNumber(9, "mqtt.qos", int64(s.qos))
	if s.deliveries >= 0 {
		m.attributeNumber(9, "mqtt.deliveries", int64(s.deliveries))
	}
	if s.failure != "" {
		m.inner(15, func() {
			m.text(2, s.failure)
			m.number(3, statusError)
		})
	}
	m.fixed32(16, flagIsSampled)
}
