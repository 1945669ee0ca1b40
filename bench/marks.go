package bench

import (
	"maps"
	"math"
	"os"
	"time"
)

// marks is what was noted when the run went from one part to the next, for the
// differences that the result is made of.
type marks struct {
	measuring bool

	cpuStart, cpuConnected, cpuMeasure time.Duration
	connectedAt, measureAt             int64
	measure                            counts

	nextSecond, nextSample int64
}

// begin notes where the broker stands before anything is connected.
func (r *run) begin() {
	r.marks.cpuStart = r.broker.cpu()
	r.result.RSSBefore = r.broker.rss()
	r.marks.nextSecond = r.base + int64(time.Second)
	if r.plan.eager {
		r.traffic.on = r.plan.publishers > 0
		r.markMeasure(r.base)
	}
}

func (r *run) markConnected(now int64) {
	r.marks.connectedAt, r.marks.cpuConnected = now, r.broker.cpu()
	r.result.Connected = r.stats.allReady()
	r.result.ConnectS = secs(time.Duration(now - r.base))
	r.result.BrokerConnectCPU = figure(micros(r.marks.cpuConnected-r.marks.cpuStart) / float64(len(r.clients)))
}

// markHeld ends the idle time.
func (r *run) markHeld(now int64) {
	if idle := time.Duration(now - r.marks.connectedAt); idle > 0 && r.o.hold > 0 {
		r.result.BrokerIdleCPU = figure(100 * float64(r.broker.cpu()-r.marks.cpuConnected) / float64(idle))
	}
	r.result.RSSConnected = r.broker.rss()
	grown := float64(r.result.RSSConnected-r.result.RSSBefore) * 1024
	r.result.RSSPerConn = figure(grown / float64(len(r.clients)))
	if filters := r.plan.subscribers * r.plan.filters; filters > 0 {
		r.result.RSSPerFilter = figure(grown / float64(filters))
	}
}

func (r *run) markMeasure(now int64) {
	r.marks.measuring = true
	r.marks.measure, r.marks.measureAt, r.marks.cpuMeasure = r.stats.counts, now, r.broker.cpu()
}

func (r *run) markMeasured(now int64) {
	r.marks.measuring = false
	from, to, res := r.marks.measure, r.stats.counts, &r.result
	cpu := r.broker.cpu() - r.marks.cpuMeasure
	res.Seconds = secs(time.Duration(now - r.marks.measureAt))
	rate := func(from, to uint64) float64 { return figure(float64(to-from) / max(res.Seconds, 1e-3)) }
	res.SentPerS = rate(from.sent, to.sent)
	res.DeliveredPerS = rate(from.delivered, to.delivered)
	res.AckedPerS = rate(from.acked, to.acked)
	res.BrokerCPUS = secs(cpu)
	if messages := to.sent - from.sent + to.delivered - from.delivered; messages > 0 {
		res.BrokerCPUPerMsg = figure(micros(cpu) / float64(messages))
	}
}

// markDrained settles what is lost.
func (r *run) markDrained() {
	r.result.Lost = int64(r.traffic.expected) - int64(r.stats.delivered)
	if !r.o.bothWays() {
		r.result.Lost = 0
	}
	r.result.SlowLost = int64(r.stats.sent)*int64(r.plan.slow) - int64(r.stats.slow)
	r.result.RSSEnd = r.broker.rss()
}

// tick does what comes round: the line a second, and a look at the memory.
func (r *run) tick(now int64) {
	m := &r.marks
	if now >= m.nextSample {
		m.nextSample = now + int64(100*time.Millisecond)
		r.result.RSSPeak = max(r.result.RSSPeak, r.broker.rss())
		if r.dials.started < r.dials.end {
			r.reporter.connecting(r.stats.allReady(), r.dials.end-r.dials.from)
		}
	}
	if now >= m.nextSecond && !r.leaving {
		m.nextSecond += int64(time.Second)
		r.reporter.second(time.Duration(now-r.base), r.stats)
	}
}

// finish fills in what is of the whole run.
func (r *run) finish() {
	s, res := r.stats, &r.result
	res.Verb, res.Interrupted = r.o.verb, r.stopping
	res.Refused, res.Dropped, res.Killed = sum(s.refused), sum(s.dropped), s.killed
	ms := func(q float64) float64 { return figure(micros(s.connectQuantile(q)) / 1e3) }
	res.ConnectP50, res.ConnectP90, res.ConnectP99, res.ConnectP999, res.ConnectMax = ms(.5), ms(.9), ms(.99), ms(.999), ms(1)
	us := func(q float64) float64 { return micros(time.Duration(s.latency.quantile(q))) }
	res.P50, res.P90, res.P99, res.P999, res.Max = us(.5), us(.9), us(.99), us(.999), us(1)
	res.Sent, res.Delivered, res.Acked, res.Rejected = s.sent, s.delivered, s.acked, sum(s.rejected)
	res.Duplicates, res.Disordered, res.Foreign, res.Slow = s.duplicates, s.disordered, s.foreign, s.slow
	res.LoadCPUS = secs(loadCPU())
	res.Pairs = r.pairResults()
	res.Reasons = map[string]uint64{}
	for _, by := range []map[string]uint64{s.refused, s.dropped, s.rejected} {
		maps.Copy(res.Reasons, by)
	}
}

// loadCPU is the time that this process has spent.
func loadCPU() time.Duration {
	self, err := openProcesses([]int{os.Getpid()})
	if err != nil {
		return 0 // not on Linux
	}
	return self.cpu()
}

// figure cuts what no measurement here can tell apart, for the reader's sake.
func figure(v float64) float64 { return math.Round(v*1e3) / 1e3 }

func micros(d time.Duration) float64 { return figure(float64(d) / float64(time.Microsecond)) }

func secs(d time.Duration) float64 { return figure(d.Seconds()) }
