package broker

import (
	"cmp"
	"slices"
	"strings"
)

const (
	sketchSize = 100 // names that a sketch holds
	sketchName = 256 // bytes of a name; of longer ones the beginning counts
)

// sketch finds the names that come most often, in bounded memory, by the
// space-saving algorithm: a name that is new takes the place, and the count, of
// the rarest one. Of n names in all, whoever came more than n/sketchSize times
// is in it. The zero sketch is empty.
type sketch struct {
	at  map[string]int // in all
	all []tallied
}

type tallied struct {
	name  string
	count uint64 // no less than how often the name came
	over  uint64 // what of that was taken over from others, at most
}

// add counts a name n times, which is copied if it is kept.
func (s *sketch) add(name string, n uint64) {
	if len(name) > sketchName {
		name = strings.ToValidUTF8(name[:sketchName], "") + "…"
	}
	if i, ok := s.at[name]; ok {
		s.all[i].count += n
		return
	}
	if s.at == nil {
		s.at = make(map[string]int)
	}
	name = strings.Clone(name)
	if len(s.all) < sketchSize {
		s.at[name] = len(s.all)
		s.all = append(s.all, tallied{name, n, 0})
		return
	}
	rarest := 0
	for i := range s.all {
		if s.all[i].count < s.all[rarest].count {
			rarest = i
		}
	}
	e := &s.all[rarest]
	delete(s.at, e.name)
	s.at[name] = rarest
	*e = tallied{name, e.count + n, e.count}
}

// Tallied is a name with how often it came at least.
type Tallied struct {
	Name  string
	Count uint64
}

// top are the names that came most often, at most so many.
func (s *sketch) top(most int) []Tallied {
	rows := make([]Tallied, len(s.all))
	for i, e := range s.all {
		rows[i] = Tallied{e.name, e.count - e.over}
	}
	slices.SortFunc(rows, func(a, b Tallied) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	return rows[:min(most, len(rows))]
}
