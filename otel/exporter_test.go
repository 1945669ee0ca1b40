package otel

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/internal/testlog"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// rig is an exporter with what it looks at.
type rig struct {
	*testing.T
	*Exporter
	registry metrics.Registry
	points   hook.Points
	log      testlog.Log
	end      func() // Stop, once
}

// newRig starts an exporter of what kinds names, as often as is allowed.
func newRig(t *testing.T, endpoint, kinds string, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{T: t}
	var c Config
	c.SetDefaults()
	c.Exporter.Endpoint = endpoint
	c.Metrics.Enable, c.Traces.Enable = strings.Contains(kinds, "metrics"), strings.Contains(kinds, "traces")
	c.Metrics.Interval, c.Traces.Delay, c.Traces.All = 100*time.Millisecond, 100*time.Millisecond, true
	for _, f := range change {
		f(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var err error
	r.Exporter, err = New(Options{Config: c, Node: "n@host", Version: "1.2", Metrics: &r.registry, Hooks: &r.points, Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	r.end = sync.OnceFunc(r.Stop)
	t.Cleanup(r.end)
	return r
}

// count is a metric, or one of its reasons.
func (r *rig) count(name, reason string) int64 {
	s, ok := r.registry.Get(name)
	if !ok {
		r.Fatalf("there is no metric %s", name)
	}
	for _, one := range s.Reasons {
		if one.Reason == reason {
			return one.Count
		}
	}
	return s.Value
}

// message publishes one that nobody gets.
func (r *rig) message(m *mqtt.Message) *mqtt.Message {
	e := hook.MessagePublish{Message: m}
	r.points.MessagePublish.Run(&e)
	r.points.MessageRouted.Run(&hook.MessageRouted{Message: e.Message, Code: mqtt.NoMatchingSubscribers})
	return e.Message
}

func TestMetrics(t *testing.T) {
	c := newCollector(t, nil)
	r := newRig(t, c.addr, "metrics", func(c *Config) { c.Exporter.Headers = map[string]string{"x-scope": "mine"} })
	r.registry.Counter("messages.received", "help of it").Add(5)
	r.registry.Gauge("sessions.count", "-").Set(-7)
	h := r.registry.Histogram("messages.latency", "by the microseconds", []int64{10, 20})
	for _, v := range []int64{5, 15, 16, 99} {
		h.Observe(v)
	}
	why := r.registry.Reasons("ended", "-", "why", 3, "a")
	why.Inc("a")
	why.Inc("a")
	var got map[string]*otlp.Metric
	var resource, scope string
	c.until(t, "metrics", func() bool {
		if len(c.metrics) == 0 {
			return false
		}
		got = make(map[string]*otlp.Metric)
		rm := c.metrics[len(c.metrics)-1].ResourceMetrics[0]
		resource = fmt.Sprint(attributes(rm.Resource.Attributes))
		scope = rm.ScopeMetrics[0].Scope.Name + " " + rm.ScopeMetrics[0].Scope.Version
		for _, m := range rm.ScopeMetrics[0].Metrics {
			got[m.Name] = m
		}
		return got["dunlin.ended"] != nil && slices.Equal(c.header["x-scope"], []string{"mine"})
	})
	if want := "map[service.instance.id:n@host service.name:dunlin service.version:1.2]"; resource != want || scope != scopeName+" 1.2" {
		t.Errorf("resource %s, want %s; scope %s", resource, want, scope)
	}
	all := make(map[string]bool)
	r.registry.Each(func(s metrics.Sample) { all["dunlin."+s.Name] = true })
	for name := range all {
		if got[name] == nil {
			t.Errorf("%s was not sent: %v", name, slices.Sorted(maps.Keys(got)))
		}
	}
	sum := got["dunlin.messages.received"].GetSum()
	if p := sum.DataPoints[0]; p.GetAsInt() != 5 || !sum.IsMonotonic || sum.AggregationTemporality != otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE ||
		p.StartTimeUnixNano != r.started || p.TimeUnixNano < r.started || p.TimeUnixNano > uint64(time.Now().UnixNano()) {
		t.Errorf("counter: %v", sum)
	}
	if m := got["dunlin.messages.received"]; m.Description != "help of it" || m.Unit != "1" {
		t.Errorf("counter: %v", m)
	}
	if p := got["dunlin.sessions.count"].GetGauge().DataPoints[0]; p.GetAsInt() != -7 {
		t.Errorf("gauge: %v", p)
	}
	latency := got["dunlin.messages.latency"]
	p := latency.GetHistogram().DataPoints[0]
	if p.Count != 4 || p.GetSum() != 135 || !slices.Equal(p.BucketCounts, []uint64{1, 2, 1}) || !slices.Equal(p.ExplicitBounds, []float64{10, 20}) || latency.Unit != "us" {
		t.Errorf("histogram: %v", latency)
	}
	counts := make(map[any]int64)
	for _, p := range got["dunlin.ended"].GetSum().DataPoints {
		counts[attributes(p.Attributes)["why"]] = p.GetAsInt()
	}
	if !maps.Equal(counts, map[any]int64{"a": 2, "other": 0}) {
		t.Errorf("reasons: %v", counts)
	}
	c.until(t, "count of what was rejected", func() bool { return r.count("opentelemetry.points.rejected", "") >= 3 })
	if down := r.Down(); len(down) != 0 {
		t.Errorf("down: %v", down)
	}
}

// TestStopSends a last time what has been counted.
func TestStopSends(t *testing.T) {
	c := newCollector(t, nil)
	r := newRig(t, c.addr, "metrics traces", func(c *Config) { c.Metrics.Interval, c.Traces.Delay = time.Hour, time.Hour })
	r.message(&mqtt.Message{Topic: "t"})
	r.end()
	if len(c.metrics) != 1 || len(c.spans) != 1 {
		t.Errorf("%d requests with metrics, %d spans", len(c.metrics), len(c.spans))
	}
	if !r.points.MessagePublish.Empty() || !r.points.MessageRouted.Empty() || !r.points.MessageDelivered.Empty() || !r.points.DeliveryDropped.Empty() {
		t.Error("something is left on the hooks")
	}
}

// TestRefusals are what a collector may answer, and what becomes of three
// spans then.
func TestRefusals(t *testing.T) {
	f := func(name string, sent, rejected, refused int64, answers ...answer) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, nil)
			c.answers = answers
			r := newRig(t, c.addr, "traces")
			for range 3 {
				r.queueOne()
			}
			c.until(t, "end of the spans", func() bool {
				return r.count("opentelemetry.spans.sent", "")+r.count("opentelemetry.spans.dropped", "") == 3
			})
			got := []int64{r.count("opentelemetry.spans.sent", ""), r.count("opentelemetry.spans.dropped", dropRejected), r.count("opentelemetry.spans.dropped", dropRefused)}
			if want := []int64{sent, rejected, refused}; !slices.Equal(got, want) {
				t.Errorf("sent, rejected, refused: %v, want %v", got, want)
			}
			if failed := r.count("opentelemetry.requests.failed", ""); failed == 0 != (answers[0].err == nil && !answers[0].hang) {
				t.Errorf("%d requests failed", failed)
			}
		})
	}
	fails := func(code codes.Code) answer { return answer{err: status.Error(code, "no: 100 % busy")} }
	f("some are rejected", 1, 2, 0, answer{rejected: 2})
	f("more are rejected than there were", 0, 3, 0, answer{rejected: 99})
	f("for now", 3, 0, 0, fails(codes.Unavailable))
	f("too much, for now", 3, 0, 0, fails(codes.ResourceExhausted))
	f("for good", 0, 0, 3, fails(codes.InvalidArgument))
	f("no login", 0, 0, 3, fails(codes.Unauthenticated))
	f("no such service", 0, 0, 3, fails(codes.Unimplemented))
}

