package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// client is an MQTT 5 client with a session that outlives connections, and the
// processes of brokers. It keeps what the standard asks of its side: what is
// unacknowledged is sent again in order, with DUP, or as PUBREL, once a CONNACK
// says that the session is there [MQTT-4.4.0-1]; a QoS 2 message that comes
// again before its PUBREL is one message. It connects by itself, until its
// context ends.
type client struct {
	id      string
	expiry  uint32                   // of the session, seconds
	dial    func() (net.Conn, error) // to where it should connect next
	history *History
	log     *sessionLog
	wg      sync.WaitGroup

	mu        sync.Mutex
	changed   sync.Cond // of all below
	conn      net.Conn  // nil: not connected
	node      string    // of the last connection
	greeted   bool      // CONNACK has come, and what was unacknowledged is sent
	born      bool      // some CONNACK has come
	ended     bool
	absent    time.Time // does not connect before
	version   mqtt.Stream
	lastID    uint16
	window    int                // the broker's receive maximum
	flights   []*flight          // own messages above QoS 0, in order of their first sending
	taken     map[uint16]Message // QoS 2 messages that wait for PUBREL
	probes    map[string]bool    // payloads that came on the probe topic
	suback    map[uint16]chan []mqtt.ReasonCode
	refusals  map[string]int                        // answers to CONNECT, and DISCONNECTs, by their word
	connected int                                   // CONNACKs
	sent      string                                // the server that a broker told it to use; empty: none
	follow    func(server string) (net.Conn, error) // to that; nil: it goes its own way
}

// flight is one message that the broker has not acknowledged to the end.
type flight struct {
	id       uint16
	message  Message
	payload  []byte
	sent     bool // on some connection
	released bool // PUBREC has come: PUBREL is what is sent again
}

const (
	// sessionExpiry is longer than any test, seconds.
	sessionExpiry = 3600
	// maxFlights bounds what a publisher has on its way, whatever the broker allows.
	maxFlights = 20
	// silence is how long a connection may be silent, though it is pinged, before it is given up.
	silence = 5 * time.Second
	// probeTopics begins the topics by which a workload finds out that a session can be reached.
	probeTopics = "probe/"
)

// newClient starts a client, which connects as soon as it can.
func newClient(ctx context.Context, h *History, id string, expiry uint32, dial func() (net.Conn, error)) *client {
	c := &client{
		id: id, expiry: expiry, dial: dial, history: h, log: h.session(id), window: maxFlights,
		taken: make(map[uint16]Message), probes: make(map[string]bool),
		suback: make(map[uint16]chan []mqtt.ReasonCode), refusals: make(map[string]int),
	}
	c.changed.L = &c.mu
	c.wg.Go(func() { c.run(ctx) })
	return c
}

// run connects again and again until ctx ends.
func (c *client) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = true
		c.drop()
	})
	defer stop()
	for ctx.Err() == nil {
		if wait := c.mayConnect(); wait > 0 {
			pause(ctx, wait)
			continue
		}
		if err := c.converse(ctx); err != nil {
			c.mu.Lock()
			c.drop()
			c.refusals[err.Error()]++
			c.mu.Unlock()
		}
		pause(ctx, 10*time.Millisecond+rand.N(40*time.Millisecond))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (c *client) mayConnect() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Until(c.absent)
}

// drop gives the connection up without a word; the caller holds mu.
func (c *client) drop() {
	if c.conn != nil {
		c.conn.Close()
	}
	c.conn, c.greeted = nil, false
	for id, answer := range c.suback {
		close(answer)
		delete(c.suback, id)
	}
}

// stay lets the client go for a while, with a goodbye or without.
func (c *client) stay(away time.Duration, politely bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if politely && c.greeted {
		c.send(&mqtt.Disconnect{})
	}
	c.absent = time.Now().Add(away)
	c.drop()
}

// converse is one connection, from its dialling to its end.
func (c *client) converse(ctx context.Context) error {
	conn, err := c.dialNext()
	if err != nil {
		return errors.New("no connection")
	}
	c.mu.Lock()
	if c.ended || time.Now().Before(c.absent) {
		c.mu.Unlock()
		return conn.Close()
	}
	c.conn, c.node, c.version = conn, nameOf(conn), mqtt.Stream{Version: mqtt.V5, Client: true}
	c.send(&mqtt.Connect{
		Version: mqtt.V5, ClientID: c.id, CleanStart: !c.born, KeepAlive: 60,
		Props: &mqtt.Properties{Present: mqtt.PropSessionExpiry, SessionExpiry: c.expiry},
	})
	c.mu.Unlock()
	pings, stop := context.WithCancel(ctx)
	defer stop()
	c.wg.Go(func() { c.ping(pings, conn) })
	return c.read(conn)
}

// nodeConn is a connection to a node.
type nodeConn struct {
	net.Conn
	name string
}

// nameOf is the name of the node that a connection goes to; empty: it is not
// known.
func nameOf(conn net.Conn) string {
	if c, ok := conn.(nodeConn); ok {
		return c.name
	}
	return ""
}

