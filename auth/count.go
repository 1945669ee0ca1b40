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
	refusedUnlisted                       *metrics.Counter
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

		refusedUnlisted: r.Counter("auth.refused.unlisted", "CONNECTs of clients that clientid_allow_list doesn't hold"),
		refusedFailed:   r.Counter("auth.refused.failures", "CONNECTs from addresses above auth_failures_limit"),
		flapped:         r.Counter("auth.flapping", "clients found to connect too often"),
	}
}

// providerCounters are those of all providers of one name. They outlive them,
// since a name can be registered only once; there are those only that something
// can be counted by.
type providerCounters struct {
	failed       *metrics.Counter
	authn, authz *verdictCounters
	backend      *backendCounters
}

type verdictCounters struct{ allow, deny, ignore *metrics.Counter }

type backendCounters struct {
	timeout, refused *metrics.Counter
	shared, cached   *metrics.Counter
	waiting, stuck   *metrics.Gauge
	calls            *metrics.Histogram
}

// callTimes are the bounds of calls, in microseconds: from a cache beside the
// broker to what no timeout allows.
func callTimes() []int64 {
	return []int64{100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000}
}

// need has what is missing for a provider registered.
func (n *providerCounters) need(r *metrics.Registry, p *Provider) {
	who := p.Name
	auth, acl := "auth."+metricName(who), "acl."+metricName(who)
	if n.failed == nil {
		n.failed = r.Counter(auth+".error", "questions to "+who+" that failed, timeouts included")
	}
	if n.authn == nil && p.Authenticator != nil {
		n.authn = &verdictCounters{
			r.Counter(auth+".success", "clients that "+who+" let in"),
			r.Counter(auth+".failure", "clients that "+who+" kept out"),
			r.Counter(auth+".ignore", "clients that "+who+" left to the next"),
		}
	}
	if n.authz == nil && p.Authorizer != nil {
		n.authz = &verdictCounters{
			r.Counter(acl+".allow", "publishes and subscriptions that "+who+" allowed"),
			r.Counter(acl+".deny", "publishes and subscriptions that "+who+" denied"),
			r.Counter(acl+".ignore", "publishes and subscriptions that "+who+" left to the next"),
		}
	}
	if n.backend == nil && p.Backend != nil {
		n.backend = &backendCounters{
			timeout: r.Counter(auth+".timeout", "questions that "+who+" didn't answer in time"),
			refused: r.Counter(auth+".refused", "questions not put to "+who+", as too many waited or it was down"),
			shared:  r.Counter(auth+".shared", "questions answered together with an identical one under way"),
			cached:  r.Counter(auth+".cached", "questions answered as "+who+" had answered shortly before"),
			waiting: r.Gauge(auth+".waiting", "questions that wait for their turn with "+who),
			stuck:   r.Gauge(auth+".stuck", "calls of "+who+" that go on after their time"),
			calls:   r.Histogram(auth+".calls", "calls of "+who+" that have ended, by the microseconds they took", callTimes()),
		}
	}
}

// verdict counts an answer.
func (n *providerCounters) verdict(acl bool, v Verdict) {
	of := n.authn
	if acl {
		of = n.authz
	}
	switch v {
	case Allow:
		of.allow.Inc()
	case Deny:
		of.deny.Inc()
	default:
		of.ignore.Inc()
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
