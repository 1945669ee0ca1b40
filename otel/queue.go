package otel

import (
	"sync"

	"github.com/dunlin-mq/dunlin/metrics"
)

// Why spans are dropped.
const (
	dropFull     = "queue_full"
	dropRejected = "rejected" // the collector took the others of the request
	dropRefused  = "refused"  // it doesn't want such a request
	dropStopped  = "stopped"  // the process ends
	dropMany     = "too_many_deliveries"
)

// queue holds spans until they are sent, up to a number; what comes then is
// dropped and counted. All methods but take may be called at the same time.
type queue struct {
	limit   int
	sent    *metrics.Counter
	dropped *metrics.Reasons
	enough  chan struct{} // holds one when there are enough for a batch

	mu    sync.Mutex
	spans []span
}

func newQueue(limit int, r *metrics.Registry) *queue {
	return &queue{
		limit: limit, enough: make(chan struct{}, 1),
		sent: r.Counter("opentelemetry.spans.sent", "spans that the collector has taken"),
		dropped: r.Reasons("opentelemetry.spans.dropped", "spans that the collector didn't get", "reason", 5,
			dropFull, dropRejected, dropRefused, dropStopped, dropMany),
	}
}

// put adds a span, or drops it.
func (q *queue) put(s span) {
	q.mu.Lock()
	full := len(q.spans) >= q.limit
	if !full {
		q.spans = append(q.spans, s)
	}
	n := len(q.spans)
	q.mu.Unlock()
	if full {
		q.drop(dropFull, 1)
	}
	if n >= min(spansAtOnce, q.limit) {
		select {
		case q.enough <- struct{}{}:
		default:
		}
	}
}

// take removes the spans of one request.
func (q *queue) take() []span {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.spans), spansAtOnce)
	batch := q.spans[:n:n]
	q.spans = q.spans[n:]
	if len(q.spans) == 0 {
		q.spans = nil // the batch has the memory now
	}
	return batch
}

func (q *queue) drop(why string, n int) { q.dropped.Counter(why).Add(uint64(n)) }
