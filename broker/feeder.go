package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
)

const (
	feeders   = 4    // goroutines that read the log for clients
	chunkMost = 64   // entries that are read for a client at a time
	readAgain = 1000 // milliseconds after which a failed read is tried again
)

// feeder reads the log for the clients and shared groups that are behind it. Each gets a chunk
// and then goes to the end of the line, so that one with much to read keeps
// nobody waiting; and memory holds a chunk for each that reads.
type feeder struct {
	d     *durability
	mu    sync.Mutex
	line  []fed // each is in it once at most
	ready chan struct{}
}

// fed is who reads the log.
type fed interface {
	// readFor reads a chunk and goes on with it.
	readFor(b *Batch, f *feeder)
}

func (f *feeder) add(c fed) {
	f.mu.Lock()
	f.line = append(f.line, c)
	f.mu.Unlock()
	f.call()
}

// call wakes a worker, if there isn't one that is woken already.
func (f *feeder) call() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// next takes the first one out of the line; nil: nobody is waiting.
func (f *feeder) next() fed {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.line) == 0 {
		f.line = nil
		return nil
	}
	c := f.line[0]
	f.line[0] = nil
	f.line = f.line[1:]
	if len(f.line) > 0 {
		f.call()
	}
	return c
}

func (f *feeder) run() {
	b := f.d.br.NewBatch()
	for {
		for c := f.next(); c != nil && f.d.ctx.Err() == nil; c = f.next() {
			c.readFor(b, f)
			b.End()
		}
		select {
		case <-f.ready:
		case <-f.d.ctx.Done():
			return
		}
	}
}

// readFor is fed's: it gives the client what it takes.
func (c *Client) readFor(b *Batch, f *feeder) {
	c.mu.Lock()
	r, conn := c.more.reader, c.conn
	shard, from := r.shard, r.places[r.shard].next
	version := r.version
	filters, none := c.filters()
	c.mu.Unlock()
	var chunk []*mqtt.Message
	next, err := f.d.shards[shard].dispatched.Load()+1, error(nil)
	if !none && conn != nil {
		chunk, next, err = f.read(shard, from, filters)
	}
	c.enter(b)
	defer c.leave(b)
	r.reading = false
	switch {
	case c.ended:
		return
	case err != nil:
		if !errors.Is(err, context.Canceled) {
			f.d.br.logs.notRead.warn(f.d.br.log, b.Now(), "the log of messages can't be read for a client, it is tried again", "client", c.info.ClientID, "err", err)
			r.reading = true
			f.d.br.Schedule(&readLater{c}, b.Now()+readAgain)
		}
		return
	case c.conn == conn && conn != nil && r.version == version:
		first, _ := f.d.log.Bounds(shard)
		r.cut = r.cut || first > from
		r.shard, r.chunk, r.after = shard, chunk, next
	}
	c.feedLog(b)
}

// read reads a chunk. An entry that nobody understands is skipped.
func (f *feeder) read(shard int, from uint64, filters []string) (chunk []*mqtt.Message, next uint64, err error) {
	entries, next, err := f.d.log.Read(f.d.ctx, shard, from, filters, chunkMost)
	if err == nil && next <= from {
		err = errors.New("the log doesn't go on")
	}
	for i := range entries {
		if m := f.d.parse(shard, &entries[i]); m != nil {
			chunk = append(chunk, m)
		}
	}
	return chunk, next, err
}

// parse is the message in an entry; nil: nobody understands it.
func (d *durability) parse(shard int, e *engine.Entry) *mqtt.Message {
	m, err := durable.ParseMessage(mqtt.At{Shard: shard, Seq: e.Seq}, e.Topic, e.Record)
	if err != nil {
		d.br.logs.notRead.warn(d.br.log, Now(), "an entry of the log is skipped", "shard", shard, "position", e.Seq, "err", err)
		return nil
	}
	return m.Message
}

// readLater is the Timer of a read that failed.
type readLater struct{ c *Client }

// Fire is Timer's.
func (l *readLater) Fire(b *Batch, _ int64) {
	l.c.enter(b)
	defer l.c.leave(b)
	l.c.more.reader.reading = false
	l.c.feedLog(b)
}
