package api

import (
	"iter"
	"slices"
)

// A page is found without sorting what is not on it: the list is divided around
// where the page begins and where it ends, as quicksort would, and only what is
// between is sorted. The order is the same from page to page, and no page costs
// more for being the last one.

// span returns what comes after the first from of all, n at most, in their
// order, and how many all are; n is at least 1. Of a long list it holds twice as
// many as it must.
func span[T any](all iter.Seq[T], from, n int, compare func(a, b T) int) (some []T, total int) {
	end := from + n
	var last T // the largest that still counts
	full := false
	for v := range all {
		total++
		if full && compare(v, last) >= 0 {
			continue
		}
		if some = append(some, v); len(some)/2 >= end {
			divide(some, end, compare, alike)
			some, full = some[:end], true
			last = slices.MaxFunc(some, compare)
		}
	}
	if from >= len(some) {
		return nil, total
	}
	divide(some, from, compare, alike)
	some = some[from:]
	k, _ := divide(some, n, compare, alike)
	some = some[:k]
	slices.SortFunc(some, compare)
	return some, total
}

func alike[T any](*T) int { return 1 }

// divide brings to the front of all the smallest whose weights together are at
// most goal, in no order, and behind them the one that would be next. It returns
// how many they are and what they weigh. A weight is at least 1.
func divide[T any](all []T, goal int, compare func(a, b T) int, weight func(*T) int) (n, weighs int) {
	low, high := 0, len(all)
	for high-low > 16 {
		left, right := partition(all[low:high], compare)
		w := 0
		for i := low; i < low+left; i++ {
			w += weight(&all[i])
		}
		if weighs+w > goal {
			high = low + left
			continue
		}
		low, weighs = low+left, weighs+w
		for ; left < right && low < high; left++ { // those like the pivot are in their place
			if w = weight(&all[low]); weighs+w > goal {
				return low, weighs
			}
			low, weighs = low+1, weighs+w
		}
	}
	slices.SortFunc(all[low:high], compare)
	for ; low < high; low++ {
		w := weight(&all[low])
		if weighs+w > goal {
			break
		}
		weighs += w
	}
	return low, weighs
}

// partition puts what is smaller than some pivot before left and what is larger
// from right on. Lists come out of maps in no order, so that any pivot will do;
// the middle of three saves some rounds.
func partition[T any](all []T, compare func(a, b T) int) (left, right int) {
	a, b, c := all[0], all[len(all)/2], all[len(all)-1]
	if compare(a, b) > 0 {
		a, b = b, a
	}
	if compare(b, c) > 0 {
		b = c
		if compare(a, b) > 0 {
			b = a
		}
	}
	right = len(all)
	for i := 0; i < right; {
		switch order := compare(all[i], b); {
		case order < 0:
			all[i], all[left] = all[left], all[i]
			left, i = left+1, i+1
		case order > 0:
			right--
			all[i], all[right] = all[right], all[i]
		default:
			i++
		}
	}
	return left, right
}

// pageOf returns the part of all that is wanted, and what to say about it.
func pageOf[T any](q *request, all iter.Seq[T], compare func(a, b T) int) (some []T, m meta, err error) {
	from, limit, m, err := q.page(q.longest)
	if err != nil {
		return nil, m, err
	}
	some, m.Count = span(all, from, limit, compare)
	return some, m, nil
}

// more says in a meta whether the list goes on behind the page.
func (m *meta) more() { m.HasNext = new(int64(m.Page)*int64(m.Limit) < int64(m.Count)) }

// filtered says that the count is that of what was chosen, which EMQ X doesn't
// tell.
func (m *meta) filtered() { m.Count, m.chosen = -1, m.Count }
