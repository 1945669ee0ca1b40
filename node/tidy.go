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
	tidyPause = time.Minute // at least, between two collections
	tidyLeast = 2 << 20     // bytes of waste below which nobody bothers
)

// tidy collects garbage and gives memory back when a burst is over, until stop
// is closed. A crowd of connecting clients leaves as much garbage as the
// collector allows, and the quiet broker that follows allocates nothing that
// would set it off: for minutes the process would hold up to twice the memory
// that it needs.
func tidy(stop <-chan struct{}) {
	ticks := time.NewTicker(tidyLook)
	defer ticks.Stop()
	var last heap
	var collected time.Time
	for {
		select {
		case <-stop:
			return
		case now := <-ticks.C:
			h := readHeap()
			if now.Sub(collected) >= tidyPause && h.untidy(last) {
				debug.FreeOSMemory()
				collected = now
			}
			last = h
		}
	}
}

// trimProgram gives back what only the start needed of the program itself: two
// thirds of what an empty broker holds. Without it nothing is worse than before.
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
