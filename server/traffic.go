package server

import (
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// traffic is what has gone over a connection; the connection's mu guards it.
// Most connections publish and receive nothing most of their lives, so what is
// counted of messages has memory of its own.
type traffic struct {
	reads, bytesIn, packetsIn    uint64
	writes, bytesOut, packetsOut uint64
	messages                     *messages // nil: none has come or gone
}

type messages struct {
	in, out [3]uint64 // by QoS
	refused uint64
}

// inbound is what a connection has received since its mu was held last. It
// lies in the pass, as one connection at a time is fed.
type inbound struct {
	packets uint64
	messages
}

// received counts a packet.
func (n *inbound) received(packet mqtt.Packet) {
	n.packets++
	if k, ok := packet.(*mqtt.Publish); ok {
		n.in[k.QoS]++
	}
}

// take books what has come with n.
func (t *traffic) take(n *inbound) {
	t.packetsIn += n.packets
	if n.messages != (messages{}) {
		m := t.counts()
		for q := range m.in {
			m.in[q] += n.in[q]
		}
		m.refused += n.refused
	}
	*n = inbound{}
}

func (t *traffic) counts() *messages {
	if t.messages == nil {
		t.messages = new(messages)
	}
	return t.messages
}

// sent counts a packet that was put into the output.
func (t *traffic) sent() { t.packetsOut++ }

// sentMessage counts a PUBLISH.
func (t *traffic) sentMessage(q mqtt.QoS) {
	t.packetsOut++
	t.counts().out[q]++
}

// Traffic is broker.Meter's.
func (c *conn) Traffic() broker.Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.traffic
	all := broker.Traffic{
		Reads: t.reads, BytesIn: t.bytesIn, PacketsIn: t.packetsIn, Writes: t.writes, BytesOut: t.bytesOut, PacketsOut: t.packetsOut,
	}
	if m := t.messages; m != nil {
		all.MessagesIn, all.MessagesOut, all.Refused = m.in, m.out, m.refused
	}
	return all
}
