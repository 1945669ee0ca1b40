package auth

import (
	"encoding/json"
	"fmt"
	"maps"
)

// Add bans somebody on all nodes, in the place of an earlier ban of the same.
// The error says what is wrong with b, or why it can't be kept; then it
// doesn't hold.
func (s *Bans) Add(b Ban) error { return s.AddAll([]Ban{b})[0] }

// AddAll is Add for many, and returns the error of each. Of two of one name the
// later counts.
func (s *Bans) AddAll(all []Ban) []error {
	errs := make([]error, len(all))
	records := make(map[string][]byte, len(all))
	for i := range all {
		b := all[i]
		if errs[i] = b.check(); errs[i] != nil {
			continue
		}
		value, err := json.Marshal(&b)
		if errs[i] = err; err == nil {
			records[b.key()] = value
		}
	}
	if len(records) == 0 {
		return errs
	}
	if err := s.records.PutAll(maps.All(records)); err != nil {
		for i, b := range all {
			if errs[i] == nil {
				errs[i] = fmt.Errorf("the ban of %s %q can't be kept: %w", b.Kind, b.Who, err)
			}
		}
	}
	return errs
}