// queueOne has one span wait; all of a rig that are queued before the delay is
// over are sent at once.
func (r *rig) queueOne() { r.message(&mqtt.Message{Topic: "t"}) }

// TestOutage has a collector that isn't there, hangs, and comes back.
func TestOutage(t *testing.T) {
	c := newCollector(t, nil)
	c.answers = []answer{{err: status.Error(codes.Unavailable, "50% üp")}, {hang: true}}
	r := newRig(t, "http://"+c.addr, "traces", func(c *Config) { c.Exporter.Timeout, c.Traces.MaxQueue = 200*time.Millisecond, 10 })
	r.queueOne()
	c.until(t, "outage", func() bool { return len(r.Down()) == 1 })
	if d := r.Down()[0]; d.Kind != "traces" || !strings.Contains(d.Error, `code 14 (Unavailable): "50% üp"`) || time.Since(d.Since) > patience {
		t.Errorf("outage: %+v", d)
	}
	c.until(t, "second failure", func() bool { return r.count("opentelemetry.requests.failed", "") >= 2 })
	c.until(t, "recovery", func() bool { return len(r.Down()) == 0 && len(c.spans) >= 1 })
	if log := r.log.String(); strings.Count(log, "takes nothing") != 1 || strings.Count(log, "again") != 1 {
		t.Errorf("an outage is told of once, and its end:\n%s", log)
	}
}

