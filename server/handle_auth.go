package server

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// authExchange is an enhanced authentication, under way or done, MQTT 5 clause
// 4.12. The method is fixed by CONNECT [MQTT-4.12.0-5].
type authExchange struct {
	step    hook.ClientEnhancedAuthenticate
	connect *mqtt.Connect // nil once the connection is accepted
	ask     *hook.ConnInfo
	open    bool // the client's next AUTH is expected
}

// beginExchange starts the authentication that a CONNECT with a method asks
// for.
func (c *conn) beginExchange(p *pass, k *mqtt.Connect, ask *hook.ConnInfo) {
	c.exchange = &authExchange{connect: k, ask: ask}
	c.exchange.step.Client = ask.Client
	c.exchange.step.Method = k.Props.AuthMethod
	c.stepExchange(p, k.Props.AuthData)
}

// handleAuth takes the next step of an exchange, or begins it anew on an
// accepted connection [MQTT-4.12.1-1].
func (c *conn) handleAuth(p *pass, k *mqtt.Auth) {
	x := c.exchange
	switch {
	case x == nil: // [MQTT-4.12.0-6]
		c.fail(mqtt.ProtocolError, "protocol_error", "AUTH, and CONNECT named no authentication method")
	case !k.Props.Has(mqtt.PropAuthMethod) || k.Props.AuthMethod != x.step.Method:
		c.failAuth(mqtt.BadAuthenticationMethod, "AUTH with another method than CONNECT")
	case k.Code == mqtt.ContinueAuthentication && x.open,
		k.Code == mqtt.ReAuthenticate && !x.open && c.client != nil:
		if !x.open {
			x.step.State = nil
		}
		c.stepExchange(p, k.Props.AuthData)
	default:
		c.fail(mqtt.ProtocolError, "protocol_error", "AUTH with a reason code that isn't expected now")
	}
}

func (c *conn) stepExchange(p *pass, data []byte) {
	x := c.exchange
	x.step.Data, x.step.Reply, x.step.Result = data, nil, mqtt.BadAuthenticationMethod
	if h := &c.listener.server.hooks.ClientEnhancedAuthenticate; !h.Empty() {
		h.Run(&x.step)
	}
	x.open = x.step.Result == mqtt.ContinueAuthentication
	switch {
	case x.step.Result.Failed():
		c.failAuth(x.step.Result, "enhanced authentication failed")
	case x.open || x.connect == nil:
		c.send(p, &mqtt.Auth{Code: x.step.Result, Props: authProps(&x.step)})
	default:
		k := x.connect
		x.connect = nil
		x.ask.Client.Anonymous = false
		c.accept(p, k, x.ask, &x.step)
	}
}

// failAuth ends the connection with CONNACK or DISCONNECT, whichever it is
// time for [MQTT-4.12.0-1].
func (c *conn) failAuth(code mqtt.ReasonCode, say string) {
	if c.client == nil {
		c.refuseConnect(c.exchange.ask, code, say)
		return
	}
	c.fail(code, code.String(), say)
}

func authProps(step *hook.ClientEnhancedAuthenticate) *mqtt.Properties {
	props := &mqtt.Properties{Present: mqtt.PropAuthMethod, AuthMethod: step.Method}
	if step.Reply != nil {
		props.Present |= mqtt.PropAuthData
		props.AuthData = step.Reply
	}
	return props
}
