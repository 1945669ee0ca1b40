// Package metrics counts what the process does: counters, gauges and histograms, gathered in one Registry under the
// dotted names of EMQ X (packets.connect.received). REST, $SYS topics, Prometheus and OpenTelemetry all read that registry.
//
// Exposition writes pages as Prometheus reads them, and a History keeps what figures were lately. The package sends nothing itself, knows no time, and has no labels but
// the reasons of a Reasons family: what there is one of per client, topic or rule is kept by its owner.
package metrics

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Registry holds the metrics of a process. The zero Registry is empty and ready for use; all methods may be called at
// the same time.
//
// The constructors (Counter, Gauge, …) panic if the name is taken or malformed: names are written in the program, so this
// is a mistake in the program. A name is lower-case letters, digits and underscores, in parts separated by dots. The
// help is one line that says what is counted, in which unit.
type Registry struct {
	mu      sync.Mutex
	entries []entry // sorted by name; replaced as a whole, so a reader needs the lock only to fetch it
}

type entry struct {
	name, help string
	read       func(*Sample)
}

// Kind says how a sample is to be understood.
type Kind uint8

const (
	KindCounter   Kind = iota // grows, from zero at the start
	KindGauge                 // goes up and down
	KindHistogram             // see Sample.Histogram
	KindReasons               // a counter divided by reason, see Sample.Reasons
)

// Sample is one metric at one moment.
type Sample struct {
	Name, Help string
	Kind       Kind
	Value      int64         // number of observations for a histogram, the total for reasons
	Histogram  *Buckets      // for KindHistogram only
	Label      string        // what the reasons are called, for KindReasons only
	Reasons    []ReasonCount // sorted by reason; the receiver owns it
}

// Each calls f with a sample of every metric, sorted by name. The samples are taken one by one: they need not agree with
// each other to the last event. No lock is held while f runs.
func (r *Registry) Each(f func(Sample)) {
	var s Sample // one for all, since it escapes
	for _, e := range r.list() {
		s = Sample{Name: e.name, Help: e.help}
		e.read(&s)
		f(s)
	}
}

// Get returns a sample of the named metric; ok is false if there is none.
func (r *Registry) Get(name string) (s Sample, ok bool) {
	list := r.list()
	i, ok := find(list, name)
	if !ok {
		return Sample{}, false
	}
	return list[i].sample(), true
}

func (e entry) sample() Sample {
	s := Sample{Name: e.name, Help: e.help}
	e.read(&s)
	return s
}

func (r *Registry) list() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries
}

func (r *Registry) add(name, help string, read func(*Sample)) {
	if !validName(name) {
		panic(fmt.Sprintf("metrics: the name %q is not made of a-z, 0-9 and _ in parts separated by dots", name))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i, taken := find(r.entries, name)
	if taken {
		panic(fmt.Sprintf("metrics: the name %q is registered twice", name))
	}
	r.entries = slices.Insert(slices.Clone(r.entries), i, entry{name, help, read})
}

func find(list []entry, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(e entry, name string) int { return strings.Compare(e.name, name) })
}

func validName(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return false
		}
	}
	return true
}
