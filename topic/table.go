package topic

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// Table is a hash table of values that know themselves what they are found by, such as pointers to subscriptions, which
// have a filter. It has no copy of a key nor of its hash: a million pointers take 12 MB, where a map from string to
// pointer takes 27 to 57. It grows and shrinks in small steps, so no call takes long.
//
// It is for one goroutine at a time; any number may read.
type Table[V any] struct {
	key   func(V) string
	pages []page[V] // linear hashing, see find
	n     int
}

// page holds the values whose hashes have the same lowest bits, in no order. The tags tell nearly all values that are not
// the one looked for without reading more than the page.
type page[V any] struct {
	tags [pageTags / 8]uint64 // a byte of each value's hash, the first value's lowest
	vals []V
}

const (
	// pageTags is how many values of a page have a tag. Those after, rare with this mean, are looked at one by one.
	pageTags = 24
	// pageMean is how many values a page has when a table with 2^k pages grows; between that some have 3/4, some 3/2 of
	// it, and all half of it before the table shrinks.
	pageMean = 12
	// tableUnhashed is how many values are compared one by one, without a hash: the usual kids of a node.
	tableUnhashed = 3
)

// NewTable returns an empty table. key tells what a value is found by: always the same string for the same value. It must
// not use the table.
func NewTable[V any](key func(V) string) *Table[V] { return &Table[V]{key: key} }

var tableSeed = maphash.MakeSeed() // nobody outside can choose keys that collide

// hash is the hash of a key. The lowest bits choose the page, the highest byte is the tag.
func hash(key string) uint32 { return uint32(maphash.String(tableSeed, key)) }

// wanted is a key to be looked up, possibly in more than one table; its hash is made when it is needed first.
type wanted struct {
	key  string
	sum  uint32
	made bool
}

func (w *wanted) hash() uint32 {
	if !w.made {
		w.sum, w.made = hash(w.key), true
	}
	return w.sum
}

// Len is the number of values; a nil table has none.
func (t *Table[V]) Len() int {
	if t == nil {
		return 0
	}
	return t.n
}

// Get returns the value with this key.
func (t *Table[V]) Get(key string) (v V, ok bool) {
	return t.get(&wanted{key: key}, func(v V) bool { return t.key(v) == key })
}

// get is Get for whom it suffices, or is faster, to ask something else about a value; it must be true of one value with
// the wanted key at most. The table may be nil.
func (t *Table[V]) get(w *wanted, is func(V) bool) (v V, ok bool) {
	if t == nil || t.n == 0 {
		return v, false
	}
	if p, i := t.search(w, is); i >= 0 {
		return p.vals[i], true
	}
	return v, false
}

// Put adds v, or puts it in the place of the value with the same key, old.
func (t *Table[V]) Put(v V) (old V, replaced bool) {
	if t.n == 0 {
		t.pages = make([]page[V], 1)
	}
	w := wanted{key: t.key(v)}
	if p, i := t.search(&w, func(v V) bool { return t.key(v) == w.key }); i >= 0 {
		old, p.vals[i] = p.vals[i], v
		return old, true
	}
	p, _ := t.find(w.hash())
	p.add(w.hash(), v)
	if t.n++; t.n > len(t.pages)*pageMean {
		t.split()
	}
	return old, false
}

// Delete removes the value with this key and returns it.
func (t *Table[V]) Delete(key string) (v V, ok bool) {
	if t.n == 0 {
		return v, false
	}
	p, i := t.search(&wanted{key: key}, func(v V) bool { return t.key(v) == key })
	if i < 0 {
		return v, false
	}
	v = p.vals[i]
	p.remove(i, t.hash)
	if t.n--; t.n == 0 {
		t.pages = nil
	} else if t.n < (len(t.pages)-1)*pageMean/2 {
		t.merge()
	}
	return v, true
}

func (t *Table[V]) hash(v V) uint32 { return hash(t.key(v)) }

// All goes through the values in no order. The table may be changed meanwhile: a value that is there all the time comes
// exactly once, one added or removed may come or not.
func (t *Table[V]) All(yield func(V) bool) {
	var some []V
	for from := uint64(0); from < tableEnd; {
		end := t.pageEnd(from)
		some = t.between(from, end, some[:0])
		for _, v := range some {
			if !yield(v) {
				return
			}
		}
		from = end
	}
}

// find returns the page for a hash and how many of the lowest bits the hashes in it have in common. With n pages, where
// 2^k < n <= 2^(k+1), the first n-2^k pages have been split by bit k, and the pages they gave half of their values to
// are the last ones.
func (t *Table[V]) find(sum uint32) (p *page[V], width int) {
	n := uint32(len(t.pages))
	if n == 1 {
		return &t.pages[0], 0
	}
	k := bits.Len32(n-1) - 1
	low := sum & (1<<k - 1)
	if low+1<<k < n {
		return &t.pages[sum&(2<<k-1)], k + 1
	}
	return &t.pages[low], k
}

