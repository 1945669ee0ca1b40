package otel

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	traces "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// traced is a message that somebody has traced so far.
func traced(parent string) *mqtt.Message {
	return &mqtt.Message{Topic: "t/1", From: "p", Payload: []byte("12345"), QoS: 1, Timestamp: time.Now().UnixMilli(), Props: &mqtt.Properties{
		Present:        mqtt.PropUserProperty,
		UserProperties: []mqtt.UserProperty{{Key: "traceparent", Value: parent}, {Key: "tracestate", Value: "v=1"}},
	}}
}

// TestTrace follows one message to one subscriber that gets it, one that is
// away, and one whose queue is full.
func TestTrace(t *testing.T) {
	c := newCollector(t, nil)
	r := newRig(t, c.addr, "traces", func(c *Config) { c.Traces.All = false })
	e := hook.MessagePublish{Message: traced(someParent)}
	r.points.MessagePublish.Run(&e)
	m := e.Message
	to := &hook.ClientInfo{ClientID: "s"}
	r.points.MessageDelivered.Run(&hook.MessageDelivered{Client: to, Message: m})
	r.points.DeliveryDropped.Run(&hook.DeliveryDropped{Client: to, Message: m, Reason: "queue_full"})
	r.points.MessageRouted.Run(&hook.MessageRouted{Message: m, Deliveries: 3})
	r.points.MessageDelivered.Run(&hook.MessageDelivered{Client: to, Message: m}) // later
	c.until(t, "four spans", func() bool { return len(c.spans) == 4 })

	at := slices.IndexFunc(c.spans, func(s *traces.Span) bool { return s.Name == spanProcess })
	root := c.spans[at]
	c.spans = slices.Delete(c.spans, at, at+1)
	f := func(s *traces.Span, parent, attrs, failure string) {
		t.Helper()
		if got := fmt.Sprintf("%x %x %s", s.TraceId, s.ParentSpanId, s.TraceState); got != "4bf92f3577b34da6a3ce929d0e0e4736 "+parent+" v=1" {
			t.Errorf("context: %s", got)
		}
		if got := fmt.Sprint(attributes(s.Attributes)); got != "map["+attrs+"]" {
			t.Errorf("attributes: %s, want %s", got, attrs)
		}
		if s.StartTimeUnixNano > s.EndTimeUnixNano || s.EndTimeUnixNano > uint64(time.Now().UnixNano()) || len(s.SpanId) != 8 || s.Flags != 1 {
			t.Errorf("span: %v", s)
		}
		if code := s.Status.GetCode(); s.Status.GetMessage() != failure || (code == traces.Status_STATUS_CODE_ERROR) != (failure != "") {
			t.Errorf("status: %v, want %q", s.Status, failure)
		}
	}
	rest := "messaging.destination.name:t/1 messaging.message.body.size:5 messaging.system:mqtt"
	f(root, "00f067aa0ba902b7", "messaging.client.id:p "+rest+" mqtt.deliveries:3 mqtt.qos:1", "")
	id := fmt.Sprintf("%x", root.SpanId)
	f(c.spans[0], id, "messaging.client.id:s "+rest+" mqtt.qos:1", "")
	f(c.spans[1], id, "messaging.client.id:s "+rest+" mqtt.qos:1", "queue_full")
	f(c.spans[2], id, "messaging.client.id:s "+rest+" mqtt.qos:1", "")
	if got := fmt.Sprint(m.Props.UserProperties); got != "[{traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-"+id+"-01} {tracestate v=1}]" {
		t.Errorf("what goes on: %s", got)
	}
}

// TestWhatIsTraced: the flag of a context decides, and of messages without one
// the share that is wished for.
func TestWhatIsTraced(t *testing.T) {
	f := func(m *mqtt.Message, all bool, ratio config.Percent, low, high int) {
		t.Helper()
		q := newQueue(1000, new(metrics.Registry))
		tr := newTracer(&TracesConfig{All: all, Ratio: ratio, MaxQueue: 1000, MaxDeliveries: 10}, q)
		var points hook.Points
		if err := tr.hang(&points); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			e := hook.MessagePublish{Message: m}
			points.MessagePublish.Run(&e)
			points.MessageDelivered.Run(&hook.MessageDelivered{Client: new(hook.ClientInfo), Message: m})
			if got := e.Message != m; got != (len(tr.active) == 1) {
				t.Fatalf("replaced: %v, %d active", got, len(tr.active))
			}
			points.MessageRouted.Run(&hook.MessageRouted{Message: e.Message})
		}
		n := 0
		for _, s := range q.take() {
			if s.name == spanProcess {
				n++
			}
		}
		if n < low || n > high || len(tr.active) != 0 {
			t.Errorf("%d of 100 were traced, want %d to %d; %d are left", n, low, high, len(tr.active))
		}
	}
	plain := &mqtt.Message{Topic: "t"}
	f(plain, false, 100, 0, 0)
	f(plain, true, 100, 100, 100)
	f(plain, true, 0, 0, 0)
	f(plain, true, 50, 10, 90)
	f(traced(someParent), false, 0, 100, 100)
	f(traced(strings.Replace(someParent, "-01", "-00", 1)), true, 100, 0, 0)
	f(traced("nonsense"), true, 100, 100, 100)
	f(&mqtt.Message{Topic: "$SYS/x", Sys: true}, true, 100, 0, 0)
}

// TestManyDeliveries of one message get so many spans, and what is retained
// gets none when it is replayed.
func TestManyDeliveries(t *testing.T) {
	r := newRig(t, "127.0.0.1:1", "traces", func(c *Config) { c.Traces.MaxDeliveries, c.Traces.Delay = 3, time.Hour })
	m := traced(someParent)
	m.Retain = true
	e := hook.MessagePublish{Message: m}
	r.points.MessagePublish.Run(&e)
	deliver := func() {
		r.points.MessageDelivered.Run(&hook.MessageDelivered{Client: new(hook.ClientInfo), Message: e.Message})
	}
	for range 10 {
		deliver()
	}
	r.points.MessageRouted.Run(&hook.MessageRouted{Message: e.Message, Deliveries: 10})
	deliver() // a replay
	if n, dropped := len(r.spans.take()), r.count("opentelemetry.spans.dropped", dropMany); n != 4 || dropped != 7 {
		t.Errorf("%d spans and %d dropped, want 4 and 7", n, dropped)
	}
}

// BenchmarkNotTraced is what a message costs that has no context, while traces
// are on.
func BenchmarkNotTraced(b *testing.B) {
	tr := newTracer(&TracesConfig{MaxQueue: 10}, nil)
	m := &mqtt.Message{Topic: "t", Props: &mqtt.Properties{Present: mqtt.PropUserProperty, UserProperties: []mqtt.UserProperty{{Key: "a", Value: "b"}}}}
	e := hook.MessagePublish{Message: m}
	b.ReportAllocs()
	for b.Loop() {
		tr.publish(&e)
	}
}
