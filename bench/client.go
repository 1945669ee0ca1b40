package bench

import (
	"fmt"
	"slices"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// role is what a client is there for.
type role uint8

const (
	idle role = iota
	publisher
	subscriber
)

func (r role) String() string { return [...]string{"idle", "pub", "sub"}[r] }

// state is how far a client's connection has come.
type state uint8

const (
	unborn      state = iota
	dialing           // the transport is being connected
	greeting          // CONNECT is sent
	subscribing       // a SUBSCRIBE is unanswered
	ready
	gone // closed by either end, or never opened
)

// client is one MQTT client without its connection: bytes of the broker go in
// through feed, bytes for it gather in out. It does no I/O, and only the run's
// goroutine touches it.
type client struct {
	*speaker
	id     string
	number int // index in the run
	broker int // index in options.brokers
	role   role
	state  state

	stream mqtt.Stream
	in     []byte // a packet that arrived in part
	out    []byte // for the broker; who sends it removes it

	dialed     int64  // when, nanoseconds of the run's clock
	lastID     uint16 // packet id used last
	unacked    int    // own messages above QoS 0
	window     int    // how many of these may be
	subscribed int    // filters sent so far
	sequence   uint32 // number of the next message
	spoke      bool   // something was sent since the last look for a due PINGREQ
	slow       bool   // stops reading for a while: counted apart
	met        bool   // the broker has greeted it before
}

// speaker is what all clients of a run share. They take turns on it.
type speaker struct {
	o       *options
	plan    *plan
	to      listener
	decoder mqtt.Decoder
	publish mqtt.Publish // built again for each message
	forget  bool         // whoever leaves ends its session too
}

// listener learns what happens to the clients.
type listener interface {
	greeted(c *client)                    // CONNACK said yes
	settled(c *client)                    // ready: nothing is left to set up
	delivered(c *client, p *mqtt.Publish) // p is valid during the call
	acked(c *client, code mqtt.ReasonCode)
}

// maxFiltersPerPacket keeps one SUBSCRIBE well below any broker's limit.
const maxFiltersPerPacket = 200

// opened begins the conversation on a fresh connection.
func (c *client) opened() {
	c.in, c.out = nil, c.out[:0]
	c.stream = mqtt.Stream{Version: c.o.version, Client: true}
	c.unacked, c.subscribed, c.window = 0, 0, c.o.inflight
	c.state = greeting
	p := &mqtt.Connect{Version: c.o.version, KeepAlive: c.o.keepAlive, ClientID: c.id}
	c.sessionTerms(p)
	if c.o.username != "" {
		name := c.o.replace(c.o.username, c.id, c.o.startNumber+c.number)
		p.Username = &name
	}
	if c.o.password != "" {
		p.Password = []byte(c.o.password)
	}
	c.send(p)
}

// feed takes what the broker sent. The error, if any, ends the connection.
func (c *client) feed(data []byte) error {
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	for {
		p, n, err := c.decoder.Next(&c.stream, data)
		if err != nil {
			return fmt.Errorf("the broker sent no valid packet: %w", err)
		}
		if n == 0 {
			break
		}
		if err := c.handle(p); err != nil {
			return err
		}
		data = data[n:]
	}
	if len(data) == 0 {
		c.in = nil
	} else {
		c.in = append(c.in[:0], data...)
	}
	return nil
}

func (c *client) handle(p mqtt.Packet) error {
	switch p := p.(type) {
	case *mqtt.Publish:
		c.take(p)
	case *mqtt.Ack:
		c.handleAck(p)
	case *mqtt.Connack:
		return c.handleConnack(p)
	case *mqtt.Suback:
		return c.handleSuback(p)
	case *mqtt.Disconnect:
		return fmt.Errorf("the broker disconnected: %s (0x%02X)", p.Code, byte(p.Code))
	case *mqtt.Auth:
		return fmt.Errorf("the broker asks for enhanced authentication, which the tool does not do")
	}
	return nil
}

func (c *client) handleConnack(p *mqtt.Connack) error {
	switch {
	case p.Code.Failed():
		return fmt.Errorf("refused: %s (0x%02X)", p.Code, byte(p.Code))
	case c.state != greeting:
		return fmt.Errorf("the broker sent a second CONNACK")
	case c.resumes() && !p.SessionPresent && c.o.version != mqtt.V31: // which does not say
		return fmt.Errorf("the broker has no session of the client any more")
	case p.Props.Has(mqtt.PropReceiveMaximum):
		c.window = min(c.window, int(p.Props.ReceiveMaximum))
	}
	if c.resumes() {
		c.subscribed = c.filterCount()
	}
	c.met = true
	c.to.greeted(c)
	c.subscribeNext()
	return nil
}

// subscribeNext sends the next lot of filters, or has done with it.
func (c *client) subscribeNext() {
	left := c.filterCount() - c.subscribed
	if left <= 0 {
		c.state = ready
		c.to.settled(c)
		return
	}
	p := &mqtt.Subscribe{PacketID: c.nextID()}
	for range min(left, maxFiltersPerPacket) {
		f := mqtt.SubscribeFilter{Filter: c.filter(c.subscribed)}
		f.QoS = c.o.qos
		p.Filters = append(p.Filters, f)
		c.subscribed++
	}
	c.state = subscribing
	c.send(p)
}

func (c *client) filterCount() int {
	switch {
	case c.role == subscriber:
		return c.plan.filters
	case c.role == idle && c.plan.idleFilter != nil:
		return 1
	}
	return 0
}

func (c *client) filter(k int) string {
	if c.role == idle {
		return c.plan.idleFilter(c)
	}
	return c.plan.filter(c, k)
}

func (c *client) handleSuback(p *mqtt.Suback) error {
	if i := slices.IndexFunc(p.Codes, mqtt.ReasonCode.Failed); i >= 0 {
		return fmt.Errorf("subscription refused: %s (0x%02X)", p.Codes[i], byte(p.Codes[i]))
	}
	c.subscribeNext()
	return nil
}

// take counts a message and acknowledges it.
func (c *client) take(p *mqtt.Publish) {
	c.to.delivered(c, p)
	switch p.QoS {
	case 1:
		c.ack(mqtt.TypePuback, p.PacketID)
	case 2:
		c.ack(mqtt.TypePubrec, p.PacketID)
	}
}

func (c *client) handleAck(p *mqtt.Ack) {
	switch {
	case p.Kind == mqtt.TypePubrel:
		c.ack(mqtt.TypePubcomp, p.PacketID)
	case p.Kind == mqtt.TypePubrec && !p.Code.Failed():
		c.ack(mqtt.TypePubrel, p.PacketID)
	default:
		c.unacked = max(c.unacked-1, 0)
		c.to.acked(c, p.Code)
	}
}

func (c *client) ack(kind mqtt.Type, id uint16) {
	c.spoke = true
	c.out = mqtt.AppendAck(c.out, kind, id, mqtt.Success, c.o.version)
}

// maxUnsent is how much may wait for the transport before a publisher is left
// out: the broker does not read as fast as we write.
const maxUnsent = 64 << 10

// mayPublish reports whether neither the inflight window nor the transport
// holds the client back.
func (c *client) mayPublish() bool {
	return c.state == ready && len(c.out) < maxUnsent && (c.o.qos == 0 || c.unacked < c.window)
}

// sendMessage appends one PUBLISH; the payload is copied.
func (c *client) sendMessage(topic string, payload []byte) {
	p := &c.publish
	p.Topic, p.Payload, p.QoS, p.Retain = topic, payload, c.o.qos, c.o.retain
	if p.QoS > 0 {
		p.PacketID = c.nextID()
		c.unacked++
	}
	c.sequence++
	c.send(p)
}

// sendProbe publishes what is no message of the run.
func (c *client) sendProbe(topic string, payload []byte) {
	p := &c.publish
	p.Topic, p.Payload, p.QoS, p.Retain = topic, payload, 0, false
	c.send(p)
}

// ping sends PINGREQ unless something else was sent since the last call.
func (c *client) ping() {
	if c.state >= subscribing && c.state <= ready && !c.spoke {
		c.send(&mqtt.Pingreq{})
	}
	c.spoke = false
}

// leave says goodbye.
func (c *client) leave() {
	if c.state == ready || c.state == subscribing {
		p := &mqtt.Disconnect{}
		if c.forget {
			p.Props = &mqtt.Properties{Present: mqtt.PropSessionExpiry}
		}
		c.send(p)
	}
}

func (c *client) send(p mqtt.Packet) {
	c.spoke = true
	c.out = mqtt.Append(c.out, p, c.o.version)
}

func (c *client) nextID() uint16 {
	if c.lastID++; c.lastID == 0 {
		c.lastID = 1
	}
	return c.lastID
}
