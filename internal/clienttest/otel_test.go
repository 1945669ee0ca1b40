package clienttest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestOpenTelemetry follows a message with a trace context from a publisher
// over a delay to a subscriber, as the collector is told.
func TestOpenTelemetry(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	spans := make(map[string][]*traces.Span) // by name
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := new(collectortraces.ExportTraceServiceRequest)
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, request) != nil {
			t.Errorf("%s: %v, %d bytes", r.URL.Path, err, len(body))
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range request.ResourceSpans {
			for _, s := range rs.ScopeSpans[0].Spans {
				spans[s.Name] = append(spans[s.Name], s)
			}
		}
	}))
	defer web.Close()
	b := start(t, "tcp", "opentelemetry.traces.enable=on", "opentelemetry.traces.scheduled_delay=100ms",
		"opentelemetry.exporter.protocol=http_protobuf", "opentelemetry.exporter.endpoint="+web.URL)
	sub, pub := connect(t, b.tcp(), "sub"), connect(t, b.tcp(), "pub")
	sub.subscribe(t, 1, "t/#")
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	publish := func(topic, parent string) {
		t.Helper()
		props := &mqtt.Properties{Present: mqtt.PropUserProperty, UserProperties: []mqtt.UserProperty{{Key: "a", Value: "b"}}}
		if parent != "" {
			props.UserProperties = append(props.UserProperties, mqtt.UserProperty{Key: "traceparent", Value: parent})
		}
		pub.send(t, &mqtt.Publish{QoS: 1, PacketID: pub.id(), Topic: topic, Payload: []byte("x"), Props: props})
		expect[*mqtt.Ack](t, pub)
	}
	receive := func() (parent string) {
		t.Helper()
		p := expect[*mqtt.Publish](t, sub)
		sub.send(t, &mqtt.Ack{Kind: mqtt.TypePuback, PacketID: p.PacketID})
		for _, u := range p.Props.UserProperties {
			if u.Key == "traceparent" {
				parent = u.Value
			}
		}
		return parent
	}
	publish("t/none", "")
	if got := receive(); got != "" {
		t.Errorf("a message that isn't traced came with %s", got)
	}
	publish("$delayed/1/t/late", "00-"+trace+"-00f067aa0ba902b7-01")
	got := receive()
	if !strings.HasPrefix(got, "00-"+trace+"-") || strings.Contains(got, "00f067aa0ba902b7") {
		t.Errorf("the subscriber got %s", got)
	}
	var chain []*traces.Span
	for until := time.Now().Add(patience); len(chain) < 3; time.Sleep(tickSoon) {
		if time.Now().After(until) {
			t.Fatalf("the collector was told of %v", spans)
		}
		mu.Lock()
		chain = append(append([]*traces.Span{}, spans["process_message"]...), spans["send_published_message"]...)
		mu.Unlock()
	}
	if chain[0].StartTimeUnixNano > chain[1].StartTimeUnixNano { // each request has its spans in order; they may be in two
		chain[0], chain[1] = chain[1], chain[0]
	}
	parent := "00f067aa0ba902b7"
	for _, s := range chain {
		if hex.EncodeToString(s.TraceId) != trace || hex.EncodeToString(s.ParentSpanId) != parent {
			t.Errorf("%s isn't below %s: %v", s.Name, parent, s)
		}
		parent = hex.EncodeToString(s.SpanId)
	}
	if want := hex.EncodeToString(chain[1].SpanId); len(chain) != 3 || !strings.Contains(got, want) {
		t.Errorf("%d spans; the subscriber got %s, want %s", len(chain), got, want)
	}
	if waited := time.Duration(chain[1].StartTimeUnixNano - chain[0].EndTimeUnixNano); waited < 500*time.Millisecond {
		t.Errorf("the delay of a second took %v", waited)
	}
}
