package auth

import (
	"context"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Explanation is what the ACL says to a question, and who said what.
type Explanation struct {
	Code  mqtt.ReasonCode
	By    string // the provider that decided, or acl_nomatch, superuser, enable_acl
	Rule  Why    // nil: no rule of its own
	Asked []Asked
}

// Asked is one provider's part in an Explanation.
type Asked struct {
	By string
	Answer
	Err error // why there was no answer
}

// Explain asks the chain what it says to a request, as it would be asked for a
// client that is remembered nowhere: nothing is kept of the answer and no
// decision is counted, but calls of backends are made and counted. It waits for
// the backends, no longer than until their Timeouts are over or ctx ends.
func (c *Control) Explain(ctx context.Context, p *Policy, r *Request) (Explanation, error) {
	switch {
	case !p.EnableACL:
		return Explanation{By: "enable_acl"}, nil
	case r.Client.Superuser:
		return Explanation{By: "superuser"}, nil
	}
	chain := c.chains.Load()
	w := &walk{left: chain.authz, acl: true, r: r, trail: new([]Asked)}
	over := make(chan struct{})
	if w.atOnce() {
		close(over)
	} else {
		w.ask(func() { close(over) })
	}
	select {
	case <-over:
	case <-ctx.Done():
		return Explanation{}, ctx.Err()
	}
	if c.replaced(chain, w.err) {
		return c.Explain(ctx, p, r)
	}
	e := Explanation{Rule: w.Rule, Asked: *w.trail}
	e.Code, e.By = w.code(p)
	return e, nil
}
