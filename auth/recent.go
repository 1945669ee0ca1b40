package auth

import "time"

// recent is a bounded map of what happened lately. It has two generations: a
// new entry goes to the younger, and when that is full, or has been filled for
// as long as entries are of use, it becomes the older, and the older one is
// forgotten as a whole. So nothing is searched for what has expired, and an
// entry is there for keep at least, unless limit/2 newer ones push it out.
// Its owner locks it.
type recent[K comparable, V any] struct {
	keep  time.Duration
	limit int

	young, old map[K]V
	since      time.Duration // when young was begun
}

func (r *recent[K, V]) get(now time.Duration, key K) (v V, ok bool) {
	r.turn(now)
	if v, ok = r.young[key]; !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

func (r *recent[K, V]) put(now time.Duration, key K, v V) {
	r.turn(now)
	if _, there := r.young[key]; !there && len(r.young) >= max(r.limit/2, 1) {
		r.old, r.young, r.since = r.young, nil, now
	}
	if r.young == nil {
		r.young, r.since = make(map[K]V), now
	}
	r.young[key] = v
}

// turn forgets what has become too old.
func (r *recent[K, V]) turn(now time.Duration) {
	if now-r.since < r.keep || r.young == nil && r.old == nil {
		return
	}
	r.old, r.young = r.young, nil
	if now-r.since >= 2*r.keep {
		r.old = nil
	}
	r.since = now
}
