package otel

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Names of spans, as in EMQX 5: what the broker does with a message, and what
// becomes of it for one subscriber.
const (
	spanProcess = "process_message"
	spanDeliver = "send_published_message"
)

// flagIsSampled is the flag of a trace's context, and of its spans.
const flagIsSampled = 1

// span is a thing that took time, with what is known of it.
type span struct {
	name     string
	kind     otlp.Span_SpanKind
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
	s := &span{name: spanProcess, kind: otlp.Span_SPAN_KIND_INTERNAL, parent: c.span, state: state, from: time.Now().UnixNano(),
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
	t.queue.put(span{name: spanDeliver, kind: otlp.Span_SPAN_KIND_PRODUCER, context: spanContext{c.trace, newSpanID(), true}, parent: c.span, state: state,
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

// tracesRequest is what is sent of spans.
func (e *Exporter) tracesRequest(spans []span) *collectortraces.ExportTraceServiceRequest {
	scoped := &otlp.ScopeSpans{Scope: e.scope(), Spans: make([]*otlp.Span, len(spans))}
	for i := range spans {
		scoped.Spans[i] = spans[i].otlp()
	}
	return &collectortraces.ExportTraceServiceRequest{
		ResourceSpans: []*otlp.ResourceSpans{{Resource: e.resource(), ScopeSpans: []*otlp.ScopeSpans{scoped}}},
	}
}

// otlp is the span as it is sent; it shares the memory of its IDs with s. The
// names of its attributes are those of OpenTelemetry's conventions for messaging.
func (s *span) otlp() *otlp.Span {
	o := &otlp.Span{
		TraceId: s.context.trace[:], SpanId: s.context.span[:], TraceState: valid(s.state),
		Name: s.name, Kind: s.kind, StartTimeUnixNano: uint64(s.from), EndTimeUnixNano: uint64(s.to),
		Attributes: []*common.KeyValue{
			attribute("messaging.system", "mqtt"),
			attribute("messaging.destination.name", s.topic),
			attribute("messaging.client.id", s.client),
			attributeNumber("messaging.message.body.size", int64(s.size)),
			attributeNumber("mqtt.qos", int64(s.qos)),
		},
		Flags: flagIsSampled,
	}
	if s.parent != (spanID{}) {
		o.ParentSpanId = s.parent[:]
	}
	if s.deliveries >= 0 {
		o.Attributes = append(o.Attributes, attributeNumber("mqtt.deliveries", int64(s.deliveries)))
	}
	if s.failure != "" {
		o.Status = &otlp.Status{Message: valid(s.failure), Code: otlp.Status_STATUS_CODE_ERROR}
	}
	return o
}
