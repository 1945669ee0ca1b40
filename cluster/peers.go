package cluster

import (
	"slices"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Peers are the other nodes as the broker knows them: broker.Peers.
type Peers struct {
	table   *Table
	groups  *Groups
	forward *Forwarder
}

// Peers returns the other nodes for the broker.
func (n *Node) Peers() *Peers { return &Peers{n.Routes.Table(), n.Groups, n.Forward} }

// pass is what one Batch of the broker has to do with other nodes:
// broker.Outbox.
type pass struct {
	*Outbox
	matches Matches
}

// of is b's pass; one of an earlier cluster is flushed and given up.
func (p *Peers) of(b *broker.Batch) *pass {
	if x, ok := b.Outbox.(*pass); ok && x.f == p.forward {
		return x
	}
	if b.Outbox != nil {
		b.Outbox.Flush()
	}
	x := &pass{Outbox: p.forward.NewOutbox()}
	b.Outbox = x
	return x
}

// Forward is broker.Peers'.
func (p *Peers) Forward(b *broker.Batch, m *mqtt.Message, decided []broker.GroupKey) (n int) {
	x := p.of(b)
	p.table.Match(m.Topic, &x.matches)
	if x.matches.Plain != 0 {
		n = x.matches.Plain.Len()
		x.Add(x.matches.Plain, m)
	}
	for _, g := range x.matches.Groups {
		key := broker.GroupKey{Name: g.Shares[0].Name, Filter: g.Filter}
		if !slices.Contains(decided, key) && p.groups.Forward(x.Outbox, m, g) {
			n++
		}
	}
	return n
}

// Dispatch is broker.Peers'.
func (p *Peers) Dispatch(b *broker.Batch, m *mqtt.Message, g broker.GroupKey, members, online int) bool {
	return p.groups.Dispatch(p.of(b).Outbox, m, g.Filter, g.Name, members, online)
}

// Members is broker.Peers'.
func (p *Peers) Members(g broker.GroupKey) (members, online int) {
	visible := p.table.view.Load().visible
	for _, s := range p.table.group(g.Filter, g.Name) {
		if visible.has(s.at) {
			members += int(s.Members)
			online += int(s.Online)
		}
	}
	return members, online
}

// Wanted is broker.Peers'.
func (p *Peers) Wanted(b *broker.Batch, name string) (anybody, inLog bool) {
	m := &p.of(b).matches
	p.table.Match(name, m)
	return m.Plain != 0 || len(m.Groups) > 0, m.Durable
}

// receiver gives to a broker what other nodes forward, with a Batch of its own:
// Receiver.
type receiver struct {
	broker *broker.Broker
	batch  *broker.Batch
}

// NewReceiver makes Receivers that give to br.
func NewReceiver(br *broker.Broker) func() Receiver {
	return func() Receiver { return &receiver{br, br.NewBatch()} }
}

func (r *receiver) Deliver(m *mqtt.Message) { r.broker.DeliverRemote(r.batch, m) }

func (r *receiver) Dispatch(m *mqtt.Message, filter, group string, done func(kept bool)) bool {
	return r.broker.DispatchRemote(r.batch, m, broker.GroupKey{Name: group, Filter: filter}, done)
}

func (r *receiver) End() { r.batch.End() }
