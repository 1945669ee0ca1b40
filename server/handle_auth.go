package server

import (
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// authExchange is an enhanced authentication, under way or done, MQTT 5 clause
// 4.12. The method is fixed by CONNECT [MQTT-4.12.0-5]; it takes the place of
// the authenticators that CONNECT's password is for.
type authExchange struct {
	method    string
	mechanism auth.Mechanism
	run       auth.Exchange // nil: none is under way, so the client sends no AUTH of its step
	user      string        // whom it has proved the client to be

	connect *mqtt.Connect // nil once the connection is accepted
	ask     *hook.ConnInfo
}

// beginExchange starts the authentication that a CONNECT with a method asks
// for.
func (c *conn) beginExchange(p *pass, k *mqtt.Connect, ask *hook.ConnInfo) {
	x := &authExchange{method: k.Props.AuthMethod, connect: k, ask: ask}
	x.mechanism = c.listener.server.broker.Access.Mechanism(x.method)
	if x.mechanism == nil {
		c.refuseConnect(ask, mqtt.BadAuthenticationMethod, "the authentication method is not known here")
		return
	}
	c.rights().exchange = x
	x.run = x.mechanism.Begin(ask.Client)
	c.stepExchange(p, k.Props.AuthData)
}

// handleAuth takes the next step of an exchange, or begins it anew on an
// accepted connection [MQTT-4.12.1-1].
func (c *conn) handleAuth(p *pass, k *mqtt.Auth) {
	x := c.exchange()
	switch {
	case x == nil: // [MQTT-4.12.0-6]
		c.fail(mqtt.ProtocolError, "protocol_error", "AUTH, and CONNECT named no authentication method")
	case !k.Props.Has(mqtt.PropAuthMethod) || k.Props.AuthMethod != x.method:
		c.failAuth(mqtt.BadAuthenticationMethod, "AUTH with another method than CONNECT")
	case k.Code == mqtt.ContinueAuthentication && x.run != nil:
		c.stepExchange(p, k.Props.AuthData)
	case k.Code == mqtt.ReAuthenticate && x.run == nil && c.client != nil:
		x.run = x.mechanism.Begin(c.info)
		c.stepExchange(p, k.Props.AuthData)
	default:
		c.fail(mqtt.ProtocolError, "protocol_error", "AUTH with a reason code that isn't expected now")
	}
}

func (c *conn) stepExchange(p *pass, data []byte) {
	x := c.exchange()
	reply, code := c.step(x.run, data)
	props := &mqtt.Properties{Present: mqtt.PropAuthMethod, AuthMethod: x.method}
	if reply != nil {
		props.Present |= mqtt.PropAuthData
		props.AuthData = reply
	}
	say := "enhanced authentication failed"
	switch {
	case code == mqtt.ContinueAuthentication:
		c.send(p, &mqtt.Auth{Code: code, Props: props})
		return
	case code.Failed():
	case c.client == nil:
		code, say = c.proved(x)
	default:
		code, say = c.provedAgain(p, x)
	}
	x.run = nil
	code = c.listener.server.broker.Access.CountExchange(c.info, code)
	c.traceAuthenticated(c.info, x.method, &auth.Outcome{Code: code})
	switch {
	case code.Failed():
		c.failAuth(code, say)
	case c.client == nil:
		k, ask := x.connect, x.ask
		x.connect, x.ask = nil, nil
		c.accept(p, k, ask, props)
	default:
		c.send(p, &mqtt.Auth{Code: mqtt.Success, Props: props})
	}
}

// step takes one step of a mechanism, which handles what strangers send: if it
// panics, that is this client's end and nobody else's.
func (c *conn) step(run auth.Exchange, data []byte) (reply []byte, code mqtt.ReasonCode) {
	defer func() {
		if r := recover(); r != nil {
			c.listener.server.log.Error("an authentication mechanism panicked", "method", c.exchange().method, "panic", fmt.Sprint(r))
			reply, code = nil, mqtt.NotAuthorized
		}
	}()
	return run.Step(data)
}

// proved completes the identity of a client whose exchange has succeeded. The
// name that it proved is the client's, which must not have given another one.
func (c *conn) proved(x *authExchange) (mqtt.ReasonCode, string) {
	a, name := x.run.Answer()
	info := x.ask.Client
	if info.Username != "" && info.Username != name {
		return mqtt.NotAuthorized, "the user name of CONNECT is not the one that was proved"
	}
	info.Username, x.user = name, name
	if c.listener.zone.EnableBan && c.listener.server.broker.Access.Bans().Banned(info, time.Now()) {
		return mqtt.Banned, "the user is banned" // whose name nobody knew when the client was admitted
	}
	if a.Mountpoint == "" {
		a.Mountpoint = c.listener.zone.Mountpoint // once more: it may hold the name
	}
	return grant(info, &a)
}

// provedAgain gives a connected client what its new exchange has found out.
// Its name and its mountpoint stay what they are [MQTT-4.12.1-1].
func (c *conn) provedAgain(p *pass, x *authExchange) (mqtt.ReasonCode, string) {
	a, name := x.run.Answer()
	if name != x.user {
		return mqtt.NotAuthorized, "the client authenticated again, as another user"
	}
	info := *c.info
	a.Mountpoint = ""
	if code, say := grant(&info, &a); code.Failed() {
		return code, say
	}
	c.mu.Lock()
	c.info = &info
	c.wake(info.Expires)
	c.mu.Unlock()
	c.allowed = 0 // by the rights of before
	c.client.Renew(p.batch, c, &info)
	c.access.cache.Drain()
	return mqtt.Success, ""
}

// failAuth ends the connection with CONNACK or DISCONNECT, whichever it is
// time for [MQTT-4.12.0-1, MQTT-4.12.1-2]. DISCONNECT has fewer codes: that of
// a bad method, for one, is none of its own [MQTT-3.14.2-1].
func (c *conn) failAuth(code mqtt.ReasonCode, say string) {
	if c.client == nil {
		c.refuseConnect(c.exchange().ask, code, say)
		return
	}
	c.fail(mqtt.NotAuthorized, code.String(), say)
}
