package engine

import (
	"errors"
	"iter"
	"sync"
	"time"
)

const (
	allInFlight = 4 << 20               // bytes that one PutAll has on their way
	allRetry    = 20 * time.Millisecond // after ErrBusy, which others have caused
	allPatience = 10 * time.Second      // how long it may be busy at a stretch
)

// PutAll puts many records, and returns when all are kept; after an error some
// of them may be. Values have to stay as they are until then.
func (m *Map) PutAll(records iter.Seq2[string, []byte]) error {
	a := &all{m: m}
	a.less = sync.NewCond(&a.mu)
	for key, value := range records {
		if !a.put(key, value) {
			break
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wait(0)
	return a.err
}

// all is one PutAll.
type all struct {
	m     *Map
	mu    sync.Mutex
	less  *sync.Cond
	bytes int
	err   error
	busy  []pair // to be put again
}

type pair struct {
	key   string
	value []byte
}

// put puts a record when there is room for it; false: there was an error.
func (a *all) put(key string, value []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wait(allInFlight - 1)
	a.bytes += size(key, value)
	a.mu.Unlock()
	a.m.PutLater(key, value, func(err error) { a.ended(pair{key, value}, err) })
	a.mu.Lock()
	return a.err == nil
}

func size(key string, value []byte) int { return len(key) + len(value) + 1 }

func (a *all) ended(p pair, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, ErrBusy):
		a.busy = append(a.busy, p)
	case err != nil && a.err == nil:
		a.err = err
	}
	a.bytes -= size(p.key, p.value)
	a.less.Broadcast()
}

// wait waits until at most so many bytes are on their way, and none has to be
// put again; mu is held.
func (a *all) wait(most int) {
	for {
		for a.bytes > most {
			a.less.Wait()
		}
		if len(a.busy) == 0 {
			return
		}
		again := a.busy
		a.busy = nil
		a.mu.Unlock()
		err := a.m.again(again)
		a.mu.Lock()
		if a.err == nil {
			a.err = err
		}
	}
}

// again puts records one after the other, as long as others leave room.
func (m *Map) again(records []pair) (err error) {
	for _, p := range records {
		for begin := time.Now(); ; time.Sleep(allRetry) {
			if err = m.Put(p.key, p.value); !errors.Is(err, ErrBusy) || time.Since(begin) > allPatience {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
