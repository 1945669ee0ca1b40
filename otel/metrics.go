package otel

import (
	"strings"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/dunlin-mq/dunlin/metrics"
)

// scopeName says who measures.
const scopeName = "github.com/dunlin-mq/dunlin"

// resource is who is measured.
func (e *Exporter) resource() *resource.Resource {
	return &resource.Resource{Attributes: []*common.KeyValue{
		attribute("service.name", "dunlin"),
		attribute("service.version", e.o.Version),
		attribute("service.instance.id", e.o.Node),
	}}
}

// scope is what measures.
func (e *Exporter) scope() *common.InstrumentationScope {
	return &common.InstrumentationScope{Name: scopeName, Version: e.o.Version}
}

// attribute is a key with a value that is text.
func attribute(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: valid(value)}}}
}

// attributeNumber is a key with a whole number.
func attributeNumber(key string, value int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}}
}

// valid is s as UTF-8: a request with anything else could not be sent at all.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// metricsRequest has everything that is in the registry at now, Unix
// nanoseconds, under dunlin. and its name. All counts are since the start.
func (e *Exporter) metricsRequest(now uint64) *collectormetrics.ExportMetricsServiceRequest {
	scoped := &otlp.ScopeMetrics{Scope: e.scope()}
	e.o.Metrics.Each(func(s metrics.Sample) { scoped.Metrics = append(scoped.Metrics, e.metric(&s, now)) })
	return &collectormetrics.ExportMetricsServiceRequest{
		ResourceMetrics: []*otlp.ResourceMetrics{{Resource: e.resource(), ScopeMetrics: []*otlp.ScopeMetrics{scoped}}},
	}
}

func (e *Exporter) metric(s *metrics.Sample, now uint64) *otlp.Metric {
	m := &otlp.Metric{Name: "dunlin." + s.Name, Description: s.Help, Unit: unit(s)}
	point := func(value int64) *otlp.NumberDataPoint {
		return &otlp.NumberDataPoint{StartTimeUnixNano: e.started, TimeUnixNano: now, Value: &otlp.NumberDataPoint_AsInt{AsInt: value}}
	}
	const cumulative = otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	switch s.Kind {
	case metrics.KindGauge:
		m.Data = &otlp.Metric_Gauge{Gauge: &otlp.Gauge{DataPoints: []*otlp.NumberDataPoint{point(s.Value)}}}
	case metrics.KindHistogram:
		m.Data = &otlp.Metric_Histogram{Histogram: &otlp.Histogram{
			AggregationTemporality: cumulative, DataPoints: []*otlp.HistogramDataPoint{e.histogram(s.Histogram, now)},
		}}
	default:
		sum := &otlp.Sum{AggregationTemporality: cumulative, IsMonotonic: true}
		if s.Kind == metrics.KindCounter {
			sum.DataPoints = append(sum.DataPoints, point(s.Value))
		}
		for _, r := range s.Reasons {
			p := point(r.Count)
			p.Attributes = []*common.KeyValue{attribute(s.Label, r.Reason)}
			sum.DataPoints = append(sum.DataPoints, p)
		}
		m.Data = &otlp.Metric_Sum{Sum: sum}
	}
	return m
}

func (e *Exporter) histogram(b *metrics.Buckets, now uint64) *otlp.HistogramDataPoint {
	bounds := make([]float64, len(b.Bounds))
	for i, v := range b.Bounds {
		bounds[i] = float64(v)
	}
	return &otlp.HistogramDataPoint{
		StartTimeUnixNano: e.started, TimeUnixNano: now,
		Count: b.Count, Sum: proto.Float64(float64(b.Sum)), BucketCounts: b.Counts, ExplicitBounds: bounds,
	}
}

// unit is the unit that the help names, in the spelling of UCUM.
func unit(s *metrics.Sample) string {
	switch {
	case s.Kind == metrics.KindHistogram && strings.Contains(s.Help, "microseconds"):
		return "us"
	case strings.HasPrefix(s.Name, "bytes."):
		return "By"
	}
	return "1"
}
