//go:build linux

package netloop

import "sync/atomic"

const pageSize = 1 << 10

// table finds the connection of a file descriptor. Descriptors are small and
// dense, so it is an array in pages, each made when its first descriptor shows up.
type table struct {
	pages []atomic.Pointer[[pageSize]atomic.Pointer[Conn]]
}

func newTable(limit int) table {
	return table{make([]atomic.Pointer[[pageSize]atomic.Pointer[Conn]], limit/pageSize+1)}
}

func (t *table) get(fd int32) *Conn {
	i := int(fd) / pageSize
	if i >= len(t.pages) {
		return nil
	}
	page := t.pages[i].Load()
	if page == nil {
		return nil
	}
	return page[fd%pageSize].Load()
}

// set reports false when the descriptor is beyond the table's limit.
func (t *table) set(fd int32, c *Conn) bool {
	i := int(fd) / pageSize
	if i >= len(t.pages) {
		return false
	}
	page := t.pages[i].Load()
	if page == nil {
		t.pages[i].CompareAndSwap(nil, new([pageSize]atomic.Pointer[Conn]))
		page = t.pages[i].Load()
	}
	page[fd%pageSize].Store(c)
	return true
}

// all calls f for every connection. Others may be set or cleared meanwhile.
func (t *table) all(f func(*Conn)) {
	for i := range t.pages {
		page := t.pages[i].Load()
		for j := 0; page != nil && j < pageSize; j++ {
			if c := page[j].Load(); c != nil {
				f(c)
			}
		}
	}
}
