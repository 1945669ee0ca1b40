package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
// before. Answers come in the order of the records, so that the first of the
// queue is always the one that is answered.
type writer struct {
	s      *stream
	mu     sync.Mutex // guards what follows, and the order on the connection
	inbox  string     // where answers come; a new one after a failure, so that late ones meet nobody
	sub    *nats.Subscription
	queue  []pending
	bytes  int // of the queue
	timer  *time.Timer
	closed bool
	empty  *sync.Cond
}

type pending struct {
	record record
	done   func(seq uint64, err error)
}

func newWriter(s *stream) (*writer, error) {
	w := &writer{s: s}
	w.empty = sync.NewCond(&w.mu)
	w.timer = time.AfterFunc(answerWithin, func() { w.failAll(errUnanswered) })
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
	inbox := w.inbox
	w.sub, err = w.s.e.conn.Subscribe(inbox, func(m *nats.Msg) { w.answered(inbox, m) })
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
	if err := w.s.e.conn.PublishMsg(&nats.Msg{Subject: subject, Reply: w.inbox, Header: header, Data: data}); err != nil {
		return fmt.Errorf("engine: write to %s: %w", w.s.name, sentence(err))
	}
	if len(w.queue) == 0 {
		w.timer.Reset(answerWithin)
	}
	w.queue = append(w.queue, pending{record{subject: subject, data: data}, done})
	w.bytes += len(data)
	return nil
}

// answered gives the first of the queue its answer.
func (w *writer) answered(inbox string, m *nats.Msg) {
	seq, err := parseAnswer(m)
	w.mu.Lock()
	if inbox != w.inbox || len(w.queue) == 0 {
		w.mu.Unlock()
		return
	}
	p := w.queue[0]
	w.queue[0] = pending{}
	w.queue = w.queue[1:]
	w.bytes -= len(p.record.data)
	if len(w.queue) > 0 {
		w.timer.Reset(answerWithin)
	} else {
		w.timer.Stop()
		w.empty.Broadcast()
	}
	w.mu.Unlock()
	if err != nil {
		w.s.e.count.failed.Inc()
		p.done(0, fmt.Errorf("engine: write to %s: %w", w.s.name, err))
		return
	}
	w.s.e.count.written.Inc()
	w.s.e.count.writtenBytes.Add(uint64(len(p.record.data)))
	p.record.seq = seq
	w.s.stored(p.record)
	p.done(seq, nil)
}

// failAll gives everything that waits an error, in order.
func (w *writer) failAll(why error) {
	w.mu.Lock()
	all := w.queue
	w.queue, w.bytes = nil, 0
	w.timer.Stop()
	if len(all) > 0 && !w.closed {
		if err := w.listen(); err != nil {
			w.s.e.log.Error("engine: listen for answers: " + err.Error())
		}
	}
	w.empty.Broadcast()
	w.mu.Unlock()
	for _, p := range all {
		w.s.e.count.failed.Inc()
		p.done(0, why)
	}
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
}

var seqMark = []byte(`"seq":`)

// parseAnswer reads {"stream":"x", "seq":17}, or an error.
func parseAnswer(m *nats.Msg) (seq uint64, err error) {
	if len(m.Data) == 0 {
		return 0, errors.New("nobody keeps it")
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
		Error struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, fmt.Errorf("an answer that makes no sense: %w", err)
	}
	return 0, errors.New(answer.Error.Description)
}