// dialNext opens a connection to where a broker has sent the client, once, or to
// where it goes by itself.
func (c *client) dialNext() (net.Conn, error) {
	c.mu.Lock()
	server, follow := c.sent, c.follow
	c.sent = ""
	c.mu.Unlock()
	if server != "" && follow != nil {
		return follow(server)
	}
	return c.dial()
}

// redirect notes where a broker sends the client: the first of what it names.
func (c *client) redirect(props *mqtt.Properties) {
	if props.Has(mqtt.PropServerReference) {
		c.sent, _, _ = strings.Cut(props.ServerReference, " ")
	}
}

// ping keeps a conversation going, so that its silence tells of a node that
// hangs.
func (c *client) ping(ctx context.Context, conn net.Conn) {
	for {
		pause(ctx, time.Second)
		c.mu.Lock()
		if ctx.Err() != nil || c.conn != conn {
			c.mu.Unlock()
			return
		}
		if c.greeted {
			c.send(&mqtt.Pingreq{})
		}
		c.mu.Unlock()
	}
}

// read handles what comes until the connection ends; nil: it ended without a
// word.
func (c *client) read(conn net.Conn) error {
	var decoder mqtt.Decoder
	var in []byte
	buf := make([]byte, 16<<10)
	for {
		conn.SetReadDeadline(time.Now().Add(silence))
		size, err := conn.Read(buf)
		if err != nil {
			c.mu.Lock()
			if c.conn == conn {
				c.drop()
			}
			c.mu.Unlock()
			return nil
		}
		in = append(in, buf[:size]...)
		if in, err = c.feed(conn, &decoder, in); err != nil {
			return err
		}
	}
}

// feed handles the packets that in begins with and returns the rest.
func (c *client) feed(conn net.Conn, decoder *mqtt.Decoder, in []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	at := 0
	for c.conn == conn { // what a connection that was given up still has is not heard
		p, size, err := decoder.Next(&c.version, in[at:])
		if err != nil {
			c.history.violated(c.log, "came no packet: %v", err)
			return nil, err
		}
		if size == 0 {
			break
		}
		at += size
		if err := c.handle(p); err != nil {
			return nil, err
		}
	}
	return append(in[:0], in[at:]...), nil
}

// handle takes one packet; the caller holds mu.
func (c *client) handle(p mqtt.Packet) error {
	switch p := p.(type) {
	case *mqtt.Connack:
		return c.handleConnack(p)
	case *mqtt.Publish:
		c.handlePublish(p)
	case *mqtt.Ack:
		c.handleAck(p)
	case *mqtt.Suback:
		if answer := c.suback[p.PacketID]; answer != nil {
			answer <- p.Codes
			delete(c.suback, p.PacketID)
		}
	case *mqtt.Disconnect:
		c.redirect(p.Props)
		return fmt.Errorf("DISCONNECT %v", p.Code)
	}
	return nil
}

func (c *client) handleConnack(p *mqtt.Connack) error {
	if p.Code.Failed() {
		c.redirect(p.Props)
		return fmt.Errorf("CONNACK %v", p.Code)
	}
	c.connected++
	if !p.SessionPresent {
		c.forget()
	}
	c.window = maxFlights
	if p.Props.Has(mqtt.PropReceiveMaximum) {
		c.window = min(c.window, int(p.Props.ReceiveMaximum))
	}
	c.born, c.greeted = true, true
	for _, f := range c.flights {
		c.sendFlight(f)
	}
	return nil
}

// forget gives up what belonged to a session that the broker does not have
// [MQTT-3.2.2-4]. QoS 1 messages go to the new one: their publisher wants them
// delivered at least once. QoS 2 ones might come twice that way.
func (c *client) forget() {
	if c.born {
		c.history.forgot(c.log)
	}
	clear(c.taken)
	c.flights = slices.DeleteFunc(c.flights, func(f *flight) bool { return f.message.QoS == 2 && f.sent })
	for _, f := range c.flights {
		f.sent = false
	}
}

// sendFlight sends a message, or whatever of it has to be sent again.
func (c *client) sendFlight(f *flight) {
	if f.released {
		c.send(&mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: f.id})
		return
	}
	c.send(&mqtt.Publish{Dup: f.sent, QoS: f.message.QoS, Topic: f.message.Topic, PacketID: f.id, Payload: f.payload})
	f.sent = true
}

func (c *client) handlePublish(p *mqtt.Publish) {
	if strings.HasPrefix(p.Topic, probeTopics) {
		c.probes[string(p.Payload)] = true
		c.acknowledge(p)
		return
	}
	m, err := parseMessage(p.Topic, p.Payload)
	if err != nil {
		c.history.violated(c.log, "came %v", err)
		c.acknowledge(p)
		return
	}
	before, again := c.taken[p.PacketID]
	switch {
	case p.QoS < 2:
		c.history.received(c.log, m, p.QoS, p.Dup, c.node)
	case !again:
		c.taken[p.PacketID] = m
		c.history.received(c.log, m, p.QoS, p.Dup, c.node)
	case before != m:
		c.history.violated(c.log, "came %v with packet id %d, while %v had no PUBREL", m, p.PacketID, before)
	case !p.Dup:
		c.history.violated(c.log, "came %v again without DUP [MQTT-3.3.1-1]", m)
	}
	c.acknowledge(p)
}

