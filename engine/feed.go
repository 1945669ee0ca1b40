package engine

import (
	"sync"
	"time"
)

const (
	feedBytes = 4 << 20 // what a feed holds for followers that are a little behind
	feedMost  = 256     // records a follower takes at once
)

// feed hands new records to followers from memory. A follower that is further
// behind than the feed reaches reads the stream until it has caught up.
type feed struct {
	s         *stream
	mu        sync.Mutex
	ready     *sync.Cond
	followers map[*follower]bool
	age       int      // how often the records became others
	records   []record // the last ones, without a gap
	bytes     int
	closed    bool
}

func (f *feed) add(r record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.raise(r.seq) // here, so that no follower looks for it anywhere else
	if len(f.followers) == 0 {
		return
	}
	if n := len(f.records); n > 0 && f.records[n-1].seq >= r.seq {
		return // it was sent twice
	} else if n > 0 && f.records[n-1].seq+1 != r.seq {
		f.records, f.bytes = nil, 0 // a record went in elsewhere, or its answer got lost
	}
	f.records = append(f.records, r)
	f.bytes += len(r.data)
	drop := 0
	for f.bytes > feedBytes && drop < len(f.records)-1 {
		f.bytes -= len(f.records[drop].data)
		f.records[drop] = record{}
		drop++
	}
	f.records = f.records[drop:]
	f.ready.Broadcast()
}

func (f *feed) close() {
	f.mu.Lock()
	f.closed = true
	f.ready.Broadcast()
	f.mu.Unlock()
}

// follow calls each for every record behind after, in order, on a goroutine of
// its own, until stop, which waits for a call under way. over, if not nil, runs
// after the last call.
func (f *feed) follow(after uint64, each func(record), over func()) (stop func()) {
	return f.begin(&follower{next: after + 1, each: each, over: over})
}

func (f *feed) begin(fl *follower) (stop func()) {
	fl.feed, fl.done = f, make(chan struct{})
	f.mu.Lock()
	f.followers[fl] = true
	fl.age = f.age
	f.mu.Unlock()
	go fl.run()
	return sync.OnceFunc(fl.stop)
}

func (f *feed) all() (all []*follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for fl := range f.followers {
		all = append(all, fl)
	}
	return all
}

// wake has followers look for records that came elsewhere.
func (f *feed) wake() {
	f.mu.Lock()
	f.ready.Broadcast()
	f.mu.Unlock()
}

// renew is for a new link; wiped: with other records.
func (f *feed) renew(wiped bool) {
	f.mu.Lock()
	f.records, f.bytes = nil, 0
	if wiped {
		f.age++
	}
	f.ready.Broadcast()
	f.mu.Unlock()
}

type follower struct {
	feed    *feed
	next    uint64
	each    func(record)
	over    func()
	stopped bool // guarded by feed.mu
	age     int  // of the feed, when the records were those that next counts; guarded by feed.mu
	failing time.Time
	said    bool // that it fails

	remember func() error         // if not nil: is called before the records become others
	renewed  func() (next uint64) // and after that, to go on with a record; nil: with what comes
	done     chan struct{}
}

func (fl *follower) stop() {
	f := fl.feed
	f.mu.Lock()
	fl.stopped = true
	if delete(f.followers, fl); len(f.followers) == 0 {
		f.records, f.bytes = nil, 0
	}
	f.ready.Broadcast()
	f.mu.Unlock()
	<-fl.done
}

func (fl *follower) run() {
	defer close(fl.done)
	if fl.over != nil {
		defer fl.over()
	}
	for {
		records, live := fl.take()
		if !live {
			return
		}
		for _, r := range records {
			if r.seq >= fl.next {
				fl.next = r.seq + 1
				fl.each(r)
			}
		}
	}
}

// take waits for records behind the last ones.
func (fl *follower) take() (records []record, live bool) {
	f := fl.feed
	f.mu.Lock()
	for fl.next > f.s.last.Load() && fl.age == f.age && !fl.stopped && !f.closed {
		f.ready.Wait()
	}
	if fl.stopped || f.closed {
		f.mu.Unlock()
		return nil, false
	}
	if fl.age != f.age {
		fl.age = f.age
		f.mu.Unlock()
		if fl.next = f.s.last.Load() + 1; fl.renewed != nil {
			fl.next = fl.renewed()
		}
		return nil, true
	}
	if n := len(f.records); n > 0 && f.records[0].seq <= fl.next && fl.next <= f.records[n-1].seq {
		from := int(fl.next - f.records[0].seq)
		records = append(records, f.records[from:min(from+feedMost, n)]...)
		f.mu.Unlock()
		return records, true
	}
	f.mu.Unlock()
	records, next, err := f.s.get(fl.next, feedMost)
	fl.note(err)
	if len(records) == 0 && err == nil {
		next = max(next, f.s.first.Load())
		if next > fl.next {
			fl.next = next // what was there has been removed
			return nil, true
		}
	}
	if len(records) == 0 {
		fl.wait(err) // or what others have kept is on its way to here
	}
	return records, true
}

const (
	followPause = 10 * time.Millisecond
	failedPause = 200 * time.Millisecond
	sayAfter    = 10 * time.Second // of failing
)

// wait is taken before the next look at what couldn't be read, or is not there
// yet when err is nil. It says whether a look makes sense still: nobody has
// stopped it, and the records are the ones that they were.
func (fl *follower) wait(err error) bool {
	fl.note(err)
	if err == nil {
		time.Sleep(followPause)
	} else {
		time.Sleep(failedPause)
	}
	f := fl.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	return !fl.stopped && !f.closed && fl.age == f.age
}

// note says once when reading fails for long, as it does for a moment while the
// engine joins a cluster.
func (fl *follower) note(err error) {
	s := fl.feed.s
	switch {
	case err == nil && fl.said:
		s.e.log.Info("engine: " + describe(s.name) + " can be followed again")
		fallthrough
	case err == nil:
		fl.failing, fl.said = time.Time{}, false
	case fl.failing.IsZero():
		fl.failing = time.Now()
	case !fl.said && time.Since(fl.failing) > sayAfter:
		fl.said = true
		s.e.log.Error("engine: " + describe(s.name) + " can't be followed, which is tried again: " + err.Error())
	}
}
