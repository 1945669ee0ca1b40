package node

import (
	"errors"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/dunlin-mq/dunlin/host"
)

const (
	tidyLook  = time.Second
	tidyPause = time.Minute     // between two collections while garbage trickles
	tidySoon  = 5 * time.Second // after a burst, at least, and tidyShare times what the last one took
	tidyShare = 200
	tidyLeast = 2 << 20 // bytes of waste below which nobody bothers; allocated within a look they are a burst
)

// tidy collects garbage and gives memory back when a burst is over, until stop
// is closed. A crowd of connecting clients leaves as much garbage as the
// collector allows, and the quiet broker that follows allocates nothing that
// would set it off: for minutes the process would hold up to twice the memory
// that it needs.
func tidy(log *slog.Logger, stop <-chan struct{}) {
	ticks := time.NewTicker(tidyLook)
	defer ticks.Stop()
	t := tidying{last: readHeap()}
	for {
		select {
		case <-stop:
			return
		case now := <-ticks.C:
			if t.due(now, readHeap()) {
				debug.FreeOSMemory()
				trimProgram(log)
				t.done(now, time.Since(now))
			}
		}
	}
}

// tidying is when that was done last, and when it may be done again.
type tidying struct {
	last  heap // at the last look
	at    time.Time
	took  time.Duration
	pause time.Duration
}

// due is a look at the heap.
func (t *tidying) due(now time.Time, h heap) bool {
	if h.allocated-t.last.allocated >= tidyLeast {
		t.pause = min(t.pause, max(tidySoon, tidyShare*t.took))
	}
	due := now.Sub(t.at) >= t.pause && h.untidy(t.last)
	t.last = h
	return due
}

func (t *tidying) done(at time.Time, took time.Duration) {
	t.at, t.took, t.pause = at, took, tidyPause
}

// trimProgram gives back what was needed of the program itself but isn't any
// more: what only the start needed is two thirds of what an empty broker holds.
// Without it nothing is worse than before.
func trimProgram(log *slog.Logger) {
	if _, err := host.TrimProgram(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		log.Debug("pages of the program are not given back", "err", err)
	}
}

// heap is what matters of the heap at one moment, in bytes.
type heap struct {
	live      uint64 // found alive by the last collection
	waste     uint64 // allocated since, which may be garbage by now, and free pages that the system could have
	allocated uint64 // ever
}

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(s)
	live, objects := s[0].Value.Uint64(), s[1].Value.Uint64()
	return heap{live, objects - min(live, objects) + s[2].Value.Uint64(), s[3].Value.Uint64()}
}

// untidy reports that there is much waste and that it hardly grows any more.
func (h heap) untidy(last heap) bool {
	return h.waste >= max(tidyLeast, h.live/8) && (h.allocated-last.allocated)*8 < h.waste
}
