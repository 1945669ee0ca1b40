package auth

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
)

// allKeeper is a Keeper that takes many records in one change, which saves
// waiting for the disk after each.
type allKeeper interface {
	PutAll(records iter.Seq2[string, []byte]) error
}

// Add bans somebody, in the place of an earlier ban of the same. The error says
// what is wrong with b, or that it holds until the next start only, as it
// couldn't be kept.
func (s *Bans) Add(b Ban) error { return s.AddAll([]Ban{b})[0] }

// AddAll is Add for many, and returns the error of each.
func (s *Bans) AddAll(all []Ban) []error {
	errs := make([]error, len(all))
	s.saving.Lock()
	defer s.saving.Unlock()
	added := make([]*Ban, len(all)) // nil where there is an error
	s.mu.Lock()
	for i := range all {
		b := all[i]
		if errs[i] = b.check(); errs[i] == nil {
			b.kept = s.keeper != nil
			s.put(&b)
			added[i] = &b
		}
	}
	s.mu.Unlock()
	if s.keeper == nil {
		return errs
	}
	err := s.keep(added)
	for i, b := range added {
		if err != nil && b != nil {
			errs[i] = fmt.Errorf("the ban of %s %q holds, but is gone after the next start: %w", b.Kind, b.Who, err)
		}
	}
	return errs
}

// keep hands bans to the keeper, in one change if it can. Of two of one name
// the later counts.
func (s *Bans) keep(added []*Ban) error {
	records := make(map[string][]byte, len(added))
	for _, b := range added {
		if b == nil {
			continue
		}
		value, err := json.Marshal(b)
		if err != nil {
			return err
		}
		records[b.key()] = value
	}
	if k, can := s.keeper.(allKeeper); can && len(records) > 0 {
		return k.PutAll(maps.All(records))
	}
	for key, value := range records {
		if err := s.keeper.Put(key, value); err != nil {
			return err
		}
	}
	return nil
}
