package linefile

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLines is how many lines may wait for a sink, which is a second or two
	// of a disk that has other things to do. More are lost, and counted.
	maxLines = 4096
	// maxBytes bounds the same, for long lines.
	maxBytes = 8 << 20
)

// Queue takes lines from any goroutine and has one write them to a sink, so that
// neither a full disk nor a terminal that hangs holds whoever writes.
type Queue struct {
	sink   io.WriteCloser // gets one line a call; after Close the next call opens it again
	report func(w io.Writer, lost int64) error

	lines   chan []byte  // nil is nothing to write
	waiting atomic.Int64 // bytes in lines
	renamed atomic.Bool  // the sink is to be opened again
	ended   sync.Once
	stop    chan struct{}
	done    chan struct{}

	lost   atomic.Int64 // lines, since the start
	untold int64        // how many of them report has told of
}

// NewQueue makes a queue and starts its goroutine, which ends after Close.
// report writes to w, past the queue, that lines are lost.
func NewQueue(sink io.WriteCloser, report func(w io.Writer, lost int64) error) *Queue {
	q := &Queue{sink: sink, report: report, lines: make(chan []byte, maxLines), stop: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

// Write copies a line into the queue. It never waits and never fails: what
// there is no room for is lost.
func (q *Queue) Write(line []byte) (int, error) {
	if q.waiting.Add(int64(len(line))) <= maxBytes {
		select {
		case q.lines <- bytes.Clone(line):
			return len(line), nil
		default:
		}
	}
	q.waiting.Add(-int64(len(line)))
	q.lost.Add(1)
	return len(line), nil
}

// Reopen closes the sink before the next line, or at once if none waits.
func (q *Queue) Reopen() {
	q.renamed.Store(true)
	select {
	case q.lines <- nil:
	default:
	}
}

// Lost is how many lines could not be written.
func (q *Queue) Lost() int64 { return q.lost.Load() }

// Close has what waits written and then the sink closed. It doesn't wait for
// that, see Wait. What is written later is lost.
func (q *Queue) Close() { q.ended.Do(func() { close(q.stop) }) }

// Wait ends when everything is written after a Close, and reports whether that
// was so within the time.
func (q *Queue) Wait(patience time.Duration) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-q.done:
		return true
	case <-late.C:
		return false
	}
}

// run writes until Close, and then what is left.
func (q *Queue) run() {
	defer close(q.done)
	for {
		select {
		case line := <-q.lines:
			q.write(line)
		case <-q.stop:
			for range len(q.lines) {
				q.write(<-q.lines)
			}
			q.close()
			return
		}
	}
}

func (q *Queue) write(line []byte) {
	q.waiting.Add(-int64(len(line)))
	if q.renamed.Swap(false) {
		q.close()
	}
	if _, err := q.sink.Write(line); err != nil {
		if line != nil {
			q.lost.Add(1)
		}
		return
	}
	if lost := q.lost.Load(); lost > q.untold && len(q.lines) < maxLines/2 && q.report(q.sink, lost-q.untold) == nil {
		q.untold = lost
	}
}

// close takes an error for the loss of a line, since it says that something had
// not been written yet.
func (q *Queue) close() {
	if q.sink.Close() != nil {
		q.lost.Add(1)
	}
}
