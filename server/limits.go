package server

import (
	"sync"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// limits are the rates that hold for one connection. What is over a rate isn't
// dropped: the connection stops reading until the bucket has filled again, and
// TCP holds the client back. A quota is different: it refuses.
type limits struct {
	bytesIn    bucket // listener rate_limit
	zoneBytes  bucket // zone rate_limit.conn_bytes_in
	messagesIn bucket // zone rate_limit.conn_messages_in
	publishes  bucket // zone publish_limit
	routing    bucket // zone quota.conn_messages_routing

	own ownRates // fixed
}

// newLimits is nil if nothing is limited. What is the connection's own takes
// the place of what the listener and its zone have of that kind; the quota that
// connections share stays.
func newLimits(l *terms, own ownRates) *limits {
	z := l.zone
	m := limits{
		bytesIn: newBucket(l.cfg.RateLimit), zoneBytes: newBucket(z.BytesIn),
		messagesIn: newBucket(z.MessagesIn), publishes: newBucket(z.PublishLimit), routing: newBucket(z.ConnRouting), own: own,
	}
	if !own.bytesIn.IsZero() {
		m.bytesIn, m.zoneBytes = newBucket(own.bytesIn), bucket{}
	}
	if !own.messagesIn.IsZero() {
		m.messagesIn, m.publishes = newBucket(own.messagesIn), bucket{}
	}
	if !own.routing.IsZero() {
		m.routing = newBucket(own.routing)
	}
	if m == (limits{}) && l.routing == nil {
		return nil
	}
	return &m
}

// bytes takes n bytes that were read out of the buckets.
func (m *limits) bytes(c *conn, p *pass, n int) {
	now := p.batch.Now()
	c.holdUntil(m, max(m.bytesIn.take(int64(n), now), m.zoneBytes.take(int64(n), now)))
}

// message takes one PUBLISH out of the buckets.
func (m *limits) message(c *conn, p *pass) {
	now := p.batch.Now()
	c.holdUntil(m, max(m.messagesIn.take(1, now), m.publishes.take(1, now)))
}

// withinQuota reports whether the client and its zone may cause deliveries
// now; if not, the PUBLISH is refused.
func (c *conn) withinQuota(p *pass, m *limits, k *mqtt.Publish) bool {
	now := p.batch.Now()
	if m.routing.has(now) && c.listener.routing.has(now) {
		return true
	}
	c.listener.server.count.publishDropped.Inc()
	c.refused(p, k, broker.QuotaExceeded)
	c.acknowledge(p, k, mqtt.QuotaExceeded)
	return false
}

// routed takes a PUBLISH and the n deliveries it caused out of the quotas.
func (m *limits) routed(c *conn, p *pass, n int) {
	now := p.batch.Now()
	m.routing.take(int64(n)+1, now)
	c.listener.routing.take(int64(n)+1, now)
}

// holdUntil stops the input until a time, Unix milliseconds; 0: it goes on. So
// it does when others took the place of the limits that want to stop it.
func (c *conn) holdUntil(m *limits, at int64) {
	if at == 0 {
		return
	}
	c.hold(heldByRate)
	c.mu.Lock()
	inForce := c.limits.Load() == m
	if inForce {
		c.resume = max(c.resume, at)
		c.wake(c.resume)
	}
	c.mu.Unlock()
	if !inForce {
		c.release(heldByRate)
	}
}

// bucket is a token bucket that may go into debt; the zero bucket has no
// limit. What it is asked for it always gives, and says when the debt is paid.
type bucket struct {
	perMilli float64 // tokens that come in a millisecond
	size     float64
	tokens   float64
	at       int64 // when tokens was true
}

// sharedBucket is a bucket for all connections of a zone; nil has no limit.
type sharedBucket struct {
	mu sync.Mutex
	bucket
}

func (k *sharedBucket) has(now int64) bool {
	if k == nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bucket.has(now)
}

func (k *sharedBucket) take(n, now int64) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bucket.take(n, now)
}

func newBucket(r config.Rate) bucket {
	if r.Limit <= 0 {
		return bucket{}
	}
	perMilli := float64(r.Limit) / (float64(r.Window.Milliseconds()))
	return bucket{perMilli, float64(r.Burst), float64(r.Burst), broker.Now()}
}

// take gives n tokens; at is when the bucket is out of debt, 0 if it is.
func (k *bucket) take(n, now int64) (at int64) {
	if k.perMilli == 0 {
		return 0
	}
	k.fill(now)
	k.tokens -= float64(n)
	if k.tokens >= 0 {
		return 0
	}
	return now + int64(-k.tokens/k.perMilli) + 1
}

// has reports whether there is a token at all.
func (k *bucket) has(now int64) bool {
	if k.perMilli == 0 {
		return true
	}
	k.fill(now)
	return k.tokens > 0
}

func (k *bucket) fill(now int64) {
	k.tokens = min(k.size, k.tokens+float64(now-k.at)*k.perMilli)
	k.at = now
}
