package bench

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// offline is what a run with sessions that are away knows besides: enrol, fill,
// drain are its parts, and a client of it is online in two of them.
type offline struct {
	first, last int64 // deliveries after coming back, nanoseconds
	backFrom    int64 // when coming back began
	fillFrom    int64
	acked       uint64
	between     chan error // the command's end
	err         error      // of the command
}

// planOffline is a round trip whose subscribers are away while it publishes.
func planOffline(o *options) *plan {
	p := planRoundtrip(o)
	p.stored = true
	return p
}

// dialled starts the connections that are due and reports whether all have
// come up, or have had their time.
func (r *run) dialled(now int64) bool {
	r.dialDue(now)
	if (r.dials.started < r.dials.end || r.dials.pending > 0) && now < r.phaseEnd && !r.stopping {
		return false
	}
	r.abandon(now >= r.phaseEnd)
	return true
}

// enrolling makes the sessions and subscribes; several brokers meet, for which
// publishers connect as well.
func enrolling(r *run, now int64) phase {
	if !r.dialled(now) {
		return enrolling
	}
	return r.meet(enrolled)
}

func enrolled(r *run, now int64) phase {
	r.markConnected(now)
	return r.depart(now, func(now int64) phase {
		r.dialFrom(now, r.plan.subscribers, len(r.clients))
		return arming
	})
}

// arming connects the publishers.
func arming(r *run, now int64) phase {
	if !r.dialled(now) {
		return arming
	}
	r.traffic.on = !r.stopping
	r.offline.fillFrom, r.traffic.since = now, now
	r.markMeasure(now)
	r.marks.measuring = false // how long messages wait for who is away is no latency
	return filling
}

// filling publishes until the limit is reached and all is acknowledged.
func filling(r *run, now int64) phase {
	if acked := r.stats.acked; acked != r.offline.acked {
		r.offline.acked, r.traffic.since = acked, now
	}
	silent := now-r.traffic.since > int64(r.o.drain)
	done := r.limitReached() && r.stats.acked >= r.stats.sent
	if !done && !silent && !r.stopping && r.stats.allReady() > 0 {
		return filling
	}
	r.traffic.on = false
	r.markMeasured(now)
	r.result.Queued = r.traffic.expected
	return r.depart(now, func(int64) phase { return r.runBetween() })
}

// runBetween runs the user's command, if there is one, while nobody is
// connected.
func (r *run) runBetween() phase {
	if r.o.between == "" || r.stopping {
		return r.comeBack(r.clock())
	}
	command := exec.Command("sh", "-c", r.o.between)
	out := r.reporter.progress
	if out == io.Discard {
		out = nil
	}
	command.Stdout, command.Stderr = out, out
	command.WaitDelay = time.Second // what it leaves running may hold its output open
	if err := command.Start(); err != nil {
		r.offline.err = fmt.Errorf("--between: %w", err)
		return nil
	}
	r.offline.between = make(chan error, 1)
	go func() { r.offline.between <- command.Wait() }()
	var wait phase
	wait = func(r *run, now int64) phase {
		select {
		case err := <-r.offline.between:
			if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
				r.offline.err = fmt.Errorf("--between: %w", err)
				return nil
			}
			return r.comeBack(now)
		default:
		}
		if r.stopping {
			return r.giveUp(command)
		}
		return wait
	}
	return wait
}

// giveUp ends the command when the run is interrupted; its shell may have
// ended by itself.
func (r *run) giveUp(command *exec.Cmd) phase {
	err := command.Process.Kill()
	<-r.offline.between
	r.offline.err = errors.Join(errors.New("--between: interrupted"), err)
	return nil
}

// comeBack connects the subscribers again.
func (r *run) comeBack(now int64) phase {
	r.dialFrom(now, 0, r.plan.subscribers)
	if to := r.o.returnTo; len(to) > 0 {
		for i := range r.clients[:r.plan.subscribers] {
			r.clients[i].broker = to[i%len(to)]
		}
	}
	r.offline.backFrom, r.traffic.since = now, now
	return returning
}

// returning takes what was kept until it is all, or no more comes.
func returning(r *run, now int64) phase {
	r.dialDue(now)
	if arrived := r.arrived(); arrived != r.traffic.arrived || r.dials.pending > 0 || r.dials.started < r.dials.end {
		r.traffic.arrived, r.traffic.since = arrived, now
	}
	if r.dials.started == r.dials.end && r.dials.pending == 0 && r.result.BackS == 0 {
		r.result.BackS = secs(time.Duration(now - r.offline.backFrom))
	}
	if now >= r.phaseEnd && r.dials.pending > 0 {
		r.abandon(true)
	}
	silent := now-r.traffic.since > int64(r.o.drain)
	if r.stats.delivered < r.traffic.expected && !silent && !r.stopping {
		return returning
	}
	r.abandon(false)
	r.markDrained()
	r.markBack()
	r.speaker.forget = true
	return r.depart(now, func(int64) phase { return nil })
}

// depart has everybody say goodbye and goes on when all connections are closed.
func (r *run) depart(now int64, then func(now int64) phase) phase {
	r.leaving = true // ends of connections are no failures now
	for i := range r.clients {
		c := &r.clients[i]
		c.leave()
		r.engine.flush(c)
	}
	until := now + int64(time.Second)
	var wait phase
	wait = func(r *run, now int64) phase {
		if r.stats.allReady() > 0 && now < until {
			return wait
		}
		for i := range r.clients {
			if c := &r.clients[i]; c.state == ready {
				r.engine.close(c)
				r.closed(c, errClosedByBroker)
			}
		}
		r.leaving = false
		return then(now)
	}
	return wait
}

// markBack fills in what the drain was like.
func (r *run) markBack() {
	o, res := &r.offline, &r.result
	if o.first == 0 {
		return
	}
	res.FirstMessageS = secs(time.Duration(o.first - o.backFrom))
	res.LastMessageS = secs(time.Duration(o.last - o.backFrom))
	res.DeliveredPerS = figure(float64(r.stats.delivered) / max(res.LastMessageS, 1e-3))
}

// took notes when what was kept came.
func (o *offline) took(now int64) {
	if o.first == 0 {
		o.first = now
	}
	o.last = now
}

// resumes reports whether the client comes back to its session.
func (c *client) resumes() bool { return c.plan.stored && c.role == subscriber && c.met }

// sessionTerms fills in what the CONNECT says of the session. Sessions that are
// left and come back to begin clean where that does not end them with the
// connection.
func (c *client) sessionTerms(p *mqtt.Connect) {
	expiry := c.o.sessionExpiry
	p.CleanStart = c.o.clean
	if c.plan.stored {
		p.CleanStart = c.role == publisher || !c.met && c.o.version == mqtt.V5
		if c.role == publisher {
			expiry = 0
		}
	}
	if expiry > 0 {
		p.Props = &mqtt.Properties{Present: mqtt.PropSessionExpiry, SessionExpiry: expiry}
	}
}
