package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	maxInFlight  = 32 << 20         // bytes on their way to one stream
	answerWithin = 10 * time.Second // until a record without an answer counts as failed
)

var errUnanswered = errors.New("engine: it is not known whether the record was kept, as no answer came")

// writer sends records to a stream without waiting for the answer to the one
// before. On a node of its own answers come in the order of the records, so
// that the first of the queue is always the one that is answered; for a cluster
// see again.go.
type writer struct {
	s       *stream
	mu      sync.Mutex // guards what follows, and the order on the connection
	link    *link      // where records go
	inbox   string     // where answers come; a new one after a failure, so that late ones meet nobody
	sub     *nats.Subscription
	queue   []pending
	sent    int       // how many of the queue, from its first on, are on their way
	base    uint64    // number of the first of the queue
	bytes   int       // of the queue
	moved   time.Time // when the queue last got shorter, or began
	stalled bool      // only the first of the queue is tried
	held    bool      // nothing is sent, as the engine changes its shape
	doubts  []doubt   // what was given up and may still come; nothing else is sent before that is settled
	timer   *time.Timer
	closed  bool
	empty   *sync.Cond

	ends ends
}

type pending struct {
	record   record
	header   nats.Header
	done     func(seq uint64, err error)
	tried    bool // it may be on its way
	answered bool // with record.seq or err
	err      error
}

func newWriter(s *stream) (*writer, error) {
	w := &writer{s: s, link: s.e.to()}
	w.empty, w.ends.s, w.ends.idle = sync.NewCond(&w.mu), s, sync.NewCond(&w.ends.mu)
	if s.e.o.Durability == DurabilityAlways {
		w.ends.syncer = &syncer{s: s}
	}
	w.timer = time.AfterFunc(answerWithin, w.overdue)
	w.timer.Stop()
	return w, w.listen()
}

// listen makes a new inbox.
func (w *writer) listen() (err error) {
	if w.sub != nil {
		if err := w.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			return err
		}
	}
	w.inbox = nats.NewInbox()
	inbox, subject := w.inbox, w.inbox
	if w.link.clustered {
		subject += ".*"
	}
	w.sub, err = w.link.conn.Subscribe(subject, func(m *nats.Msg) { w.answered(inbox, m) })
	if err != nil {
		return err
	}
	return w.sub.SetPendingLimits(-1, -1) // what is in flight is bounded already
}

// write sends a record, whose data belongs to the writer from now on. done
// runs once, in the order of the calls, on a goroutine of the engine; on the
// caller's when the record can't even be sent.
func (w *writer) write(subject string, header nats.Header, data []byte, done func(seq uint64, err error)) {
	if err := w.send(subject, header, data, done); err != nil {
		w.s.e.count.failed.Inc()
		done(0, err)
	}
}

