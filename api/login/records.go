package login

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/keep"
)

// records are values by name: in memory, and as JSON in a map that all nodes
// have.
type records[T any] struct {
	kept    keep.Map
	called  string           // in errors
	named   func(*T, string) // puts the name into a value
	writing sync.Mutex       // around a look and the change that rests on it, by this node; taken before mu
	mu      sync.RWMutex
	all     map[string]T
}

// open reads what is kept, and follows it.
func (r *records[T]) open(kept keep.Map, log *slog.Logger, called string, named func(*T, string)) error {
	if kept == nil {
		kept = new(keep.Memory)
	}
	r.kept, r.called, r.named, r.all = kept, called, named, make(map[string]T)
	return keep.Follow(kept, log, r.apply)
}

// apply puts a change in force.
func (r *records[T]) apply(c keep.Change) error {
	var v T
	if !c.Deleted {
		if err := json.Unmarshal(c.Value, &v); err != nil {
			return fmt.Errorf("the %s %q can't be read: %w", r.called, c.Key, err)
		}
		r.named(&v, c.Key)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[c.Key] = v; c.Deleted {
		delete(r.all, c.Key)
	}
	return nil
}

func (r *records[T]) get(name string) (v T, there bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, there = r.all[name]
	return v, there
}

// list returns the values by their names.
func (r *records[T]) list() []T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]T, 0, len(r.all))
	for _, name := range slices.Sorted(maps.Keys(r.all)) {
		all = append(all, r.all[name])
	}
	return all
}

// change puts what f makes of a value, which is the zero one if there is none.
// This node does nothing between the two. If f fails, or the value can't be
// kept, everything stays as it is.
func (r *records[T]) change(name string, f func(old T, there bool) (T, error)) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	old, there := r.get(name)
	v, err := f(old, there)
	if err != nil {
		return err
	}
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.kept.Put(name, value)
}

// remove deletes a value unless f, which is told whether there is one, fails.
func (r *records[T]) remove(name string, f func(old T, there bool) error) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	old, there := r.get(name)
	if err := f(old, there); err != nil {
		return err
	}
	return r.kept.Delete(name)
}
