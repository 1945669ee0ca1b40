package otel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
)

// Options are what an Exporter is made of.
type Options struct {
	Config  Config
	Node    string
	Version string
	Metrics *metrics.Registry // where also what the Exporter counts stands
	Hooks   *hook.Points
	Log     *slog.Logger
}

// Exporter sends metrics and traces until Stop. It has one goroutine for each.
type Exporter struct {
	o       Options
	client  *client
	started uint64 // Unix nanoseconds

	spans   *queue // nil: no traces
	tracer  *tracer
	refused *metrics.Counter // data points
	failed  *metrics.Counter // requests

	mu   sync.Mutex
	down map[string]Outage // by what isn't taken

	sending sync.WaitGroup
	ctx     context.Context // ends when there is no time left for what is under way
	cancel  context.CancelFunc
	stop    chan struct{}
}

// Outage says since when the collector takes nothing of a kind, and why.
type Outage struct {
	Kind  string // metrics or traces
	Since time.Time
	Error string
}

// New starts to send what the Config has on, which is something. It connects
// to nobody yet; the error is about files of the TLS.
//
// It counts in the registry: opentelemetry.requests.failed,
// opentelemetry.points.rejected, opentelemetry.spans.sent and
// opentelemetry.spans.dropped by reason.
func New(o Options) (*Exporter, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k, err := newClient(&o.Config.Exporter)
	if err != nil {
		return nil, fmt.Errorf("opentelemetry.exporter: %w", err)
	}
	e := &Exporter{o: o, client: k, started: uint64(time.Now().UnixNano()), down: make(map[string]Outage), stop: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.failed = o.Metrics.Counter("opentelemetry.requests.failed", "requests that the collector didn't take")
	if o.Config.Metrics.Enable {
		e.refused = o.Metrics.Counter("opentelemetry.points.rejected", "values of metrics that the collector took the request without")
		e.sending.Go(e.sendMetrics)
	}
	if o.Config.Traces.Enable {
		e.spans = newQueue(o.Config.Traces.MaxQueue, o.Metrics)
		e.tracer = newTracer(&o.Config.Traces, e.spans)
		if err := e.tracer.hang(o.Hooks); err != nil {
			e.Stop()
			return nil, err
		}
		e.sending.Go(e.sendSpans)
	}
	return e, nil
}

// Down are the kinds that the collector doesn't take now.
func (e *Exporter) Down() (all []Outage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.down {
		all = append(all, o)
	}
	return all
}

// stopTimeout is for the last requests.
const stopTimeout = 2 * time.Second

// Stop sends what waits, as far as the collector takes it at once.
func (e *Exporter) Stop() {
	if e.tracer != nil {
		e.tracer.unhang(e.o.Hooks)
	}
	close(e.stop)
	late := time.AfterFunc(stopTimeout, e.cancel)
	e.sending.Wait()
	late.Stop()
	e.cancel()
	if err := e.client.by.close(); err != nil {
		e.o.Log.Debug("closing the connection to the OpenTelemetry collector", "err", err)
	}
}

// sendMetrics sends everything at each interval, and a last time at the end.
// What isn't taken is not sent again: the next request has newer values.
func (e *Exporter) sendMetrics() {
	ticks := time.NewTicker(e.o.Config.Metrics.Interval)
	defer ticks.Stop()
	for running := true; running; {
		select {
		case <-ticks.C:
		case <-e.stop:
			running = false
		}
		request := e.metricsRequest(uint64(time.Now().UnixNano()))
		rejected, why, err := e.client.metrics(e.ctx, request)
		e.note("metrics", rejected, why, err)
		if err == nil {
			e.refused.Add(uint64(rejected))
		}
	}
}

// The batches of spans, and how long it takes until one is tried again.
const (
	spansAtOnce  = 512
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// sendSpans sends spans in batches: when there are enough for one, or the
// first of them has waited long enough.
func (e *Exporter) sendSpans() {
	ticks := time.NewTicker(e.o.Config.Traces.Delay)
	defer ticks.Stop()
	for {
		select {
		case <-e.spans.enough:
		case <-ticks.C:
		case <-e.stop:
			for batch := e.spans.take(); len(batch) > 0; batch = e.spans.take() {
				e.sendBatch(batch)
			}
			return
		}
		for batch := e.spans.take(); len(batch) > 0; batch = e.spans.take() {
			e.sendBatch(batch)
		}
	}
}

// sendBatch tries until the collector has taken the batch or refused it for
// good. Meanwhile the queue fills; after Stop there is one try.
func (e *Exporter) sendBatch(batch []span) {
	request := e.tracesRequest(batch)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		rejected, why, err := e.client.traces(e.ctx, request)
		e.note("traces", rejected, why, err)
		if err == nil {
			lost := min(int(rejected), len(batch))
			e.spans.sent.Add(uint64(len(batch) - lost))
			e.spans.drop(dropRejected, lost)
			return
		}
		r, refused := errors.AsType[*refusal](err)
		if refused && !r.again {
			e.spans.drop(dropRefused, len(batch))
			return
		}
		wait := pause
		if refused && r.after > 0 {
			wait = r.after
		}
		select {
		case <-e.stop:
			e.spans.drop(dropStopped, len(batch))
			return
		case <-time.After(wait):
		}
	}
}

// note keeps whether the collector takes requests of a kind.
func (e *Exporter) note(kind string, rejected int64, why string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, was := e.down[kind]
	switch {
	case err != nil:
		e.failed.Inc()
		o := e.down[kind]
		if !was {
			o = Outage{Kind: kind, Since: time.Now()}
			e.o.Log.Warn("the OpenTelemetry collector takes nothing", "endpoint", e.client.endpoint, "kind", kind, "err", err)
		}
		o.Error = err.Error()
		e.down[kind] = o
	case was:
		delete(e.down, kind)
		e.o.Log.Info("the OpenTelemetry collector takes what is sent again", "endpoint", e.client.endpoint, "kind", kind)
	}
	if rejected > 0 {
		e.o.Log.Debug("the OpenTelemetry collector didn't take all", "kind", kind, "rejected", rejected, "why", why)
	}
}
