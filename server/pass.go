package server

import (
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// pass is what each loop, or each goroutine that reads a stream, has of its
// own and uses again for every connection: the batch of touched connections
// and the scratch space of decoding.
type pass struct {
	batch   *broker.Batch
	decoder mqtt.Decoder
	msg     mqtt.Message // the one being published
	in      inbound      // to the connection being fed

	access     *auth.Control
	noAnswers  auth.Cache // stays empty, see conn.aclCache
	remembered uint64     // publishes that conn.mayPublish remembered, and nobody has counted
}

func newPass(br *broker.Broker) *pass { return &pass{batch: br.NewBatch(), access: br.Access} }

// End is netloop.Pass's: it flushes what the pass has touched.
func (p *pass) End() {
	if p.remembered > 0 {
		p.access.CountRemembered(p.remembered)
		p.remembered = 0
	}
	p.batch.End()
}
