package server

import (
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Send is broker.Conn's.
func (c *conn) Send(b *broker.Batch, t *mqtt.Template, o *mqtt.PublishOptions) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.Word != "" {
		return true // too late, and nobody's fault: the session resends what matters
	}
	m := t.Message()
	if c.unsent.max > 0 {
		c.unsent.use(m.Topic, o)
	}
	if c.maxOut > 0 && t.Size(c.version, o) > int(c.maxOut) {
		c.unsent.forget(m.Topic, o)
		return false
	}
	if a := c.listener.server.trace.Active(); a != nil {
		c.traceSentPublish(a, m, o)
	}
	w := c.writer(b)
	before := len(w.tail)
	if len(m.Payload) < largePayload {
		w.tail = t.Append(w.tail, c.version, o)
		w.size += len(w.tail) - before
	} else {
		w.tail = t.AppendHead(w.tail, c.version, o)
		w.size += len(w.tail) - before + len(m.Payload)
		w.attach(m.Keep().Payload)
	}
	c.listener.server.count.sentPublish(o.QoS, m.Sys)
	c.traffic.sentMessage(o.QoS)
	return true
}

// SendAck is broker.Conn's.
func (c *conn) SendAck(b *broker.Batch, kind mqtt.Type, id uint16, code mqtt.ReasonCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.Word != "" {
		return
	}
	w := c.writer(b)
	before := len(w.tail)
	if a := c.listener.server.trace.Active(); a != nil {
		c.traceSent(a, &mqtt.Ack{Kind: kind, PacketID: id, Code: code})
	}
	w.tail = mqtt.AppendAck(w.tail, kind, id, code, c.version)
	w.size += len(w.tail) - before
	c.listener.server.count.sent(kind)
	c.traffic.sent()
}

// send appends any other packet. A client that can't take an answer it needs
// can't be served.
func (c *conn) send(p *pass, packet mqtt.Packet) {
	c.mu.Lock()
	fits := c.fits(packet)
	if fits && c.end.Word == "" {
		c.writer(p.batch)
		c.append(packet)
	}
	c.mu.Unlock()
	if !fits {
		c.fail(mqtt.Success, "packet_too_large", packet.Type().String()+" exceeds the client's maximum packet size")
	}
}

// fits reports whether the client takes a packet of this size [MQTT-3.1.2-24].
func (c *conn) fits(packet mqtt.Packet) bool {
	return c.maxOut == 0 || len(mqtt.Append(nil, packet, c.version)) <= int(c.maxOut)
}

// append puts a packet into the output; mu is held.
func (c *conn) append(packet mqtt.Packet) {
	if c.out == nil {
		c.out = outputs.Get().(*output)
	}
	if a := c.listener.server.trace.Active(); a != nil {
		c.traceSent(a, packet)
	}
	before := len(c.out.tail)
	c.out.tail = mqtt.Append(c.out.tail, packet, c.version)
	c.out.size += len(c.out.tail) - before
	c.listener.server.count.sent(packet.Type())
	c.traffic.sent()
}

// writer is the output, which b will flush; mu is held.
func (c *conn) writer(b *broker.Batch) *output {
	if c.out == nil {
		c.out = outputs.Get().(*output)
	}
	if !c.touched {
		c.touched = true
		b.Touch(c)
	}
	return c.out
}

// Full is broker.Conn's.
func (c *conn) Full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out != nil && c.out.size >= c.listener.highWater
}

// Flush is broker.Conn's.
func (c *conn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched = false
	if c.stalled == 0 {
		c.flush()
	}
}

// flush writes the output; mu is held, and no write is being waited for.
func (c *conn) flush() {
	if c.out == nil || c.held.Load()&heldByRecord != 0 {
		return
	}
	size := c.out.size
	if c.framing != nil {
		c.framing.seal(c.out)
		size = c.out.size
	}
	err := c.out.write(c.link)
	written := uint64(max(size-c.out.size, 0))
	c.listener.server.count.bytesSent.Add(written)
	if written > 0 {
		c.traffic.bytesOut += written
		c.traffic.writes++
	}
	switch {
	case err != nil:
		c.link.Close(err)
		fallthrough
	case c.out.size == 0:
		c.out.free()
		c.out = nil
	default:
		if c.framing != nil {
			c.out.freeze()
		}
		c.stalled = broker.Now()
		if c.listener.zone.CongestionAlarm {
			c.listener.server.congestion.add(c, c.stalled)
		}
		c.link.WantWrite()
		c.wake(c.stalled + c.listener.sendTimeout)
	}
}
