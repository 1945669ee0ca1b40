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
		return c.judge(p, &result{}, who, action, topic), true
	}
	if chain.backends && c.config.Load().EnableACLCache {
		if allow, ok := cache.get(action, topic, c.since(c.config.Load().ACLCacheTTL-c.Remember())); ok {
			return c.cached(allow, who, action, topic), true
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
	return c.judge(p, &res, who, action, topic), true
}

// Remember is how long a connection may take an allowed publish as allowed
// again without asking, as long as Drained stays what it was: a publisher's next
// message goes to the same topic more often than not, and its connection is
// warmer than anything here. It is part of what acl_cache_ttl grants.
func (c *Control) Remember() time.Duration { return min(time.Second, c.config.Load().ACLCacheTTL/2) }

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
		code := c.judge(p, &res, r.Client, r.Action, r.Topic)
		if res.lasting() && c.config.Load().EnableACLCache {
			cache.put(cached{r.Topic, asked, r.Action, code == mqtt.Success}, c.config.Load().ACLCacheMaxSize)
		}
		done(code)
	})
}

// judge makes a result a reason code, counts it and tells of it.
func (c *Control) judge(p *Policy, res *result, who *Client, action Action, topic string) mqtt.ReasonCode {
	code, by := res.code(p)
	switch {
	case res.err != nil:
		c.count.aclDeny.Inc()
	case res.by == nil:
		c.count.aclNobody.Inc()
		fallthrough
	default:
		c.countAllowed(code == mqtt.Success)
	}
	if tell := c.watcher.Load(); tell != nil {
		(*tell)(&Decision{who, action, topic, code, by, res.Rule, res.err})
	}
	return code
}

// code is what a result means to the client, and who decided.
func (res *result) code(p *Policy) (code mqtt.ReasonCode, by string) {
	allow := res.Verdict == Allow
	switch {
	case res.err != nil:
		return res.Code, res.by.Name
	case res.by == nil:
		allow, by = p.ACLNomatch == "allow", "acl_nomatch"
	default:
		by = res.by.Name
	}
	if allow {
		return mqtt.Success, by
	}
	return mqtt.NotAuthorized, by
}

func (c *Control) cached(allow bool, who *Client, action Action, topic string) mqtt.ReasonCode {
	c.count.aclHit.Inc()
	c.countAllowed(allow)
	code := mqtt.NotAuthorized
	if allow {
		code = mqtt.Success
	}
	if tell := c.watcher.Load(); tell != nil {
		(*tell)(&Decision{Client: who, Action: action, Topic: topic, Code: code, By: "cache"})
	}
	return code
}

func (c *Control) countAllowed(allow bool) {
	if allow {
		c.count.aclAllow.Inc()
	} else {
		c.count.aclDeny.Inc()
	}
}

// Decision is an answer of the ACL, valid during the call.
type Decision struct {
	Client *Client
	Action Action
	Topic  string
	Code   mqtt.ReasonCode
	By     string // the provider, cache or acl_nomatch
	Rule   Why    // nil: unknown, or none
	Err    error  // why there was no answer
}

// Watch has f called with every answer of Authorize and AuthorizeLater, in the
// goroutine that gets it; f must not block. It takes the place of an earlier one;
// nil: nobody is told.
func (c *Control) Watch(f func(*Decision)) {
	if f == nil {
		c.watcher.Store(nil)
		return
	}
	c.watcher.Store(&f)
}
