package auth

import (
	"strings"

	"github.com/dunlin-mq/dunlin/metrics"
)

// counters are what the chains count together, under EMQ X's names.
type counters struct {
	authenticate                          *metrics.Counter
	authSuccess, authAnonymous, authFail  *metrics.Counter
	checkACL                              *metrics.Counter
	aclAllow, aclDeny, aclHit, aclNobody  *metrics.Counter
	refusedBanned, refusedFailed, flapped *metrics.Counter
}

func newCounters(r *metrics.Registry) counters {
	return counters{
		authenticate:  r.Counter("client.authenticate", "questions who a client is"),
		authSuccess:   r.Counter("client.auth.success", "clients let in"),
		authAnonymous: r.Counter("client.auth.success.anonymous", "clients let in by allow_anonymous"),
		authFail:      r.Counter("client.auth.failure", "clients kept out"),
		checkACL:      r.Counter("client.check_acl", "questions asked of the ACL"),
		aclAllow:      r.Counter("client.acl.allow", "publishes and subscriptions that the ACL allowed"),
		aclDeny:       r.Counter("client.acl.deny", "publishes and subscriptions that the ACL denied"),
		aclHit:        r.Counter("client.acl.cache_hit", "questions that a client's ACL cache answered"),
		aclNobody:     r.Counter("client.acl.ignore", "questions that acl_nomatch answered, as no rule did"),
		refusedBanned: r.Counter("auth.refused.banned", "CONNECTs of banned clients"),
		refusedFailed: r.Counter("auth.refused.failures", "CONNECTs from addresses above auth_failures_limit"),
		flapped:       r.Counter("auth.flapping", "clients found to connect too often"),
	}
}

// providerCounters are one provider's; they outlive it, since a name can be
// registered once only.
type providerCounters struct {
	success, failure, ignore *metrics.Counter // of the authenticator
	allow, deny, pass        *metrics.Counter // of the authorizer
	failed, timeout          *metrics.Counter
	refused, shared, cached  *metrics.Counter
	waiting, stuck           *metrics.Gauge
}

func newProviderCounters(r *metrics.Registry, name string) *providerCounters {
	name = metricName(name)
	return &providerCounters{
		success: r.Counter("auth."+name+".success", "clients that "+name+" let in"),
		failure: r.Counter("auth."+name+".failure", "clients that "+name+" kept out"),
		ignore:  r.Counter("auth."+name+".ignore", "clients that "+name+" left to the next"),
		allow:   r.Counter("acl."+name+".allow", "publishes and subscriptions that "+name+" allowed"),
		deny:    r.Counter("acl."+name+".deny", "publishes and subscriptions that "+name+" denied"),
		pass:    r.Counter("acl."+name+".ignore", "publishes and subscriptions that "+name+" left to the next"),
		failed:  r.Counter("auth."+name+".error", "questions to "+name+" that failed, timeouts included"),
		timeout: r.Counter("auth."+name+".timeout", "questions that "+name+" didn't answer in time"),
		refused: r.Counter("auth."+name+".refused", "questions not put to "+name+", as too many waited or it was down"),
		shared:  r.Counter("auth."+name+".shared", "questions answered together with an identical one under way"),
		cached:  r.Counter("auth."+name+".cached", "questions answered as "+name+" had answered shortly before"),
		waiting: r.Gauge("auth."+name+".waiting", "questions that wait for their turn with "+name),
		stuck:   r.Gauge("auth."+name+".stuck", "calls of "+name+" that go on after their time"),
	}
}

// verdict counts an answer.
func (n *providerCounters) verdict(acl bool, v Verdict) {
	switch {
	case acl && v == Allow:
		n.allow.Inc()
	case acl && v == Deny:
		n.deny.Inc()
	case acl:
		n.pass.Inc()
	case v == Allow:
		n.success.Inc()
	case v == Deny:
		n.failure.Inc()
	default:
		n.ignore.Inc()
	}
}

// metricName is a provider's name with nothing a metric can't hold.
func metricName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}
