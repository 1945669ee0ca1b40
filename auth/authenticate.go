package auth

import "github.com/dunlin-mq/dunlin/mqtt"

// Outcome is what became of a CONNECT.
type Outcome struct {
	Code      mqtt.ReasonCode // Success: the client is let in
	Anonymous bool            // by allow_anonymous; no provider vouched for it
	Answer                    // of the provider that let it in; else zero but for its Verdict
	By        string          // the name of the provider that decided; empty: none did
}

// Authenticate says who a client is, as far as that can be said at once. If
// not, decided is false and AuthenticateLater has to be called with the same
// arguments. The caller puts what the Outcome adds into the Client.
func (c *Control) Authenticate(p *Policy, r *Request) (o Outcome, decided bool) {
	c.count.authenticate.Inc()
	quick := p.AllowAnonymous == AnonymousQuickDeny && r.Client.Username == ""
	if quick || p.BypassPlugins {
		return c.outcome(p, r, result{}), true
	}
	res, decided := c.decide(false, r)
	if !decided {
		return Outcome{}, false
	}
	return c.outcome(p, r, res), true
}

// AuthenticateLater asks those who have to be waited for. It calls done once,
// on another goroutine, which must not block; that is at the latest when the
// Timeouts of all backends in the chain are over. The request is the callee's until then.
func (c *Control) AuthenticateLater(p *Policy, r *Request, done func(Outcome)) {
	c.later(false, r, func(res result) { done(c.outcome(p, r, res)) })
}

// outcome completes and counts a decision.
func (c *Control) outcome(p *Policy, r *Request, res result) Outcome {
	o := Outcome{Code: mqtt.NotAuthorized}
	shut := c.isShutOut(r.Client)
	switch {
	case shut: // since it was admitted: who guesses a thousand times at once learns no more than who does it in turn
		o.Code = mqtt.ConnectionRateExceeded
	case res.by == nil:
		if o.Anonymous = p.AllowAnonymous == AnonymousAllowed; o.Anonymous {
			o.Code = mqtt.Success
		}
	case res.Verdict == Allow:
		o.Code, o.Answer, o.By = mqtt.Success, res.Answer, res.by.Name
	default:
		o.Verdict, o.By = Deny, res.by.Name
		if res.Code.Failed() {
			o.Code = res.Code
		}
	}
	c.countOutcome(r.Client, o.Code, o.Anonymous, shut || res.err != nil || res.by == nil && res.missed)
	return o
}

// CountExchange counts the end of an Exchange like the outcome of a CONNECT:
// client.authenticate and so on, and auth_failures_limit. It returns what is to
// be told: code, or ConnectionRateExceeded if the client's address has been shut
// out meanwhile.
func (c *Control) CountExchange(who *Client, code mqtt.ReasonCode) mqtt.ReasonCode {
	c.count.authenticate.Inc()
	shut := c.isShutOut(who)
	if shut {
		code = mqtt.ConnectionRateExceeded
	}
	c.countOutcome(who, code, false, shut)
	return code
}

func (c *Control) countOutcome(who *Client, code mqtt.ReasonCode, anonymous, notAsked bool) {
	switch {
	case code.Failed():
		c.count.authFail.Inc()
		if !notAsked && code != mqtt.ServerUnavailable && code != mqtt.ServerBusy { // what it offered was refused
			c.gates.failed(c.now(), who, c.config.Load().Failures)
		}
		return
	case anonymous:
		c.count.authAnonymous.Inc()
	}
	c.count.authSuccess.Inc()
}
