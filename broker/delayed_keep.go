package broker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// DelayedKeeper is the map that keeps delayed messages, on all nodes. The ends
// of its changes come in the order of the calls, and a change that is called
// later is made later.
type DelayedKeeper interface {
	Each(f func(key string, value []byte) error) error
	PutLater(key string, value []byte, done func(error))
	DeleteLater(key string, done func(error))
}

// KeepDelayed has delayed messages kept from now on as those of owner, which is
// this node, and brings in those that are kept and that mine says are to be
// published here. What is overdue is published at once, so whoever has to get
// it should be there. What can't be read is left out and logged.
//
// Each message is published by the node that took it. When a node is gone,
// another one calls AdoptDelayed.
func (br *Broker) KeepDelayed(k DelayedKeeper, owner string, mine func(owner string) bool) error {
	br.delayed.keeper, br.delayed.owner = k, owner
	return br.delayed.load(func(key *delayedKey) bool {
		return mine(key.owner)
	})
}

// AdoptDelayed takes over the messages of nodes that are gone. One node at a time
// may do so.
func (br *Broker) AdoptDelayed(gone func(owner string) bool) error {
	return br.delayed.load(func(key *delayedKey) bool { return key.owner != br.delayed.owner && gone(key.owner) })
}

// load brings in the messages that are kept and chosen, in any order. One that
// is another node's becomes this one's.
func (d *delayed) load(chosen func(*delayedKey) bool) error {
	var foreign []kept
	err := d.keeper.Each(func(text string, value []byte) error {
		key, err := parseDelayedKey(text)
		if err == nil && !chosen(&key) {
			return nil
		}
		one := kept{delayedKey: key, text: text}
		if err == nil {
			one.Message, err = parseKeptDelayed(value)
		}
		switch {
		case err != nil:
			d.br.log.Error("a delayed message that was kept is left out", "key", text, "err", err)
		case key.owner != d.owner:
			foreign = append(foreign, one)
		default:
			d.mu.Lock()
			e := d.book(key.at, key.seq, one.Message.Message)
			d.mu.Unlock()
			d.enter(e)
		}
		return nil
	})
	slices.SortFunc(foreign, func(a, b kept) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	for i := range foreign {
		d.adopt(&foreign[i])
	}
	return err
}

// kept is a message as it was kept.
type kept struct {
	delayedKey
	text string // the key
	durable.Message
}

// adopt makes another node's message this one's, whose numbers go on.
func (d *delayed) adopt(one *kept) {
	d.mu.Lock()
	e := d.book(one.at, d.seq+1, one.Message.Message)
	d.mu.Unlock()
	d.keep(e, one.Message.Message, one.Origin, func(err error) {
		if err == nil {
			d.keeper.DeleteLater(one.text, d.failed)
		}
	})
	d.enter(e)
}

// postponed is a delayed message of QoS 2 that waits for its identifier to be
// saved.
type postponed struct {
	w *await
	e *delayedMessage
	m *mqtt.Message
}

func (p *postponed) from() *receipt { return &p.w.receipt }

func (p *postponed) write() { p.w.br.delayed.start(p.e, p.m, p.w.origin(), p.w.kept) }

// unsaved gives the message up, or lets it live in memory.
func (p *postponed) unsaved(err error) {
	if br := p.w.br; br.durable.anyway {
		br.delayed.start(p.e, p.m, durable.Origin{}, p.w.kept)
	} else {
		br.delayed.undo(p.e, err)
		p.w.kept(err)
	}
}

// keep has a message kept; if it can't be, it is undone. done is told in the end.
func (d *delayed) keep(e *delayedMessage, m *mqtt.Message, o durable.Origin, done func(error)) {
	if d.keeper == nil {
		return
	}
	d.keeper.PutLater(d.key(e.at, e.seq), appendKeptDelayed(durable.Message{Message: m, Origin: o}), func(err error) {
		if err != nil {
			d.undo(e, err)
		}
		if done != nil {
			done(err)
		}
	})
}

// undo drops a message that can't be kept, unless it was published already.
func (d *delayed) undo(e *delayedMessage, err error) {
	d.mu.Lock()
	m := d.remove(e)
	d.mu.Unlock()
	if m != nil {
		br := d.br
		br.count.delayedFailed.Inc()
		br.count.dropped.Inc()
		br.logs.delayedUnkept.warn(br.log, Now(), "a delayed message can't be kept and is dropped", "topic", m.Topic, "client", m.From, "err", err)
	}
}

// forget has a message that was published kept no more.
func (d *delayed) forget(e *delayedMessage) {
	if d.keeper != nil {
		d.keeper.DeleteLater(d.key(e.at, e.seq), d.failed)
	}
}

// failed tells that a message that was published is still kept.
func (d *delayed) failed(err error) {
	if err != nil {
		d.br.logs.delayedUnkept.warn(d.br.log, Now(), "a delayed message that was published may be published again after the next start", "err", err)
	}
}

// delayedKey is what a message is kept by: its time, its order and its node.
type delayedKey struct {
	at    int64
	seq   uint64
	owner string
}

func (d *delayed) key(at int64, seq uint64) string {
	return fmt.Sprintf("%016x-%016x-%s", at, seq, d.owner)
}

var errDelayedKey = errors.New("expected a time, a number and a node")

func parseDelayedKey(text string) (key delayedKey, err error) {
	at, rest, ok := strings.Cut(text, "-")
	seq, owner, ok2 := strings.Cut(rest, "-")
	if !ok || !ok2 {
		return key, errDelayedKey
	}
	key.owner = owner
	if key.at, err = strconv.ParseInt(at, 16, 64); err != nil || key.at < 0 {
		return key, errDelayedKey
	}
	if key.seq, err = strconv.ParseUint(seq, 16, 64); err != nil {
		return key, errDelayedKey
	}
	return key, nil
}

// delayedForm is the first byte of what is kept: the topic with its length in
// front, and the record of the message follow.
const delayedForm = 1

func appendKeptDelayed(m durable.Message) []byte {
	value := make([]byte, 0, len(m.Topic)+len(m.Payload)+64)
	value = append(value, delayedForm)
	return durable.AppendMessage(fields.AppendText(value, m.Topic), m)
}

var errNoDelayed = errors.New("it is no record of a delayed message")

func parseKeptDelayed(value []byte) (durable.Message, error) {
	if len(value) == 0 || value[0] != delayedForm {
		return durable.Message{}, errNoDelayed
	}
	r := fields.Reader{Left: value[1:]}
	name := r.Text()
	if r.Err != nil {
		return durable.Message{}, errNoDelayed
	}
	if err := topic.ValidName(name); err != nil {
		return durable.Message{}, err
	}
	return durable.ParseMessage(mqtt.At{}, name, r.Left)
}
