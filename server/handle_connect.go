package server

import (
	"crypto/rand"
	"math"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
	"github.com/dunlin-mq/dunlin/trace"
)

// maxConnect is the largest remaining length before CONNECT is accepted: room
// for every field of a CONNECT and a fair number of user properties. Strangers
// shall not fill more memory than that.
const maxConnect = 512 << 10

// handleConnect takes a CONNECT through its checks to a session, in this
// order: hook client.connect, the packet's own fields, bans, authentication,
// the session, CONNACK. Whatever fails is answered with a CONNACK of its code.
func (c *conn) handleConnect(p *pass, k *mqtt.Connect) {
	if c.exchange() != nil { // a CONNECT in the middle of its authentication
		c.fail(mqtt.ProtocolError, "proto_unexpected_c", "a second CONNECT on one connection")
		return
	}
	ask := c.ask(k)
	code, say := c.enrich(k, ask)
	c.traceConnect(k)
	if !code.Failed() {
		code, say = c.listener.server.broker.Access.Admit(&c.listener.zone.Policy, ask.Client), "not admitted"
	}
	switch {
	case code.Failed():
		c.refuseConnect(ask, code, say)
	case k.Props.Has(mqtt.PropAuthMethod):
		c.beginExchange(p, k, ask)
	default:
		c.authenticate(p, k, ask)
	}
}

// ask is what the CONNECT asks for, as the hooks see it.
func (c *conn) ask(k *mqtt.Connect) *hook.ConnInfo {
	info := c.info
	info.ClientID, info.Version, info.Bridge = k.ClientID, k.Version, k.Bridge
	if k.Username != nil {
		info.Username = *k.Username
	}
	ask := &hook.ConnInfo{
		Client: info, CleanStart: k.CleanStart, KeepAlive: k.KeepAlive, ReceiveMaximum: math.MaxUint16, Props: k.Props,
	}
	return ask
}

// enrich completes the client's identity and checks what it asked for.
func (c *conn) enrich(k *mqtt.Connect, ask *hook.ConnInfo) (mqtt.ReasonCode, string) {
	z, info := c.listener.zone, ask.Client
	c.mu.Lock()
	c.version = k.Version
	if k.Props.Has(mqtt.PropMaximumPacketSize) {
		c.maxOut = k.Props.MaximumPacketSize
	}
	c.problem = k.Version == mqtt.V5 && (!k.Props.Has(mqtt.PropRequestProblemInfo) || k.Props.RequestProblemInfo == 1)
	c.mu.Unlock()

	s := c.listener.server
	if s.most.Load() > 0 && s.open.Load() > s.most.Load() {
		return mqtt.QuotaExceeded, "node.max_clients are connected"
	}
	if e := s.refuses(); e != nil {
		return e.code(), "the node is being evacuated"
	}
	e := hook.ClientConnect{Conn: ask}
	c.listener.server.broker.OnConnect(&e)
	if e.Refuse.Failed() {
		return e.Refuse, "refused by a hook"
	}
	c.listener.nameByCert(c, info)
	if z.UsernameAsClientID {
		info.ClientID = info.Username
	}
	if code, say := c.checkClientID(k, info); code.Failed() {
		return code, say
	}
	if code, say := mount(info, z.Mountpoint); code.Failed() {
		return code, say
	}
	if ask.Props.Has(mqtt.PropReceiveMaximum) {
		ask.ReceiveMaximum = ask.Props.ReceiveMaximum
	}
	if k.Version == mqtt.V5 && z.ServerKeepalive > 0 {
		ask.KeepAlive = z.ServerKeepalive
	}
	switch {
	case k.Version == mqtt.V5 && ask.Props.Has(mqtt.PropSessionExpiry):
		ask.ExpiryInterval = ask.Props.SessionExpiry
	case k.Version < mqtt.V5 && !k.CleanStart:
		ask.ExpiryInterval = uint32(z.SessionExpiryInterval.Seconds())
	}
	return c.checkWill(k.Will)
}