// search returns the page that the wanted value is in, and where there; -1 if it is not. The table is not empty.
func (t *Table[V]) search(w *wanted, is func(V) bool) (p *page[V], i int) {
	if t.n <= tableUnhashed {
		p = &t.pages[0]
		return p, slices.IndexFunc(p.vals, is)
	}
	p, _ = t.find(w.hash())
	for like := p.like(w.hash()); like != 0; like &= like - 1 {
		if i := bits.TrailingZeros64(like); is(p.vals[i]) {
			return p, i
		}
	}
	for i := pageTags; i < len(p.vals); i++ {
		if is(p.vals[i]) {
			return p, i
		}
	}
	return p, -1
}

// like has bit i set if value i has the tag for this hash, now and then also if it has not. It takes eight tags at a
// time: in those that are the same a byte of x is zero, the usual trick makes that a bit, and the product lines the bits up.
func (p *page[V]) like(sum uint32) (like uint64) {
	const ones, highs, lineUp = 0x0101010101010101, 0x8080808080808080, 0x0002040810204081
	same := uint64(sum>>24) * ones
	for i := range p.tags {
		x := p.tags[i] ^ same
		like |= ((x - ones) &^ x & highs) * lineUp >> 56 << (8 * i)
	}
	return like & (1<<len(p.vals) - 1)
}

// add puts a value last; little room is made at a time: an eighth, and what the allocator gives anyway.
func (p *page[V]) add(sum uint32, v V) {
	n := len(p.vals)
	if n == cap(p.vals) {
		p.vals = roomier(p.vals, n+1+n/8)
	}
	p.vals = append(p.vals, v)
	p.tag(n, sum)
}

// tag notes the hash of the value at i.
func (p *page[V]) tag(i int, sum uint32) {
	if i < pageTags {
		shift := i % 8 * 8
		p.tags[i/8] = p.tags[i/8]&^(0xff<<shift) | uint64(sum>>24)<<shift
	}
}

// remove moves the last value into the hole; sum tells its hash.
func (p *page[V]) remove(i int, sum func(V) uint32) {
	last := len(p.vals) - 1
	if i != last {
		p.vals[i] = p.vals[last]
		p.tag(i, sum(p.vals[i]))
	}
	clear(p.vals[last:])
	if p.vals = p.vals[:last]; last < cap(p.vals)/2 {
		p.vals = roomier(p.vals, last)
	}
}

// split adds a page, by dividing the first one that has not been divided since the number of pages was a power of two.
func (t *Table[V]) split() {
	n := len(t.pages)
	k := bits.Len(uint(n)) - 1
	var halves [2]page[V]
	for _, v := range t.pages[n-1<<k].vals {
		sum := t.hash(v)
		halves[sum>>k&1].add(sum, v)
	}
	t.pages[n-1<<k] = halves[0]
	t.pages = append(t.pages, halves[1])
}

// merge undoes the last split.
func (t *Table[V]) merge() {
	n := len(t.pages) - 1
	into := &t.pages[n-1<<(bits.Len(uint(n))-1)]
	for _, v := range t.pages[n].vals {
		into.add(t.hash(v), v)
	}
	t.pages[n] = page[V]{}
	if t.pages = t.pages[:n]; n < cap(t.pages)/4 {
		t.pages = roomier(t.pages, n)
	}
}

// tableEnd is behind the last position in the order of a walk.
const tableEnd = 1 << 32

// A walk goes by the hashes with their bits reversed, because in this order the values of a page stay together however
// often it is split or merged: pageEnd is the position behind the page that from is in.
func (t *Table[V]) pageEnd(from uint64) uint64 {
	if t.Len() == 0 {
		return tableEnd
	}
	_, width := t.find(bits.Reverse32(uint32(from)))
	return (from>>(32-width) + 1) << (32 - width)
}

// between appends the values of from's page that are not before from and before end in the order of a walk.
func (t *Table[V]) between(from, end uint64, dst []V) []V {
	if t.Len() == 0 {
		return dst
	}
	p, _ := t.find(bits.Reverse32(uint32(from)))
	for _, v := range p.vals {
		if at := uint64(bits.Reverse32(t.hash(v))); from <= at && at < end {
			dst = append(dst, v)
		}
	}
	return dst
}

// roomier moves s to memory with room for n elements and what the allocator gives with them.
func roomier[E any](s []E, n int) []E {
	return append(append([]E(nil), make([]E, n)...)[:0], s...)
}
