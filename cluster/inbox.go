package cluster

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// What holds of confirming, in bytes and milliseconds.
const (
	confirmBytes = 1 << 18 // received and not confirmed: then at once
	confirmTime  = 20      // else after this time
	repeatTime   = 1_000   // results that the other side hasn't said it has seen
)

// Receiver is who gets what other nodes forward: the broker. One goroutine at a
// time calls it.
type Receiver interface {
	// Deliver gives m to this node's own plain subscribers, and sends it nowhere
	// else. m and its payload are borrowed, see mqtt.Message.
	Deliver(m *mqtt.Message)
	// Dispatch gives m to one member of the shared group on this node; false:
	// there is none any more. If it is true, done is called once, on any
	// goroutine, perhaps at once: kept says that a member has m, and what
	// becomes of it is this node's business; else somebody must take it again.
	Dispatch(m *mqtt.Message, filter, group string, done func(kept bool)) bool
	// End tells that nothing more follows for now: what has been written for
	// clients may go out.
	End()
}

// Inbox takes what other nodes forward and hands it to the broker, in order and
// once. It tells senders how far they have come, and what became of messages
// that they keep.
type Inbox struct {
	net   Network
	log   *slog.Logger
	epoch uint64
	open  func() Receiver
	stats *ForwardStats
	wake  func()

	mu      sync.Mutex // guards what follows, and inbound where it says so
	senders map[string]*inbound
	now     int64
}

// InboxOptions are what an Inbox is made of.
type InboxOptions struct {
	Network  Network
	Log      *slog.Logger
	Epoch    uint64          // of this start, as for Routes
	Receiver func() Receiver // makes one for what comes from one node
	Stats    *ForwardStats   // Received and Missed are counted there
	// Wake is called by any goroutine when Tick has something to do that it
	// didn't announce; it must not block or call back.
	Wake func()
}

// inbound is the stream of one sender. Those who receive it come one after the
// other, and own the first part.
type inbound struct {
	id       uint64
	to       Receiver
	guarded  uint64
	partial  []byte // of a record that was cut
	decoding messageDecoder

	// Guarded by Inbox.mu.
	at      position
	first   uint64   // the number of the first of results
	results []result // that the sender may not have seen
	said    int      // how many of them it was sent
	saidAt  uint64   // the position it was told last
	dueAt   int64    // when it is told more; 0: nothing has to be said
}

// NewInbox makes an Inbox that has received nothing yet.
func NewInbox(o InboxOptions) *Inbox {
	return &Inbox{net: o.Network, log: o.Log, epoch: o.Epoch, open: o.Receiver, stats: o.Stats, wake: o.Wake, senders: make(map[string]*inbound)}
}

// Forget tells that a node is no member any more: nothing is repeated to it.
func (in *Inbox) Forget(node string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.senders, node)
}

// Receive takes a message of KindForward. What comes from one node must be
// given in its order, one at a time. The error says what is wrong with it.
func (in *Inbox) Receive(from string, data []byte, now int64) error {
	r := reader{fields.Reader{Left: data}}
	kind := r.head()
	b := r.batch()
	if r.Err == nil && kind != typeBatch {
		r.Err = fmt.Errorf("type %d is unknown", kind)
	}
	err := r.Err
	if err == nil {
		if s := in.begin(from, &b, &r, now); s != nil {
			var n int
			size := len(r.Left)
			n, err = in.records(s, r.Left)
			s.to.End()
			in.arrived(from, s, size, n)
		}
	}
	if err != nil {
		return fmt.Errorf("messages from node %s: %w", from, err)
	}
	return nil
}

// begin compares a batch with what has come before; nil: it has come already. It
// leaves in r what belongs to records that can be read.
func (in *Inbox) begin(from string, b *batch, r *reader, now int64) *inbound {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.now = now
	s := in.senders[from]
	if s == nil || b.stream > s.id {
		s = &inbound{id: b.stream, to: in.open()}
		if b.receiver != 0 && b.receiver != in.epoch { // began before we did; the sender learns that from our answer
			s.at, s.guarded = b.position, b.guarded
		}
		in.senders[from] = s
	}
	if b.stream < s.id || b.bytes < s.at.bytes || b.messages < s.at.messages {
		return nil
	}
	if b.results > s.first {
		seen := int(min(b.results-s.first, uint64(len(s.results))))
		s.results, s.first, s.said = s.results[seen:], s.first+uint64(seen), max(0, s.said-seen)
	}
	if b.bytes > s.at.bytes {
		s.partial = nil
		in.missed(s, b.messages-s.at.messages, b.guarded)
		s.at = b.position
	}
	if b.skip > 0 && len(s.partial) == 0 { // the end of a record whose beginning didn't arrive
		n := min(int(b.skip), len(r.Left))
		r.Left = r.Left[n:]
		s.at.bytes += uint64(n)
		if n == int(b.skip) {
			guarded := s.guarded
			if b.skipped {
				guarded++
			}
			in.missed(s, 1, guarded)
			s.at.messages++
		}
	}
	return s
}

