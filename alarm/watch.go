package alarm

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Names of alarms, as in EMQ X where it has them.
const (
	HighCPU      = "high_cpu_usage"
	HighMemory   = "high_system_memory_usage"
	TooManyFiles = "too_many_open_files" // not in EMQ X
)

// Cause is one that should have its alarm.
type Cause struct {
	Name, Message string
	Details       Details
}

// Watch asks look every so often, first after that time, what is wrong, until
// Close: each cause that it names gets its alarm, and the alarm of one that it
// named before and doesn't name any more ends. After an error nothing changes.
// An alarm that was ended by hand comes again as long as look names its cause.
// every = 0 means never.
func (a *Alarms) Watch(every time.Duration, look func() ([]Cause, error)) {
	if every <= 0 {
		return
	}
	a.watches.Go(func() {
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		w := watch{alarms: a, look: look}
		for {
			select {
			case <-a.stop:
				return
			case <-ticks.C:
				w.once()
			}
		}
	})
}

type watch struct {
	alarms *Alarms
	look   func() ([]Cause, error)
	named  map[string]bool // by the last look
	failed bool            // the last look
}

func (w *watch) once() {
	causes, err := w.look()
	if err != nil {
		if !w.failed && !errors.Is(err, errors.ErrUnsupported) { // as on systems other than Linux
			w.alarms.o.Log.Warn("what alarms go by can't be read", "err", err)
		}
		w.failed = true
		return
	}
	w.failed = false
	named := make(map[string]bool)
	for _, c := range causes {
		named[c.Name] = true
		w.alarms.Activate(c.Name, c.Message, c.Details)
	}
	for name := range w.named {
		if !named[name] {
			w.alarms.Deactivate(name)
		}
	}
	w.named = named
}

// Host says how much of the machine is in use, in percent. Each method is
// called by one goroutine at a time.
type Host interface {
	// CPU is the busy share of all cores since it was called before.
	CPU() (float64, error)
	// Memory is the share that programs can't have without others giving some
	// back.
	Memory() (float64, error)
	// Files is the share of the file descriptors the process may have.
	Files() (float64, error)
}

// WatchHost has alarms follow how much of the machine is in use.
func (a *Alarms) WatchHost(h Host) {
	c := a.config.Load()
	a.Watch(c.CPUInterval, a.above(HighCPU, h.CPU, func(c *Config) (high, low config.Percent) { return c.CPUHigh, c.CPULow },
		func(used float64, high, low config.Percent) Cause {
			return Cause{HighCPU, percent(used) + " cpu usage", marks(used, high, low)}
		}))
	a.Watch(c.MemoryInterval, a.above(HighMemory, h.Memory, func(c *Config) (high, low config.Percent) { return c.MemoryHigh, c.MemoryHigh },
		func(_ float64, high, _ config.Percent) Cause {
			return Cause{HighMemory, fmt.Sprintf("System memory usage is higher than %v", high), Details{"high_watermark": int(high)}}
		}))
	a.Watch(c.MemoryInterval, a.above(TooManyFiles, h.Files, func(c *Config) (high, low config.Percent) { return c.FilesHigh, c.FilesLow },
		func(used float64, high, low config.Percent) Cause {
			return Cause{TooManyFiles, percent(used) + " of the file descriptors are in use", marks(used, high, low)}
		}))
}

// above names the cause when more than the high mark is in use, and then until
// no more than the low one is.
func (a *Alarms) above(name string, inUse func() (float64, error), between func(*Config) (high, low config.Percent),
	cause func(used float64, high, low config.Percent) Cause) func() ([]Cause, error) {
	return func() ([]Cause, error) {
		used, err := inUse()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		high, low := between(a.config.Load())
		mark := high
		if a.IsActive(name) {
			mark = low
		}
		if used <= float64(mark) {
			return nil, nil
		}
		return []Cause{cause(used, high, low)}, nil
	}
}

func percent(used float64) string { return fmt.Sprintf("%.1f%%", used) }

func marks(used float64, high, low config.Percent) Details {
	return Details{"usage": math.Round(used*10) / 10, "high_watermark": int(high), "low_watermark": int(low)}
}
