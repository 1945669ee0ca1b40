package bench

import (
	"errors"
	"fmt"
	"time"
)

// dials is how far the connecting has come.
type dials struct {
	from    int       // the client to begin with
	end     int       // those from this one on have no turn yet
	began   int64     // when from had its turn
	started int       // clients below this one have been dialled
	pending int       // of these and of again: neither ready nor gone
	again   []*client // were cut and come back
}

// maxPending bounds the connections that are being opened at once, so that a
// broker that is slow to accept is not buried.
const maxPending = 512

func clientID(o *options, of role, number int) string {
	return fmt.Sprintf("%s-%s-%d", o.prefix, of, number)
}

// dialFrom gives clients number from to end-1 their turn to connect, and the
// time that this may take.
func (r *run) dialFrom(now int64, from, end int) {
	r.dials.from, r.dials.started, r.dials.end, r.dials.began = from, from, end, now
	r.phaseEnd = now + int64(time.Minute)
	if r.o.connRate > 0 {
		r.phaseEnd += int64(3 * float64(end-from) / r.o.connRate * float64(time.Second))
	}
}

// dialDue starts the connections that are due by now.
func (r *run) dialDue(now int64) {
	due := r.dials.end
	if r.o.connRate > 0 {
		elapsed := time.Duration(now - r.dials.began).Seconds()
		due = min(due, r.dials.from+int(min(elapsed*r.o.connRate, 1e9))+1)
	}
	for r.dials.started < due && r.dials.pending < maxPending {
		r.dials.started++
		r.dial(&r.clients[r.dials.started-1])
	}
}

func (r *run) dial(c *client) {
	c.dialed = r.clock()
	c.state = dialing
	r.dials.pending++
	r.engine.dial(c)
}

// errNoAnswer is the end of a connection that took too long to come up.
var errNoAnswer = errors.New("no answer in time")

// abandon gives up what is still being opened; late says whether that is the
// broker's fault or the run has just no use for more.
func (r *run) abandon(late bool) {
	for i := range r.clients {
		switch c := &r.clients[i]; c.state {
		case dialing, greeting, subscribing:
			r.engine.close(c)
			if late {
				r.closed(c, errNoAnswer)
				continue
			}
			c.state = gone
			r.dials.pending--
		}
	}
}

// pings spreads PINGREQ evenly over the keep alive time.
type pings struct {
	last int64 // when the last client's turn was
	turn int
}

// pingDue looks at as many clients as the time that has passed asks for: each
// comes up twice in 0.8 of its keep alive, and is pinged if it was silent
// since the last time.
func (r *run) pingDue(now int64) {
	if r.o.keepAlive == 0 || r.dials.started == 0 || r.leaving {
		return
	}
	if r.pings.last == 0 {
		r.pings.last = now
	}
	round := float64(r.o.keepAlive) * float64(time.Second) * 0.8 / 2
	due := int(float64(now-r.pings.last) / round * float64(len(r.clients)))
	if due == 0 {
		return
	}
	r.pings.last = now
	for range min(due, len(r.clients)) {
		c := &r.clients[r.pings.turn%len(r.clients)]
		r.pings.turn++
		c.ping()
		r.engine.flush(c)
	}
}
