package server

import (
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// authenticate asks who the client is, and goes on when that is known: now, or
// after a backend has been asked.
func (c *conn) authenticate(p *pass, k *mqtt.Connect, ask *hook.ConnInfo) {
	control, policy := c.listener.server.broker.Access, &c.listener.zone.Policy
	r := &auth.Request{Client: ask.Client, Password: k.Password}
	began := time.Now()
	if o, decided := control.Authenticate(policy, r); decided {
		c.authenticated(p, k, ask, &o)
		c.listener.server.count.connectAnswered(began)
		return
	}
	var o auth.Outcome
	s := c.suspend(1, func(p *pass) {
		c.authenticated(p, k, ask, &o)
		c.listener.server.count.connectAnswered(began)
	})
	control.AuthenticateLater(policy, r, func(answer auth.Outcome) {
		o = answer
		s.answered()
	})
}

// authenticated goes on with a CONNECT that was judged.
func (c *conn) authenticated(p *pass, k *mqtt.Connect, ask *hook.ConnInfo, o *auth.Outcome) {
	code, say := o.Code, "not authenticated"
	c.traceAuthenticated(ask.Client, o.By, o)
	if !code.Failed() {
		ask.Client.Anonymous = o.Anonymous
		code, say = grant(ask.Client, &o.Answer)
	}
	if code.Failed() {
		c.refuseConnect(ask, code, say)
		return
	}
	c.accept(p, k, ask, nil)
}

// grant gives a client what came with its credentials.
func grant(info *hook.ClientInfo, a *auth.Answer) (mqtt.ReasonCode, string) {
	info.Superuser, info.Rights, info.Expires = a.Superuser, a.Rights, 0
	if !a.Expires.IsZero() {
		info.Expires = max(a.Expires.UnixMilli(), 1)
	}
	if a.Mountpoint == "" {
		return mqtt.Success, ""
	}
	return mount(info, a.Mountpoint)
}