// TestQueueIsBounded has a collector that never answers: what doesn't fit is
// counted, nothing waits for it, and Stop neither.
func TestQueueIsBounded(t *testing.T) {
	c := newCollector(t, nil)
	c.answers = slices.Repeat([]answer{{hang: true}}, 100)
	r := newRig(t, c.addr, "metrics traces", func(c *Config) { c.Exporter.Timeout, c.Traces.MaxQueue = time.Hour, 10 })
	r.queueOne()
	c.until(t, "request that hangs", func() bool { return len(c.answers) < 100 })
	for range 25 {
		r.queueOne()
	}
	if n := r.count("opentelemetry.spans.dropped", dropFull); n != 15 {
		t.Errorf("%d dropped, want 15", n)
	}
	stopped := make(chan struct{})
	go func() { r.end(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("it doesn't stop")
	}
	if n := r.count("opentelemetry.spans.dropped", dropStopped); n != 11 {
		t.Errorf("%d dropped at the end, want 11", n)
	}
}

// TestStrangers are peers that speak something else.
func TestStrangers(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, endpoint := range []string{web.URL, mute.Addr().String(), closed.Addr().String()} {
		r := newRig(t, endpoint, "metrics", func(c *Config) { c.Exporter.Timeout = 300 * time.Millisecond })
		for until := time.Now().Add(patience); len(r.Down()) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%s: nobody noticed", endpoint)
			}
		}
		if d := r.Down()[0]; d.Kind != "metrics" || d.Error == "" {
			t.Errorf("%s: %+v", endpoint, d)
		}
	}
}

func TestTLS(t *testing.T) {
	borrowed := httptest.NewUnstartedServer(nil) // for its certificate
	borrowed.StartTLS()
	borrowed.Close()
	c := newCollector(t, &tls.Config{Certificates: borrowed.TLS.Certificates, NextProtos: []string{"h2"}})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, certificatePEM(borrowed.Certificate()), 0o600); err != nil {
		t.Fatal(err)
	}
	newRig(t, "https://"+c.addr, "metrics", func(c *Config) { c.Exporter.TLS.CACertFile = ca })
	c.until(t, "metrics over TLS", func() bool { return len(c.metrics) > 0 })
	r := newRig(t, c.addr, "metrics", func(c *Config) { c.Exporter.TLS.Enable = true })
	c.until(t, "refusal of an unknown authority", func() bool {
		down := r.Down()
		return len(down) == 1 && strings.Contains(down[0].Error, "certificate")
	})
	var bad Config
	bad.SetDefaults()
	bad.Exporter.Endpoint, bad.Exporter.TLS.CACertFile = "https://127.0.0.1:1", "/does/not/exist"
	if _, err := New(Options{Config: bad, Metrics: new(metrics.Registry), Hooks: new(hook.Points)}); err == nil || !strings.Contains(err.Error(), "opentelemetry.exporter") {
		t.Errorf("a missing file: %v", err)
	}
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// TestHTTP is the other protocol.
func TestHTTP(t *testing.T) {
	var mu sync.Mutex
	var names []string
	calls := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		m := new(collectormetrics.ExportMetricsServiceRequest)
		if err != nil || proto.Unmarshal(body, m) != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%v, %s", err, r.Header)
		}
		for _, one := range m.ResourceMetrics[0].ScopeMetrics[0].Metrics {
			names = append(names, r.URL.Path+" "+one.Name)
		}
	}))
	defer web.Close()
	r := newRig(t, web.URL+"/tenant/", "metrics", func(c *Config) { c.Exporter.Protocol = "http_protobuf" })
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		done := slices.Contains(names, "/tenant/v1/metrics dunlin.opentelemetry.requests.failed")
		mu.Unlock()
		if done {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("came: %v", names)
		}
	}
	if r.count("opentelemetry.requests.failed", "") != 1 {
		t.Error("the first request was not taken")
	}
	r.end() // while there is somebody to send to
}
