package engine

import "github.com/dunlin-mq/dunlin/metrics"

// counters are what an engine counts.
type counters struct {
	written, writtenBytes, failed, busy *metrics.Counter
}

func newCounters(r *metrics.Registry) *counters {
	return &counters{
		written:      r.Counter("engine.written", "Records that the engine has kept"),
		writtenBytes: r.Counter("engine.written.bytes", "Bytes of the records that the engine has kept"),
		failed:       r.Counter("engine.failed", "Records that the engine could not keep"),
		busy:         r.Counter("engine.busy", "Records that the engine refused as too much was being written"),
	}
}