func (w *writer) send(subject string, header nats.Header, data []byte, done func(seq uint64, err error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if w.bytes > 0 && w.bytes+len(data) > maxInFlight {
		w.s.e.count.busy.Inc()
		return ErrBusy
	}
	if err := w.s.e.disk.admit(len(data)); err != nil {
		return err
	}
	if w.link.clustered && !w.s.e.quorate() {
		return ErrNoQuorum
	}
	p := pending{record: record{subject: subject, data: data}, header: header, done: done}
	if !w.held && !w.stalled && (w.sent == 0 || !w.link.clustered) {
		if err := w.publish(&p, w.base+uint64(len(w.queue))); err != nil {
			return fmt.Errorf("engine: write to %s: %w", w.s.name, sentence(err))
		}
		w.sent++
	}
	if len(w.queue) == 0 {
		w.moving()
	}
	w.queue = append(w.queue, p)
	w.bytes += len(data)
	return nil
}

// publish puts a record with its number on the way.
func (w *writer) publish(p *pending, number uint64) error {
	p.tried = true
	return w.link.conn.PublishMsg(w.message(p, number))
}

func (w *writer) message(p *pending, number uint64) *nats.Msg {
	m := &nats.Msg{Subject: p.record.subject, Reply: w.inbox, Header: p.header, Data: p.record.data}
	if w.link.clustered {
		w.mark(m, number)
	}
	return m
}

// moving notes that the queue got shorter, or began; mu is held.
func (w *writer) moving() {
	if w.link.clustered {
		w.moved = time.Now()
		if len(w.queue) <= 1 {
			w.timer.Reset(tryAgain)
		}
	} else {
		w.timer.Reset(answerWithin)
	}
}

// answered takes an answer.
func (w *writer) answered(inbox string, m *nats.Msg) {
	seq, err := parseAnswer(m)
	w.mu.Lock()
	switch {
	case inbox != w.inbox:
	case w.link.clustered:
		w.answeredNumber(m, seq, err)
	case w.sent > 0:
		w.queue[0].end(seq, err)
	}
	w.shift()
	w.mu.Unlock()
	w.ends.run()
}

func (p *pending) end(seq uint64, err error) { p.record.seq, p.err, p.answered = seq, err, true }

// shift ends what has been answered at the head of the queue; mu is held.
func (w *writer) shift() {
	n := 0
	for n < w.sent && w.queue[n].answered {
		w.ends.add(w.queue[n])
		w.bytes -= len(w.queue[n].record.data)
		w.queue[n] = pending{}
		n++
	}
	if n == 0 {
		return
	}
	w.queue, w.sent, w.base = w.queue[n:], w.sent-n, w.base+uint64(n)
	if len(w.queue) > 0 {
		w.moving()
	} else {
		w.timer.Stop()
	}
	if w.sent == 0 {
		w.empty.Broadcast()
		if w.link.clustered && !w.held && !w.stalled {
			w.catchUp()
		}
	}
}

// overdue is when the queue has not moved for a while.
func (w *writer) overdue() {
	w.mu.Lock()
	clustered := w.link.clustered
	w.mu.Unlock()
	if clustered {
		w.again()
	} else {
		w.failAll(errUnanswered)
	}
}

// failAll gives everything that waits an error, in order.
func (w *writer) failAll(why error) {
	w.mu.Lock()
	for i, p := range w.queue {
		if !p.answered {
			w.doubt(&p, w.base+uint64(i))
			if p.end(0, why); p.tried {
				p.err = inDoubt{why}
			}
		}
		w.ends.add(p)
	}
	failed := len(w.queue)
	w.base += uint64(failed)
	w.queue, w.sent, w.bytes, w.stalled = nil, 0, 0, len(w.doubts) > 0
	if w.timer.Stop(); w.stalled {
		w.timer.Reset(tryAgain)
	}
	if failed > 0 && !w.closed {
		if err := w.listen(); err != nil {
			w.s.e.log.Error("engine: listen for answers: " + err.Error())
		}
	}
	w.empty.Broadcast()
	w.mu.Unlock()
	w.ends.run()
}

// close waits for the answers to everything that was written.
func (w *writer) close() {
	w.mu.Lock()
	w.closed = true
	for len(w.queue) > 0 {
		w.empty.Wait()
	}
	w.timer.Stop()
	w.mu.Unlock()
	w.ends.wait()
}

// ends calls what waits for records, one after the other and in their order,
// whichever goroutine comes with them.
type ends struct {
	mu      sync.Mutex
	idle    *sync.Cond
	s       *stream
	queue   []pending
	running bool
	syncer  *syncer // nil: the server's answer is enough
}

func (e *ends) add(p pending) {
	e.mu.Lock()
	e.queue = append(e.queue, p)
	e.mu.Unlock()
}

// run calls what has come. When the disk has to have it first, that is done
// aside, so that more comes meanwhile and shares the next time.
func (e *ends) run() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running || len(e.queue) == 0 {
		return
	}
	e.running = true
	if e.syncer != nil && !e.s.e.to().clustered { // a cluster has its servers do it
		go func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.loop(e.syncer.sync)
		}()
		return
	}
	e.loop(func() error { return nil })
}

// loop calls what has come until there is no more; mu is held.
func (e *ends) loop(settle func() error) {
	for len(e.queue) > 0 {
		all := e.queue
		e.queue = nil
		e.mu.Unlock()
		err := settle()
		for _, p := range all {
			if p.err == nil && err != nil {
				p.err = inDoubt{err} // it is there, but not on the disk
			}
			e.s.ended(p)
		}
		e.mu.Lock()
	}
	e.running = false
	e.idle.Broadcast()
}

// wait returns when everything that has come was called.
func (e *ends) wait() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.running || len(e.queue) > 0 {
		e.idle.Wait()
	}
}

// ended tells who waits for a record how it ended.
func (s *stream) ended(p pending) {
	if p.err != nil {
		s.e.count.failed.Inc()
		if !errors.Is(p.err, errUnanswered) && !errors.Is(p.err, ErrNoQuorum) {
			p.err = s.e.disk.failed(p.err)
		}
		if !errors.Is(p.err, ErrFull) && !errors.Is(p.err, errUnanswered) && !errors.Is(p.err, ErrNoQuorum) {
			p.err = fmt.Errorf("engine: write to %s: %w", s.name, p.err)
		}
		p.done(0, p.err)
		return
	}
	s.e.count.written.Inc()
	s.e.count.writtenBytes.Add(uint64(len(p.record.data)))
	s.stored(p.record)
	p.done(p.record.seq, nil)
}

var seqMark = []byte(`"seq":`)

// serverError is what the server answers.
type serverError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *serverError) Error() string { return strings.TrimPrefix(e.Description, "nats: ") }

// parseAnswer reads {"stream":"x", "seq":17}, or an error.
func parseAnswer(m *nats.Msg) (seq uint64, err error) {
	if len(m.Data) == 0 {
		return 0, &serverError{Code: 503, Description: "nobody keeps it"}
	}
	if !bytes.Contains(m.Data, []byte(`"error"`)) {
		if _, number, ok := bytes.Cut(m.Data, seqMark); ok {
			end := 0
			for end < len(number) && number[end] >= '0' && number[end] <= '9' {
				end++
			}
			return strconv.ParseUint(string(number[:end]), 10, 64)
		}
	}
	var answer struct {
		Error serverError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, fmt.Errorf("an answer that makes no sense: %w", err)
	}
	return 0, &answer.Error
}
