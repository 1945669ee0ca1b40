package retain

import (
	"encoding/binary"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// valid reports whether a record that comes from outside can be read by fill.
// It goes the same way, and believes nothing.
func (r record) valid() bool {
	if len(r) < topicAt || len(r) < r.topicEnd() || topic.ValidName(r.topic()) != nil || r[0]&recQoS > 2 {
		return false
	}
	c := checker{rest: string(r[r.topicEnd():]), ok: true}
	c.number() // the timestamp
	if r[0]&recExpires != 0 {
		c.number()
	}
	c.text() // the publisher
	if r[0]&recUser != 0 {
		c.text()
	}
	if r[0]&recProps != 0 {
		c.props()
	}
	return c.ok
}

// checker takes parts off a text as long as they are there.
type checker struct {
	rest string
	ok   bool
}

func (c *checker) number() uint64 {
	n, used := binary.Uvarint([]byte(c.rest[:min(len(c.rest), binary.MaxVarintLen64)]))
	if used <= 0 {
		c.ok, c.rest = false, ""
		return 0
	}
	c.rest = c.rest[used:]
	return n
}

func (c *checker) skip(n uint64) {
	if n > uint64(len(c.rest)) {
		c.ok, c.rest = false, ""
		return
	}
	c.rest = c.rest[n:]
}

func (c *checker) text() { c.skip(c.number()) }

func (c *checker) props() {
	_, rest, err := mqtt.CutForwarded(c.rest)
	if err != nil {
		c.ok, rest = false, ""
	}
	c.rest = rest
}
