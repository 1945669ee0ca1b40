package server

import (
	"cmp"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
)

// mostCongested bounds the connections that are told of at once: when more are
// congested, the machine is, and one alarm says as much as thousands.
const mostCongested = 100

// congestion is the connections of zones with conn_congestion.alarm that don't
// take what they are sent, or didn't a while ago. A connection enters when its
// link leaves output behind; Congested takes it out.
type congestion struct {
	mu    sync.Mutex
	conns map[*conn]congested
}

// congested is when a connection left output behind; Unix milliseconds.
type congested struct{ first, last int64 }

// add notes that c has output waiting. The mu of c is held, and no connection's
// may be taken while that of g is.
func (g *congestion) add(c *conn, now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns == nil {
		g.conns = make(map[*conn]congested)
	}
	was, known := g.conns[c]
	if !known {
		was.first = now
	}
	was.last = now
	g.conns[c] = was
}

func (g *congestion) remove(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// Congestion is one connection that is congested.
type Congestion struct {
	Client  *hook.ClientInfo
	Since   int64 // Unix milliseconds
	Pending int   // bytes that wait to be written
	Traffic broker.Traffic
}

// Congested are the connections that have had output waiting within
// conn_congestion.min_alarm_sustain_duration of their zone, if it has the alarm
// on: the first ones that did so, at most 100.
func (s *Server) Congested() []Congestion { return s.congestedAt(broker.Now()) }

func (s *Server) congestedAt(now int64) (all []Congestion) {
	type entry struct {
		*conn
		congested
	}
	var some []entry
	g := &s.congestion
	g.mu.Lock()
	for c, when := range g.conns {
		some = append(some, entry{c, when})
	}
	g.mu.Unlock()
	slices.SortFunc(some, func(a, b entry) int { return cmp.Compare(a.first, b.first) })
	for _, e := range some {
		waits, info, ended := e.waiting()
		switch {
		case ended:
			g.remove(e.conn)
		case waits > 0:
			g.add(e.conn, now)
		case now-e.last >= e.listener.zone.CongestionSustain.Milliseconds():
			g.remove(e.conn)
			continue
		}
		if !ended && len(all) < mostCongested {
			all = append(all, Congestion{info, e.first, waits, e.Traffic()})
		}
	}
	return all
}

// waiting is how many bytes the link has not taken.
func (c *conn) waiting() (bytes int, info *hook.ClientInfo, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stalled != 0 && c.out != nil {
		bytes = c.out.size
	}
	return bytes, c.info, c.end.Word != "" || !c.accepted.Load()
}