func (c *conn) checkClientID(k *mqtt.Connect, info *hook.ClientInfo) (mqtt.ReasonCode, string) {
	z := c.listener.zone
	switch {
	case info.ClientID == "" && z.UsernameAsClientID:
		return mqtt.ClientIdentifierNotValid, "use_username_as_clientid is on and there is no user name"
	case info.ClientID == "" && k.Version == mqtt.V31:
		return mqtt.ClientIdentifierNotValid, "MQTT 3.1 needs a client identifier"
	case info.ClientID == "" && !k.CleanStart: // [MQTT-3.1.3-8@311]
		return mqtt.ClientIdentifierNotValid, "a session that is to be kept needs a client identifier"
	case info.ClientID == "": // [MQTT-3.1.3-6]
		info.ClientID = "dunlin_" + rand.Text()
	case len(info.ClientID) > z.MaxClientIDLen:
		return mqtt.ClientIdentifierNotValid, "the client identifier is longer than max_clientid_len"
	}
	return mqtt.Success, ""
}

func (c *conn) checkWill(w *mqtt.Will) (mqtt.ReasonCode, string) {
	z := c.listener.zone
	switch {
	case w == nil:
	case w.Retain && !z.RetainAvailable: // [MQTT-3.2.2-13]
		return mqtt.RetainNotSupported, "the will is to be retained, and retain_available is false"
	case byte(w.QoS) > z.MaxQoSAllowed: // [MQTT-3.2.2-12]
		return mqtt.QoSNotSupported, "the will's QoS is above max_qos_allowed"
	case topic.ValidName(w.Topic) != nil:
		return mqtt.TopicNameInvalid, "the will's topic is no topic name"
	case w.Props.Has(mqtt.PropResponseTopic) && topic.ValidName(w.Props.ResponseTopic) != nil:
		return mqtt.ProtocolError, "the will's response topic is no topic name"
	}
	return mqtt.Success, ""
}

// mount puts a client below a mountpoint, %c and %u filled in. One that begins
// with a name must not begin with $: below $delayed/ messages go to topics
// without a mountpoint, and below $exclusive/ retained ones come from there.
func mount(info *hook.ClientInfo, text string) (mqtt.ReasonCode, string) {
	named := strings.HasPrefix(text, "%")
	if strings.Contains(text, "%") {
		text = strings.ReplaceAll(text, "%c", info.ClientID)
		text = strings.ReplaceAll(text, "%u", info.Username)
	}
	if strings.ContainsAny(text, "+#") {
		return mqtt.ClientIdentifierNotValid, "the mountpoint, or a name that is part of it, holds + or #, which would reach into others' topics"
	}
	if named && strings.HasPrefix(text, "$") {
		return mqtt.ClientIdentifierNotValid, "the mountpoint begins with the client's name, and that with $, which has a meaning there"
	}
	info.Mountpoint = text
	return mqtt.Success, ""
}

// accept opens the session and answers the CONNECT; proof is the end of an
// enhanced authentication, if there was one.
func (c *conn) accept(p *pass, k *mqtt.Connect, ask *hook.ConnInfo, proof *mqtt.Properties) {
	z, s := c.listener.zone, c.listener.server
	s.broker.Access.Accepted(&z.Policy, ask.Client)
	o := &broker.Opening{Conn: c, Zone: z, Ask: ask, Will: c.will(p, k.Will, ask.Client), Durable: z.SessionDurability == "durable"}
	o.Accept = func(client *broker.Client, present bool) {
		c.client = client
		if client.Durable() {
			c.hold(heldByRecord)
		}
		c.settle(ask)
		c.connack(p, ask, present, connackProps(z, k, ask, proof))
		if z.EnableBan && s.broker.Access.Bans().Evicted(ask.Client, time.Now()) { // since it was admitted
			c.End(broker.Ending{Code: mqtt.AdministrativeAction, Word: "kicked"})
		}
	}
	c.open(p, o)
}

// settle makes what was agreed on the connection's rules.
func (c *conn) settle(ask *hook.ConnInfo) {
	z := c.listener.zone
	c.stream.MaxPacketSize = uint32(z.MaxPacketSize)
	c.lastRead.Store(broker.Now())
	c.accepted.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = c.client
	c.wake(c.info.Expires)
	if ask.Props.Has(mqtt.PropTopicAliasMaximum) {
		c.unsent.max = min(ask.Props.TopicAliasMaximum, maxAliases)
	}
	c.keepAlive(ask.KeepAlive)
}

// will is the CONNECT's will as the session keeps it, mounted.
func (c *conn) will(p *pass, w *mqtt.Will, info *hook.ClientInfo) *session.Will {
	if w == nil {
		return nil
	}
	out := &session.Will{}
	if w.Props.Has(mqtt.PropWillDelay) {
		out.Delay = w.Props.WillDelay
	}
	m := &mqtt.Message{}
	m.SetPublish(&mqtt.Publish{Topic: info.Mountpoint + w.Topic, QoS: w.QoS, Retain: w.Retain, Payload: w.Payload, Props: w.Props}, p.batch.Now())
	m.From, m.Username = info.ClientID, info.Username
	m.SetPeer(info.Peer)
	out.Msg = m.Keep()
	return out
}

