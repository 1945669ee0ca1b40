package broker

import (
	"sync"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// await joins what the acknowledgement of a retained or delayed message waits
// for: its way through the pipeline, and that it is kept for those who come
// later.
type await struct {
	receipt
	br  *Broker
	qos mqtt.QoS

	mu   sync.Mutex
	left int
	code mqtt.ReasonCode // of the pipeline
	err  error           // why it isn't kept
}

// await promises the acknowledgement of m, and has the pipeline report to the
// result instead of to r; nil: nobody waits.
func (br *Broker) await(m *mqtt.Message, r *receipt) *await {
	if m.QoS == 0 || r.Conn == nil && r.over == nil {
		return nil
	}
	w := &await{receipt: *r, br: br, qos: m.QoS, left: 2}
	if r.Conn != nil {
		r.promise(m)
	}
	*r = receipt{Origin: r.Origin, join: w}
	return w
}

// saveFirst has a message of QoS 2 wait until its identifier is saved; false: it
// need not.
func (w *await) saveFirst(b *Batch, p *postponed) bool {
	w.soon = true
	if w.Conn == nil || w.qos != 2 {
		return false
	}
	var from mqtt.At
	if d := w.br.durable; d != nil {
		from = d.end(p.m.Topic)
	}
	return w.Client.append(b, p, from, false)
}

// routed ends the one part: code is what the pipeline says, and flow, if it isn't
// 0, the number that the message has got. b may be nil.
func (w *await) routed(b *Batch, code mqtt.ReasonCode, flow uint64) {
	w.mu.Lock()
	w.code, w.flow = code, max(w.flow, flow)
	w.mu.Unlock()
	w.ended(b)
}

// kept ends the other part.
func (w *await) kept(err error) {
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
	w.ended(nil)
}

func (w *await) ended(b *Batch) {
	w.mu.Lock()
	w.left--
	left, code, err := w.left, w.code, w.err
	w.mu.Unlock()
	if left > 0 {
		return
	}
	if d := w.br.durable; err != nil && !code.Failed() && (d == nil || !d.anyway) {
		code = mqtt.QuotaExceeded
	}
	if b != nil {
		w.settle(b, w.qos, code)
		return
	}
	b = w.br.NewBatch()
	w.settle(b, w.qos, code)
	b.End()
}
