package engine

import "github.com/dunlin-mq/dunlin/metrics"

// counters are what an engine counts.
type counters struct {
	written, writtenBytes, failed, busy, removed, lost *metrics.Counter
}

func newCounters(r *metrics.Registry) *counters {
	return &counters{
		written:      r.Counter("engine.written", "Records that the engine has kept"),
		writtenBytes: r.Counter("engine.written.bytes", "Bytes of the records that the engine has kept"),
		failed:       r.Counter("engine.failed", "Records that the engine could not keep"),
		busy:         r.Counter("engine.busy", "Records that the engine refused as too much was being written"),
		removed:      r.Counter("engine.removed", "Entries of logs that were removed for their age, or to make room"),
		lost:         r.Counter("engine.lost", "Records that were lost as files were damaged"),
	}
}