// connack sends the CONNACK of an accepted connection.
func (c *conn) connack(p *pass, ask *hook.ConnInfo, present bool, props *mqtt.Properties) {
	c.send(p, &mqtt.Connack{SessionPresent: present, Props: c.hookConnack(ask, mqtt.Success, props)})
}

func (c *conn) hookConnack(ask *hook.ConnInfo, code mqtt.ReasonCode, props *mqtt.Properties) *mqtt.Properties {
	e := hook.ClientConnack{Conn: ask, Code: code, Props: props}
	c.listener.server.broker.OnConnack(&e)
	return e.Props
}

// connackProps announces to a version 5 client what it may do here, MQTT 5
// clause 3.2.2.3; the same properties always that EMQ X always sends.
func connackProps(z *broker.Zone, k *mqtt.Connect, ask *hook.ConnInfo, proof *mqtt.Properties) *mqtt.Properties {
	if k.Version < mqtt.V5 {
		return nil
	}
	props := &mqtt.Properties{
		Present: mqtt.PropRetainAvailable | mqtt.PropMaximumPacketSize | mqtt.PropTopicAliasMaximum |
			mqtt.PropWildcardSubAvailable | mqtt.PropSubscriptionIDAvailable | mqtt.PropSharedSubAvailable,
		RetainAvailable: flag(z.RetainAvailable), MaximumPacketSize: uint32(z.MaxPacketSize), TopicAliasMaximum: z.MaxTopicAlias,
		WildcardSubAvailable: flag(z.WildcardSubscription), SubscriptionIDAvailable: 1, SharedSubAvailable: flag(z.SharedSubscription),
	}
	if n := z.Session.MaxAwaitingRel; n > 0 && n < math.MaxUint16 {
		props.Present |= mqtt.PropReceiveMaximum
		props.ReceiveMaximum = uint16(n)
	}
	if z.MaxQoSAllowed < 2 {
		props.Present |= mqtt.PropMaximumQoS
		props.MaximumQoS = z.MaxQoSAllowed
	}
	if k.ClientID != ask.Client.ClientID {
		props.Present |= mqtt.PropAssignedClientID
		props.AssignedClientID = ask.Client.ClientID
	}
	if z.ServerKeepalive > 0 {
		props.Present |= mqtt.PropServerKeepAlive
		props.ServerKeepAlive = z.ServerKeepalive
	}
	if k.Props.Has(mqtt.PropRequestResponseInfo) && k.Props.RequestResponseInfo == 1 && z.ResponseInformation != "" {
		props.Present |= mqtt.PropResponseInfo
		props.ResponseInfo = z.ResponseInformation
	}
	if proof != nil {
		props.Present |= proof.Present
		props.AuthMethod, props.AuthData = proof.AuthMethod, proof.AuthData
	}
	return props
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// refuseConnect answers a CONNECT that was understood with a failure.
func (c *conn) refuseConnect(ask *hook.ConnInfo, code mqtt.ReasonCode, say string) {
	var props *mqtt.Properties
	if c.problem && say != "" {
		props = &mqtt.Properties{Present: mqtt.PropReasonString, ReasonString: say}
	}
	if e := c.listener.server.refuses(); e != nil && code == e.code() && ask.Client.Version == mqtt.V5 {
		props = e.refer(props)
	}
	props = c.hookConnack(ask, code, props)
	c.refuse(ask.Client.Version, code, code.String(), say, props)
}

// refuse answers a CONNECT with a failure and ends the connection.
func (c *conn) refuse(v mqtt.Version, code mqtt.ReasonCode, word, say string, props *mqtt.Properties) {
	s := c.listener.server
	s.log.Info("a CONNECT is refused", "client", c.info.ClientID, "user", trace.User(c.info.Username), "peer", c.info.Peer, "reason", word, "why", say)
	c.traceFault(c.info, "refused", word, say)
	s.count.refused(code)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.Word != "" {
		return
	}
	c.version = v
	k := &mqtt.Connack{Code: code, Props: props}
	if !c.fits(k) {
		k.Props = nil
	}
	if c.fits(k) {
		c.append(k)
	}
	c.end = broker.Ending{Word: word}
	c.over.Store(true)
	c.shut()
}
