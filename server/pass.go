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

	noAnswers auth.Cache // stays empty, see conn.aclCache
}

func newPass(br *broker.Broker) *pass { return &pass{batch: br.NewBatch()} }

// End is netloop.Pass's: it flushes what the pass has touched.
func (p *pass) End() { p.batch.End() }