// missed counts records that were lost on the way; those that the sender keeps
// are given back. It is locked.
func (in *Inbox) missed(s *inbound, messages, guarded uint64) {
	for s.guarded < guarded && messages > 0 {
		s.guarded++
		messages--
		s.results = append(s.results, result{s.guarded, fateLost})
	}
	in.stats.Missed.Add(messages)
}

// maxRecord is far above what one MQTT packet can hold: a longer record is a
// mistake, and must not make us wait for its end.
const maxRecord = 1 << 29

// records hands over what is complete, and keeps the rest for the next batch.
func (in *Inbox) records(s *inbound, data []byte) (n int, err error) {
	whole := data
	if len(s.partial) > 0 {
		s.partial = append(s.partial, data...)
		whole = s.partial
	}
	for {
		size := recordSize(whole)
		if size > maxRecord || size > 0 && size < recordHead {
			s.partial = nil
			return n, errRecordSize
		}
		if size == 0 || size > len(whole) {
			break
		}
		if e := in.record(s, whole[4], whole[recordHead:size]); e != nil && err == nil {
			err = e
		}
		whole = whole[size:]
		n++
	}
	switch {
	case len(whole) == 0:
		s.partial = nil
	case len(whole) != len(s.partial): // else it is that already, and long
		s.partial = slices.Clone(whole)
	}
	in.stats.Received.Add(uint64(n))
	return n, err
}

// record hands over one message.
func (in *Inbox) record(s *inbound, kind byte, data []byte) error {
	r := reader{fields.Reader{Left: data}}
	var m mqtt.Message
	switch kind {
	case recordPlain:
		if err := s.decoding.message(&r, &m); err != nil {
			return err
		}
		s.to.Deliver(&m)
	case recordDirected, recordGuarded:
		done := func(bool) {}
		if kind == recordGuarded {
			s.guarded++
			n := s.guarded
			done = func(kept bool) { in.became(s, n, kept) }
		}
		group, filter := r.Text(), r.Text()
		err := s.decoding.message(&r, &m)
		if err != nil || !s.to.Dispatch(&m, filter, group, done) {
			done(false)
		}
		return err
	default:
		return fmt.Errorf("a record has the unknown type %d", kind)
	}
	return nil
}

// became notes what became of a message that the sender keeps.
func (in *Inbox) became(s *inbound, record uint64, kept bool) {
	res := result{record, fateNobody}
	if kept {
		res.fate = fateKept
	}
	in.mu.Lock()
	s.results = append(s.results, res)
	wake := s.soon(in.now + confirmTime)
	in.mu.Unlock()
	if wake {
		in.wake()
	}
}

// soon has the sender told something at that time; it reports whether that is
// sooner than was planned.
func (s *inbound) soon(at int64) bool {
	if s.dueAt != 0 && s.dueAt <= at {
		return false
	}
	s.dueAt = at
	return true
}

// arrived books a batch, and confirms at once when that is much.
func (in *Inbox) arrived(from string, s *inbound, size, n int) {
	in.mu.Lock()
	s.at.bytes += uint64(size)
	s.at.messages += uint64(n)
	much := s.at.bytes-s.saidAt >= confirmBytes
	if much {
		in.confirm(from, s)
	}
	wake := !much && s.soon(in.now+confirmTime)
	in.mu.Unlock()
	if wake {
		in.wake()
	}
}

// Tick confirms what is due and returns when it wants to be called next; 0: not
// before it wakes somebody.
func (in *Inbox) Tick(now int64) (next int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.now = now
	for from, s := range in.senders {
		if s.dueAt != 0 && s.dueAt <= now {
			if s.said == len(s.results) && s.saidAt == s.at.bytes { // a repetition: the sender has been silent
				s.said = 0
			}
			in.confirm(from, s)
		}
		if s.dueAt != 0 && (next == 0 || s.dueAt < next) {
			next = s.dueAt
		}
	}
	return next
}

// maxResults is how many results go into one confirmation.
const maxResults = 1000

// confirm tells a sender how far its stream has come. It is locked.
func (in *Inbox) confirm(to string, s *inbound) {
	for first := true; first || s.said < len(s.results); first = false {
		some := s.results[s.said:min(len(s.results), s.said+maxResults)]
		c := confirm{stream: s.id, receiver: in.epoch, position: s.at, first: s.first + uint64(s.said), results: some}
		s.said += len(some)
		if err := in.net.Send(to, KindConfirm, appendConfirm(nil, &c)); err != nil {
			in.log.Debug("messages are not confirmed", "node", to, "err", err)
		}
	}
	s.saidAt, s.dueAt = s.at.bytes, 0
	if len(s.results) > 0 { // until the sender says that it has seen them
		s.dueAt = in.now + repeatTime
	}
}
