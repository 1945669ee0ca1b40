package broker

import (
	"context"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// MayPublish asks whether the ACL lets a client publish to a topic, given
// without mountpoint. The code is Success, NotAuthorized, or another failure
// when the question can't be judged; decided is false if a backend has to be
// asked, by MayPublishLater. cache is the connection's.
//
// A message to $delayed/<seconds>/<topic> has to be allowed twice: under its
// full name, as in EMQ X 3 and 4, and under the topic that it gets to in the
// end. With the full name alone, a rule that denies a topic would not keep a
// client from publishing to it a second later.
func (br *Broker) MayPublish(z *Zone, who *hook.ClientInfo, cache *auth.Cache, name string) (code mqtt.ReasonCode, decided bool) {
	code, decided = br.Access.Authorize(&z.Policy, who, cache, auth.Publish, name)
	if !isDelayed(name) || decided && code.Failed() {
		return code, decided
	}
	final, differs := undelayed(who, name)
	if !differs {
		return code, decided
	}
	finalCode, finalDecided := br.Access.Authorize(&z.Policy, who, cache, auth.Publish, final)
	if finalDecided && finalCode.Failed() {
		return finalCode, true
	}
	return code, decided && finalDecided
}

// MayPublishLater is MayPublish for what can't be said at once. done is called
// once, on another goroutine, and must not block.
func (br *Broker) MayPublishLater(z *Zone, who *hook.ClientInfo, cache *auth.Cache, name string, done func(mqtt.ReasonCode)) {
	ask := func(name string, done func(mqtt.ReasonCode)) {
		r := &auth.Request{Client: who, Action: auth.Publish, Topic: name}
		br.Access.AuthorizeLater(&z.Policy, r, cache, done)
	}
	final, differs := undelayed(who, name)
	if !differs {
		ask(name, done)
		return
	}
	ask(name, func(code mqtt.ReasonCode) {
		if code.Failed() {
			done(code)
			return
		}
		ask(final, done)
	})
}

// ExplainACL says what the ACL answers to a client's PUBLISH or SUBSCRIBE, given
// as the client writes its topic or filter, and by whose rule. It waits for
// backends; see auth.Control.Explain.
func (br *Broker) ExplainACL(ctx context.Context, z *Zone, r *auth.Request) (auth.Explanation, error) {
	asked := *r
	if r.Action == auth.Subscribe {
		f, err := topic.Parse(r.Topic)
		if err != nil {
			return auth.Explanation{}, err
		}
		asked.Topic = f.Bare
	}
	e, err := br.Access.Explain(ctx, &z.Policy, &asked)
	final, differs := undelayed(r.Client, r.Topic)
	if err != nil || e.Code.Failed() || r.Action == auth.Subscribe || !differs {
		return e, err
	}
	asked.Topic = final
	again, err := br.Access.Explain(ctx, &z.Policy, &asked)
	again.Asked = append(e.Asked, again.Asked...)
	return again, err
}

// undelayed is the topic that a client's delayed message gets to in the end, be
// it delayed several times. What stands in the place of the seconds doesn't
// matter: whether it is a valid delay may be another answer a moment later.
func undelayed(who *hook.ClientInfo, name string) (final string, differs bool) {
	if who.Mountpoint != "" {
		return name, false // its topics don't begin with $delayed/
	}
	final = name
	for isDelayed(final) {
		_, rest, _ := strings.Cut(final[len(delayedPrefix):], "/")
		if rest == "" {
			break
		}
		final = rest
	}
	return final, final != name
}

// ACLCache is what backends have said about a client's topics, as its present
// connection remembers it; nil: there is no such connection, or it has asked
// none.
func (br *Broker) ACLCache(id string) *auth.Cache {
	c := br.clients.get(id)
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	return c.conn.ACLCache()
}
