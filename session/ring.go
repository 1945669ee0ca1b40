package session

// ring is a FIFO in a circular buffer that grows on demand. Its zero value is
// empty and holds no memory.
type ring[T any] struct {
	buf  []T // the length is 0 or a power of two
	head uint32
	n    uint32
}

const (
	ringFirst = 4  // slots to begin with: most clients never have more waiting
	ringKeep  = 64 // slots up to which pop keeps the buffer, so that bursts don't halve and double it in turn
)

// at is the element i places behind the first; it is valid until the next
// call that adds or removes.
func (r *ring[T]) at(i uint32) *T { return &r.buf[(r.head+i)&uint32(len(r.buf)-1)] }

func (r *ring[T]) full() bool { return int(r.n) == len(r.buf) }

func (r *ring[T]) push(v T) {
	if r.full() {
		r.resize(max(ringFirst, 2*len(r.buf)))
	}
	r.n++
	*r.at(r.n - 1) = v
}

// pop takes the first element out; there must be one.
func (r *ring[T]) pop() T {
	var zero T
	slot := r.at(0)
	v := *slot
	*slot = zero
	r.head = (r.head + 1) & uint32(len(r.buf)-1)
	r.n--
	if len(r.buf) > ringKeep && int(r.n) <= len(r.buf)/4 {
		r.resize(len(r.buf) / 2)
	}
	return v
}

// filter removes the elements that keep refuses; the others stay in order.
func (r *ring[T]) filter(keep func(*T) bool) {
	var kept uint32
	for i := range r.n {
		if v := r.at(i); keep(v) {
			*r.at(kept) = *v
			kept++
		}
	}
	var zero T
	for i := kept; i < r.n; i++ {
		*r.at(i) = zero
	}
	r.n = kept
}

func (r *ring[T]) resize(size int) {
	buf := make([]T, size)
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}
