package login

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/auth"
)

// records are values by name: in memory, and as JSON in a Keeper.
type records[T any] struct {
	keeper auth.Keeper // nil: memory only
	mu     sync.RWMutex
	all    map[string]T
}

// open reads what is kept; named puts the name into a value. What is kept is
// called so in the error.
func (r *records[T]) open(keeper auth.Keeper, called string, named func(*T, string)) error {
	r.keeper, r.all = keeper, make(map[string]T)
	if keeper == nil {
		return nil
	}
	return keeper.Each(func(name string, value []byte) error {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return fmt.Errorf("the %s %q can't be read: %w", called, name, err)
		}
		named(&v, name)
		r.all[name] = v
		return nil
	})
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
// Nothing happens between the two. If f fails, or the value can't be kept,
// everything stays as it is.
func (r *records[T]) change(name string, f func(old T, there bool) (T, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, there := r.all[name]
	v, err := f(old, there)
	if err != nil {
		return err
	}
	if r.keeper != nil {
		value, err := json.Marshal(v)
		if err == nil {
			err = r.keeper.Put(name, value)
		}
		if err != nil {
			return err
		}
	}
	r.all[name] = v
	return nil
}

// remove deletes a value unless f, which is told whether there is one, fails.
func (r *records[T]) remove(name string, f func(old T, there bool) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, there := r.all[name]
	if err := f(old, there); err != nil {
		return err
	}
	if r.keeper != nil {
		if err := r.keeper.Delete(name); err != nil {
			return err
		}
	}
	delete(r.all, name)
	return nil
}
