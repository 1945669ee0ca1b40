package bench

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// broker is one address that clients connect to.
type broker struct {
	host string
	port int
}

func (b broker) String() string { return net.JoinHostPort(b.host, strconv.Itoa(b.port)) }

// maxBrokers bounds the pairs that are measured, each with a histogram of 30 KB.
const maxBrokers = 16

// findBrokers fills in which brokers there are and who connects to which.
func (o *options) findBrokers() error {
	o.brokers = nil
	for _, side := range []struct {
		flag, list string
		to         *[]int
	}{{"--publish-at", o.publishAt, &o.publishTo}, {"--subscribe-at", o.subscribeAt, &o.subscribeTo}, {"--return-at", o.returnAt, &o.returnTo}} {
		flag, list := side.flag, side.list
		switch {
		case list == "" && side.to == &o.returnTo:
			continue
		case list == "":
			flag, list = "--host", o.host
		}
		*side.to = nil
		for item := range strings.SplitSeq(list, ",") {
			b, err := o.parseBroker(item)
			if err != nil {
				return fmt.Errorf("%s: %w", flag, err)
			}
			if !slices.Contains(o.brokers, b) {
				o.brokers = append(o.brokers, b)
			}
			*side.to = append(*side.to, slices.Index(o.brokers, b))
		}
	}
	if len(o.brokers) > maxBrokers {
		return fmt.Errorf("--host: expected %d brokers at most, got %d", maxBrokers, len(o.brokers))
	}
	return nil
}

// parseBroker reads ADDRESS or ADDRESS:PORT; --port has the port of the first.
func (o *options) parseBroker(text string) (broker, error) {
	b := broker{text, o.port}
	if host, port, err := net.SplitHostPort(text); err == nil {
		b.host = host
		if b.port, err = strconv.Atoi(port); err != nil {
			b.port = 0
		}
	}
	if b.host == "" || b.port < 1 || b.port > 65535 {
		return b, fmt.Errorf("expected ADDRESS or ADDRESS:PORT, got %q", text)
	}
	return b, nil
}

// brokerOf says where a client connects. Subscriber j goes one broker further
// each time round: when publisher i and subscriber i share a topic, all pairs
// of brokers have their share of it.
func (o *options) brokerOf(of role, n int) int {
	if of == subscriber {
		return o.subscribeTo[(n/o.roundOf())%len(o.subscribeTo)]
	}
	return o.publishTo[n%len(o.publishTo)]
}

// roundOf is how many subscribers in a row go to the same broker.
func (o *options) roundOf() int {
	if o.bothWays() {
		return len(o.publishTo)
	}
	return 1
}

// pair is what went from the publishers at one broker to the subscribers at
// another.
type pair struct {
	delivered uint64 // while it was measured
	latency   histogram
}

// newPairs makes the pairs of a run that has several brokers; nil: it has not.
func newPairs(o *options) []pair {
	if len(o.brokers) < 2 || !o.bothWays() || verbs[o.verb].stored {
		return nil
	}
	return make([]pair, len(o.brokers)*len(o.brokers))
}

// count counts a delivery to c of what publisher number from has sent.
func (r *run) countPair(from uint32, to *client, latency int64) {
	at := r.plan.subscribers + int(from)
	if r.stats.pairs == nil || at >= len(r.clients) {
		return
	}
	p := &r.stats.pairs[r.clients[at].broker*len(r.o.brokers)+to.broker]
	p.delivered++
	p.latency.add(latency)
}

// pairResult is a pair in the result; latencies are in microseconds.
type pairResult struct {
	From          string  `json:"from"`
	To            string  `json:"to"`
	DeliveredPerS float64 `json:"delivered_per_s"`
	P50           float64 `json:"p50_us"`
	P99           float64 `json:"p99_us"`
	Max           float64 `json:"max_us"`
}

// pairResults are those pairs between which something went.
func (r *run) pairResults() (all []pairResult) {
	brokers := r.o.brokers
	for i := range r.stats.pairs {
		p := &r.stats.pairs[i]
		if p.delivered == 0 {
			continue
		}
		us := func(q float64) float64 { return micros(time.Duration(p.latency.quantile(q))) }
		all = append(all, pairResult{
			From: brokers[i/len(brokers)].String(), To: brokers[i%len(brokers)].String(),
			DeliveredPerS: figure(float64(p.delivered) / max(r.result.Seconds, 1e-3)), P50: us(.5), P99: us(.99), Max: us(1),
		})
	}
	return all
}
