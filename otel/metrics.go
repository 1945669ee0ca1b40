package otel

import (
	"math"
	"strings"

	"github.com/dunlin-mq/dunlin/metrics"
)

// scopeName says who measures.
const scopeName = "github.com/dunlin-mq/dunlin"

// Values of enumerations of OTLP.
const (
	cumulative    = 2
	kindInternal  = 1
	kindProducer  = 4
	statusError   = 2
	flagIsSampled = 1
)

// resource writes who is measured, the first field of all requests.
func (e *Exporter) resource(m *message) {
	m.inner(1, func() {
		m.attribute(1, "service.name", "dunlin")
		m.attribute(1, "service.version", e.o.Version)
		m.attribute(1, "service.instance.id", e.o.Node)
	})
}

// scope writes what measures.
func (e *Exporter) scope(m *message) {
	m.inner(1, func() {
		m.text(1, scopeName)
		m.text(2, e.o.Version)
	})
}

// metricsRequest is an ExportMetricsServiceRequest with everything that is in
// the registry at now, Unix nanoseconds, under dunlin. and its name. All
// counts are since the start.
func (e *Exporter) metricsRequest(now uint64) []byte {
	var m message
	m.inner(1, func() {
		e.resource(&m)
		m.inner(2, func() {
			e.scope(&m)
			e.o.Metrics.Each(func(s metrics.Sample) {
				m.inner(2, func() { e.metric(&m, &s, now) })
			})
		})
	})
	return m
}

// metric writes a Metric.
func (e *Exporter) metric(m *message, s *metrics.Sample, now uint64) {
	m.text(1, "dunlin."+s.Name)
	m.text(2, s.Help)
	m.text(3, unit(s))
	point := func(value int64, label, of string) {
		m.inner(1, func() { // a NumberDataPoint
			m.fixed64(2, e.started)
			m.fixed64(3, now)
			m.fixed64(6, uint64(value))
			if label != "" {
				m.attribute(7, label, of)
			}
		})
	}
	switch s.Kind {
	case metrics.KindGauge:
		m.inner(5, func() { point(s.Value, "", "") })
	case metrics.KindHistogram:
		m.inner(9, func() {
			m.inner(1, func() { e.histogram(m, s.Histogram, now) })
			m.number(2, cumulative)
		})
	default:
		m.inner(7, func() {
			if s.Kind == metrics.KindCounter {
				point(s.Value, "", "")
			}
			for _, r := range s.Reasons {
				point(r.Count, s.Label, r.Reason)
			}
			m.number(2, cumulative)
			m.number(3, 1) // it only grows
		})
	}
}

// histogram writes a HistogramDataPoint.
func (e *Exporter) histogram(m *message, b *metrics.Buckets, now uint64) {
	bounds := make([]uint64, len(b.Bounds))
	for i, v := range b.Bounds {
		bounds[i] = math.Float64bits(float64(v))
	}
	m.fixed64(2, e.started)
	m.fixed64(3, now)
	m.fixed64(4, b.Count)
	m.double(5, float64(b.Sum))
	m.packed64(6, b.Counts)
	m.packed64(7, bounds)
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
