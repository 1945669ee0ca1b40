package broker

import (
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// latencies are the bounds of the histogram messages.latency, in microseconds:
// from one pass of a loop to a queue that stands still.
func latencies() []int64 {
	return []int64{
		50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
		1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
	}
}

// stopwatch times deliveries: from the moment a loop takes a PUBLISH up until
// what it causes has been given to the sockets of its receivers, or for a
// delivery that had to wait, until that one is. It costs a look at the clock,
// so the passes that are timed are those that begin in another millisecond than
// the last of them: all of a quiet broker, a thousand a second of a busy one.
type stopwatch struct {
	latency *metrics.Histogram

	began time.Duration // the pass, since start
	last  int64         // the millisecond in which the last pass began that is timed
	runs  bool          // this pass is timed
	fresh uint64        // deliveries in this pass of messages that came in it, and are not written
}

// begin is called with the time, when the pass asks for it first.
func (w *stopwatch) begin(now int64) {
	if w.runs = now != w.last; w.runs {
		w.last = now
	}
}

// delivered times one delivery, unless the time says nothing about the broker:
// what came before the client has waited for that, and retained messages for
// somebody who subscribes.
func (w *stopwatch) delivered(m *mqtt.Message, retained bool, connected, now int64) {
	switch {
	case m.Sys || retained || m.Timestamp < connected:
	case m.Timestamp >= now:
		w.fresh++
	default:
		w.latency.Observe((now - m.Timestamp) * 1000)
	}
}

// end is called when all output is written.
func (w *stopwatch) end() {
	if w.fresh > 0 {
		w.latency.ObserveN((time.Since(start) - w.began).Microseconds(), w.fresh)
		w.fresh = 0
	}
}