func (c *client) acknowledge(p *mqtt.Publish) {
	switch p.QoS {
	case 1:
		c.send(&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: p.PacketID})
	case 2:
		c.send(&mqtt.Ack{Kind: mqtt.TypePubrec, PacketID: p.PacketID})
	}
}

func (c *client) handleAck(p *mqtt.Ack) {
	if p.Kind == mqtt.TypePubrel {
		delete(c.taken, p.PacketID)
		c.send(&mqtt.Ack{Kind: mqtt.TypePubcomp, PacketID: p.PacketID})
		return
	}
	i := slices.IndexFunc(c.flights, func(f *flight) bool { return f.id == p.PacketID })
	if i < 0 {
		c.history.violated(c.log, "came a %v for packet id %d, which is not in use", p.Kind, p.PacketID)
		return
	}
	f := c.flights[i]
	first, last := mqtt.TypePuback, mqtt.TypePuback
	if f.message.QoS == 2 {
		first, last = mqtt.TypePubrec, mqtt.TypePubcomp
	}
	switch {
	case p.Kind == first && !f.released:
		c.history.answered(f.message, p.Code, c.node)
		if f.message.QoS == 2 && !p.Code.Failed() {
			f.released = true
			c.sendFlight(f)
			return
		}
	case p.Kind == mqtt.TypePubrec && f.released: // to a PUBLISH that was sent again
		c.sendFlight(f)
		return
	case p.Kind != last || !f.released:
		c.history.violated(c.log, "came a %v for %v", p.Kind, f.message)
		return
	}
	c.flights = slices.Delete(c.flights, i, i+1)
}

// send writes one packet; the caller holds mu. What cannot be written is lost
// with the connection, which the reader finds out.
func (c *client) send(p mqtt.Packet) {
	if c.conn == nil {
		return
	}
	c.conn.SetWriteDeadline(time.Now().Add(silence))
	if _, err := c.conn.Write(mqtt.Append(nil, p, mqtt.V5)); err != nil {
		c.drop()
	}
}

// publish sends the message as soon as the window allows, above QoS 0 even
// while there is no connection. It returns false when ctx ends before that.
func (c *client) publish(ctx context.Context, m Message, size int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	for !(len(c.flights) < c.window && (m.QoS > 0 || c.greeted)) {
		if ctx.Err() != nil {
			return false
		}
		c.changed.Wait()
	}
	c.history.publishing(m)
	if m.QoS == 0 {
		c.send(&mqtt.Publish{Topic: m.Topic, Payload: m.payload(size)})
		return true
	}
	f := &flight{id: c.nextID(), message: m, payload: m.payload(size)}
	c.flights = append(c.flights, f)
	if c.greeted {
		c.sendFlight(f)
	}
	return true
}

// probe publishes something at QoS 0 that no history knows of.
func (c *client) probe(topicName, payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.greeted {
		c.send(&mqtt.Publish{Topic: topicName, Payload: []byte(payload)})
	}
}

// nextID is a packet id that is not in use; the caller holds mu.
func (c *client) nextID() uint16 {
	for {
		c.lastID++
		used := func(f *flight) bool { return f.id == c.lastID }
		if c.lastID != 0 && c.suback[c.lastID] == nil && !slices.ContainsFunc(c.flights, used) {
			return c.lastID
		}
	}
}

// subscribe returns when the broker has granted the filter at that QoS; it
// tries as long as ctx lives.
func (c *client) subscribe(ctx context.Context, filter string, qos mqtt.QoS) error {
	for ctx.Err() == nil {
		codes, sent := c.trySubscribe(filter, qos)
		switch {
		case sent && codes == nil: // the connection ended
		case sent && codes[0] != mqtt.ReasonCode(qos):
			return fmt.Errorf("%s subscribed to %s at QoS %d and was told %v", c.id, filter, qos, codes[0])
		case sent:
			if !strings.HasPrefix(filter, probeTopics) {
				c.history.subscribed(c.log, filter, qos)
			}
			return nil
		}
		pause(ctx, 20*time.Millisecond)
	}
	return fmt.Errorf("%s could not subscribe to %s: %w", c.id, filter, ctx.Err())
}

func (c *client) trySubscribe(filter string, qos mqtt.QoS) (codes []mqtt.ReasonCode, sent bool) {
	c.mu.Lock()
	if !c.greeted {
		c.mu.Unlock()
		return nil, false
	}
	answer := make(chan []mqtt.ReasonCode, 1)
	p := &mqtt.Subscribe{PacketID: c.nextID(), Filters: []mqtt.SubscribeFilter{{Filter: filter}}}
	p.Filters[0].QoS = qos
	c.suback[p.PacketID] = answer
	c.send(p)
	c.mu.Unlock()
	return <-answer, true
}

// state tells what the client still waits for.
func (c *client) state() (connected bool, unacknowledged int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.greeted, len(c.flights)
}

// probed reports whether a probe with that payload has come.
func (c *client) probed(payload string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.probes[payload]
}
