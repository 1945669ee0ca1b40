package server

import (
	"sync"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Bounds on what one connection has on its way to the broker's log, and on the
// acknowledgements that wait behind that. Above them it reads nothing until half
// of that is settled. While the log is busy for all together, each has two.
const (
	mostPromised      = 128
	mostPromisedBytes = 1 << 20
	mostOwed          = 1024
)

// receipts are the acknowledgements that a connection owes for PUBLISH packets,
// in the order in which these came [MQTT-4.6.0-2, MQTT-4.6.0-3]. While a message
// is on its way to the broker's log, those behind it wait; what needs no log is
// routed meanwhile. A connection has none before a message has had to be kept.
//
// The lock is taken after the client's and before the connection's.
type receipts struct {
	mu    sync.Mutex
	owed  []receipt
	bytes int // of messages that aren't settled
	open  int // how many those are
}

type receipt struct {
	id   uint16
	qos  mqtt.QoS
	code mqtt.ReasonCode
	size int  // of the payload; what counts against mostPromisedBytes
	made bool // the code is there
	kept bool // the message had to be kept
}

// Promise is broker.Promiser's.
func (c *conn) Promise(qos mqtt.QoS, id uint16, size int) {
	r := c.receipts.Load()
	if r == nil {
		r = new(receipts)
		c.receipts.Store(r)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owed = append(r.owed, receipt{id: id, qos: qos, size: size, kept: true})
	r.open++
	r.bytes += size
	if r.above(1) || r.open > 1 && c.listener.server.broker.LogBusy() {
		c.hold(heldByLog)
	}
}

// Keep is broker.Promiser's.
func (c *conn) Keep(b *broker.Batch, qos mqtt.QoS, id uint16, code mqtt.ReasonCode) {
	r := c.receipts.Load()
	if r == nil {
		return
	}
	r.mu.Lock()
	for i := range r.owed {
		if o := &r.owed[i]; !o.made && o.id == id && o.qos == qos {
			o.code, o.made = code, true // a client may have repeated it: each copy is answered
			r.open--
			r.bytes -= o.size
		}
	}
	ok := r.send(b, c)
	room := !r.above(2)
	r.mu.Unlock()
	if !ok {
		c.fail(mqtt.Success, mqtt.ServerUnavailable.String(), "a message can't be kept now, and the client can't be told")
	}
	if room {
		c.release(heldByLog)
	}
}

// above reports whether one of the bounds is reached, divided by part. mu is held.
func (r *receipts) above(part int) bool {
	return r.open >= mostPromised/part || r.bytes >= mostPromisedBytes/part || len(r.owed) >= mostOwed/part
}

// send sends the acknowledgements that nothing stands in front of. False: one
// can't be expressed, since before version 5 each of them is a success. mu is
// held, so that nobody else sends meanwhile.
func (r *receipts) send(b *broker.Batch, c *conn) bool {
	n := 0
	for ; n < len(r.owed) && r.owed[n].made; n++ {
		o := &r.owed[n]
		if o.kept && o.code.Failed() {
			c.listener.server.count.publishDropped.Inc()
			c.listener.server.count.publishFailed(o.code)
			if c.info.Version < mqtt.V5 {
				r.owed = nil
				return false
			}
		}
		c.SendAck(b, ackOf(o.qos), o.id, o.code)
	}
	if r.owed = r.owed[n:]; len(r.owed) == 0 {
		r.owed = nil
	}
	return true
}

// ackOf is what answers a PUBLISH.
func ackOf(qos mqtt.QoS) mqtt.Type {
	if qos == 2 {
		return mqtt.TypePubrec
	}
	return mqtt.TypePuback
}

// sendReceipt acknowledges a PUBLISH now, or behind the ones that wait.
func (c *conn) sendReceipt(b *broker.Batch, qos mqtt.QoS, id uint16, code mqtt.ReasonCode) {
	if r := c.receipts.Load(); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.owed) > 0 {
			r.owed = append(r.owed, receipt{id: id, qos: qos, code: code, made: true})
			if r.above(1) {
				c.hold(heldByLog)
			}
			return
		}
	}
	c.SendAck(b, ackOf(qos), id, code)
}

// awaitAppend answers the repetition of a QoS 2 PUBLISH whose first copy may
// still be on its way to the log: when that is settled. False: it isn't.
func (c *conn) awaitAppend(b *broker.Batch, id uint16) bool {
	if !c.client.Appending(id) {
		return false
	}
	c.Promise(2, id, 0)
	if !c.client.Appending(id) { // settled between the two looks
		code := mqtt.Success
		if !c.client.Awaits(id) {
			code = mqtt.QuotaExceeded
		}
		c.Keep(b, 2, id, code)
	}
	return true
}
