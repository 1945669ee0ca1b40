package node

import (
	"math"
	"runtime"
	"time"

	"github.com/dunlin-mq/dunlin/host"
	"github.com/dunlin-mq/dunlin/metrics"
)

// An hour of figures, of which charts are made. More is for Prometheus.
const (
	historyInterval = 10 * time.Second
	historyLength   = 360
)

// newHistory says which figures are kept.
func newHistory(r *metrics.Registry) *metrics.History {
	h := metrics.NewHistory(historyInterval, historyLength)
	h.Track("connections", r.Level("connections.count"))
	h.Track("sessions", r.Level("sessions.count"))
	h.Track("subscriptions", r.Level("subscriptions.count"))
	h.Track("received_rate", r.Rate("messages.received"))
	h.Track("sent_rate", r.Rate("messages.sent"))
	h.Track("dropped_rate", r.Rate("messages.dropped", "delivery.dropped"))
	latency := r.Quantiles("messages.latency", 0.50, 0.99)
	h.Track("latency_p50_ms", milliseconds(latency[0]))
	h.Track("latency_p99_ms", milliseconds(latency[1]))
	var p processUse
	h.Track("cpu_percent", p.cpu)
	h.Track("memory_bytes", p.memory)
	return h
}

// milliseconds turns the registry's microseconds into them.
func milliseconds(f func(time.Duration) float64) func(time.Duration) float64 {
	return func(elapsed time.Duration) float64 { return f(elapsed) / 1000 }
}

// processUse is what this process takes of the machine. Where that can't be
// read there is no figure.
type processUse struct {
	now host.Process
	err error
}

// cpu reads, and returns the percent of all processors since the last reading.
func (p *processUse) cpu(elapsed time.Duration) float64 {
	before, err := p.now.CPU, p.err
	p.now, p.err = host.ReadProcess()
	if p.err != nil || err != nil || elapsed <= 0 {
		return math.NaN()
	}
	return 100 * (p.now.CPU - before) / elapsed.Seconds() / float64(runtime.NumCPU())
}

// memory is that of the last reading, in bytes.
func (p *processUse) memory(time.Duration) float64 {
	if p.err != nil {
		return math.NaN()
	}
	return float64(p.now.Resident)
}

// sampleHistory fills the history until stop is closed.
func sampleHistory(h *metrics.History, stop <-chan struct{}) {
	ticks := time.NewTicker(h.Interval())
	defer ticks.Stop()
	h.Sample(time.Now())
	for {
		select {
		case <-stop:
			return
		case now := <-ticks.C:
			h.Sample(now)
		}
	}
}
