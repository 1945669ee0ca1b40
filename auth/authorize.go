package auth

import (
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Authorize says whether a client may publish to a topic or subscribe to a
// filter, given without mountpoint and share prefix: Success, NotAuthorized, or
// QuotaExceeded if who decides can't be asked. If that can't be said at once, decided
// is false and AuthorizeLater has to be called. The topic is used during the
// call only. It doesn't allocate unless a provider does.
func (c *Control) Authorize(p *Policy, who *Client, cache *Cache, action Action, topic string) (code mqtt.ReasonCode, decided bool) {
	if !p.EnableACL || who.Superuser {
		return mqtt.Success, true
	}
	chain := c.chains.Load()
	if len(chain.authz) == 0 {
		c.count.checkACL.Inc()
		return c.judge(p, &result{}), true
	}
	if chain.backends && c.config.EnableACLCache {
		if allow, ok := cache.get(action, topic, c.since(c.config.ACLCacheTTL-c.Remember())); ok {
			return c.cached(allow), true
		}
	}
	c.count.checkACL.Inc()
	r := c.asking.Get().(*Request)
	*r = Request{Client: who, Action: action, Topic: topic}
	res, decided := c.decide(true, r)
	*r = Request{}
	c.asking.Put(r)
	if !decided {
		return 0, false
	}
	return c.judge(p, &res), true
}

// Remember is how long a connection may take an allowed publish as allowed
// again without asking, as long as Drained stays what it was: a publisher's next
// message goes to the same topic more often than not, and its connection is
// warmer than anything here. It is part of what acl_cache_ttl grants.
func (c *Control) Remember() time.Duration { return min(time.Second, c.config.ACLCacheTTL/2) }

// CountRemembered counts n publishes that were taken as allowed so.
func (c *Control) CountRemembered(n uint64) {
	c.count.aclHit.Add(n)
	c.count.aclAllow.Add(n)
}

// AuthorizeLater asks those who have to be waited for and keeps in the cache
// what they say. It calls done once, on another goroutine, which must not
// block; that is at the latest when the Timeouts of all backends in the chain are
// over. The request is the callee's until then.
func (c *Control) AuthorizeLater(p *Policy, r *Request, cache *Cache, done func(code mqtt.ReasonCode)) {
	asked := c.now()
	c.later(true, r, func(res result) {
		code := c.judge(p, &res)
		if res.lasting() && c.config.EnableACLCache {
			cache.put(cached{r.Topic, asked, r.Action, code == mqtt.Success}, c.config.ACLCacheMaxSize)
		}
		done(code)
	})
}

// judge makes a result a reason code, and counts it.
func (c *Control) judge(p *Policy, res *result) mqtt.ReasonCode {
	switch {
	case res.err != nil:
		c.count.aclDeny.Inc()
		return res.Code
	case res.by == nil:
		c.count.aclNobody.Inc()
		return c.allowed(p.ACLNomatch == "allow")
	}
	return c.allowed(res.Verdict == Allow)
}

func (c *Control) cached(allow bool) mqtt.ReasonCode {
	c.count.aclHit.Inc()
	return c.allowed(allow)
}

func (c *Control) allowed(allow bool) mqtt.ReasonCode {
	if allow {
		c.count.aclAllow.Inc()
		return mqtt.Success
	}
	c.count.aclDeny.Inc()
	return mqtt.NotAuthorized
}
