package engine

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// In a cluster a record may get lost on its way, with the node that was to
// order it, and an answer on its way back. While nobody orders records, or
// somebody else begins to, one may also be refused and the next one kept. So
// records go in groups: what comes while a group is on its way is the next one,
// and goes when all of this one is answered. Each record has a number: answers
// carry it, and so does the record, as an id by which the cluster keeps one
// that comes twice only once. When the first of the queue has no answer for a
// while, nothing new is sent and the first alone is tried; once that is kept
// all that follow are sent again in their order. A new leader can't be elected
// within stallAfter, so that it never gets a later record of ours first. What is
// given up may still be in the buffers of a connection that comes to life again:
// see doubt.
const (
	stallAfter = 700 * time.Millisecond // shorter than electAfter
	tryAgain   = 250 * time.Millisecond
	// idsKept is how long the cluster knows the id of a record. Nothing is tried
	// for longer than answerWithin.
	idsKept = 20 * time.Second
)

// idHeader is what the server looks for.
const idHeader = nats.MsgIdHdr

// mark gives a record its number.
func (w *writer) mark(m *nats.Msg, number uint64) {
	n := strconv.FormatUint(number, 36)
	m.Reply += "." + n
	if m.Header == nil {
		m.Header = make(nats.Header, 1)
	} else {
		m.Header = maps.Clone(m.Header)
	}
	m.Header[idHeader] = []string{w.s.e.run + n}
}

// answeredNumber notes the answer to a record; mu is held.
func (w *writer) answeredNumber(m *nats.Msg, seq uint64, err error) {
	number, bad := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 36, 64)
	if bad == nil && number < w.base && !passing(err) {
		w.settled(number)
	}
	if bad != nil || number < w.base || number-w.base >= uint64(w.sent) {
		return
	}
	i := int(number - w.base)
	if w.queue[i].answered {
		return
	}
	if passing(err) {
		w.stalled = true
		return
	}
	w.queue[i].end(seq, err)
	if w.stalled && i == 0 && !w.held {
		w.catchUp()
	}
}

// passing says whether an error may be gone when the record is tried again.
func passing(err error) bool {
	var e *serverError
	return errors.As(err, &e) && (e.Code == 503 || e.ErrCode == duplicateOnItsWay)
}

// duplicateOnItsWay is the server's number for a record that it has got
// already, and that is not kept yet.
const duplicateOnItsWay = 10158

// catchUp sends all that has no answer, in order; mu is held.
func (w *writer) catchUp() {
	w.stalled = false
	for i := range w.queue {
		if w.queue[i].answered {
			continue
		}
		if err := w.publish(&w.queue[i], w.base+uint64(i)); err != nil {
			w.s.e.log.Warn(fmt.Sprintf("engine: write to %s: %v", w.s.name, sentence(err)))
			w.stalled = true
			return
		}
		w.sent = max(w.sent, i+1)
	}
}

// again looks after the queue as long as there is one.
func (w *writer) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held || w.closed && len(w.queue) == 0 || len(w.queue)+len(w.doubts) == 0 {
		return
	}
	w.timer.Reset(tryAgain)
	quorate := w.s.e.quorate()
	if quorate {
		w.settle()
	}
	age := time.Since(w.moved)
	switch {
	case len(w.queue) == 0:
	case age > answerWithin, age > stallAfter && !quorate:
		go w.failAll(ErrNoQuorum)
	case len(w.doubts) > 0:
	case age > stallAfter || w.stalled:
		w.stalled = true
		if err := w.publish(&w.queue[0], w.base); err != nil {
			w.s.e.log.Warn(fmt.Sprintf("engine: write to %s: %v", w.s.name, sentence(err)))
			return
		}
		w.sent = max(w.sent, 1)
	}
}

// hold lets nothing more go out, and waits until what is on its way is
// answered. What is written meanwhile waits for release.
func (w *writer) hold() {
	w.mu.Lock()
	w.held = true
	deadline := time.Now().Add(answerWithin)
	for w.sent > 0 && time.Now().Before(deadline) {
		w.mu.Unlock()
		time.Sleep(time.Millisecond)
		w.mu.Lock()
	}
	w.timer.Stop()
	w.mu.Unlock()
}

// release sends what has waited, on the link that the engine has now.
func (w *writer) release() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.link, w.sub = w.s.e.to(), nil
	if !w.link.clustered {
		w.doubts = nil
	}
	w.sent, w.stalled, w.held = 0, len(w.doubts) > 0, false
	if err := w.listen(); err != nil {
		return err
	}
	if w.closed || len(w.queue)+len(w.doubts) == 0 {
		return nil
	}
	w.moved = time.Now()
	w.moving()
	w.timer.Reset(tryAgain)
	if !w.stalled {
		w.catchUp()
	}
	return nil
}
