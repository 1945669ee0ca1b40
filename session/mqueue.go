package session

// mqueue holds the deliveries that wait: one FIFO for each priority in use.
type mqueue struct {
	levels []level // highest rank first
	bytes  int64   // of payload
	n      int
	zeros  int // how many of n are at QoS 0
}

type level struct {
	waiting ring[Delivery]
	bytes   int64
	rank    int32
	credit  int32 // how many more may leave before lower levels get their turn
}

const (
	highestRank   = 256     // above the 0 to 255 that a table can give
	highestCredit = 1000000 // as EMQ X counts it
)

// credits is how many messages of a rank leave in one turn.
func credits(rank int32) int32 {
	if rank == highestRank {
		return highestCredit
	}
	return rank*10 + 1
}

// rank is the priority of a topic.
func (c *Config) rank(topic string) int32 {
	if c.MqueuePriorities == nil {
		return 0
	}
	if p, listed := c.MqueuePriorities[topic]; listed {
		return int32(max(0, min(p, highestRank-1)))
	}
	if c.MqueueDefaultPriority == "lowest" {
		return 0
	}
	return highestRank
}

// level returns the place of the level of this rank, made if need be.
func (q *mqueue) level(rank int32) int {
	i := 0
	for i < len(q.levels) && q.levels[i].rank > rank {
		i++
	}
	if i == len(q.levels) || q.levels[i].rank != rank {
		q.levels = append(q.levels, level{})
		copy(q.levels[i+1:], q.levels[i:])
		q.levels[i] = level{rank: rank, credit: credits(rank)}
	}
	return i
}

func (q *mqueue) push(i int, d Delivery) {
	q.levels[i].waiting.push(d)
	q.account(&q.levels[i], d, 1)
}

func (q *mqueue) pop(l *level) Delivery {
	d := l.waiting.pop()
	q.account(l, d, -1)
	return d
}

func (q *mqueue) account(l *level, d Delivery, sign int) {
	size := int64(sign) * int64(len(d.Msg.Payload))
	l.bytes += size
	q.bytes += size
	q.n += sign
	if d.QoS == 0 {
		q.zeros += sign
	}
}

// holds reports whether room for size bytes can be made at level i. What ranks
// higher isn't dropped for it.
func (q *mqueue) holds(i int, size, mostBytes int64) bool {
	for _, l := range q.levels[:i] {
		size += l.bytes
	}
	return mostBytes == 0 || size <= mostBytes
}

// victim is the level whose oldest message has to go before size bytes can
// enter at level i; nil when there is room. Too many messages cost one of the
// same level, too many bytes cost the lowest one.
func (q *mqueue) victim(i int, size int64, cfg *Config) *level {
	if most := cfg.MaxMqueueLen; most > 0 && int(q.levels[i].waiting.n) >= most {
		return &q.levels[i]
	}
	if most := int64(cfg.MaxMqueueBytes); most == 0 || q.bytes+size <= most {
		return nil
	}
	for j := len(q.levels) - 1; j >= i; j-- {
		if q.levels[j].waiting.n > 0 {
			return &q.levels[j]
		}
	}
	return nil
}

// next is the level that the next message comes from; there must be one. It
// is the highest with something waiting whose turn isn't over. A turn is
// rank × 10 + 1 messages, so lower levels are slowed down, never starved.
func (q *mqueue) next() *level {
	for {
		for i := range q.levels {
			if l := &q.levels[i]; l.waiting.n > 0 && l.credit > 0 {
				return l
			}
		}
		for i := range q.levels {
			q.levels[i].credit = credits(q.levels[i].rank)
		}
	}
}
