package broker

import (
	"encoding/json"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// connectedEvent and disconnectedEvent are the payloads of
// $SYS/brokers/<node>/clients/<clientid>/…, with the fields of EMQ X 4.3.
type connectedEvent struct {
	presence
	KeepAlive      uint16 `json:"keepalive"` // seconds
	CleanStart     bool   `json:"clean_start"`
	ExpiryInterval uint32 `json:"expiry_interval"` // seconds
	Connack        int    `json:"connack"`
}

type disconnectedEvent struct {
	presence
	Reason         string `json:"reason"`
	DisconnectedAt int64  `json:"disconnected_at"` // Unix milliseconds
}

type presence struct {
	ClientID    string `json:"clientid"`
	Username    string `json:"username"`
	IPAddress   string `json:"ipaddress"`
	SockPort    uint16 `json:"sockport"` // of the listener
	ProtoName   string `json:"proto_name"`
	ProtoVer    byte   `json:"proto_ver"`
	ConnectedAt int64  `json:"connected_at"` // Unix milliseconds
	TS          int64  `json:"ts"`
}

func presenceOf(conn *hook.ConnInfo, now int64) presence {
	info := conn.Client
	p := presence{
		ClientID: info.ClientID, Username: info.Username, IPAddress: info.Peer.Addr().Unmap().String(),
		ProtoName: "MQTT", ProtoVer: byte(info.Version), ConnectedAt: conn.ConnectedAt, TS: now,
	}
	if p.Username == "" {
		p.Username = "undefined"
	}
	if info.Version == mqtt.V31 {
		p.ProtoName = "MQIsdp"
	}
	if info.Listener != nil {
		p.SockPort = info.Listener.Addr.Port()
	}
	return p
}

func (br *Broker) presenceConnected(b *Batch, conn *hook.ConnInfo) {
	name := br.presenceTopic(b, conn.Client.ClientID, "connected")
	if name == "" {
		return
	}
	br.publishPresence(b, name, connectedEvent{
		presence: presenceOf(conn, b.Now()), KeepAlive: conn.KeepAlive, CleanStart: conn.CleanStart, ExpiryInterval: conn.ExpiryInterval,
	})
}

func (br *Broker) presenceDisconnected(b *Batch, conn *hook.ConnInfo, reason string) {
	name := br.presenceTopic(b, conn.Client.ClientID, "disconnected")
	if name == "" {
		return
	}
	br.publishPresence(b, name, disconnectedEvent{presenceOf(conn, b.Now()), reason, conn.DisconnectedAt})
}

// presenceTopic is empty when nobody would hear the event: a storm of
// reconnects then costs no JSON. It is empty too for a client id with a
// wildcard in it, which makes no topic name.
func (br *Broker) presenceTopic(b *Batch, id, event string) string {
	if !br.modules.Presence || topic.HasWildcard(id) {
		return ""
	}
	name := br.sysPrefix + "clients/" + id + "/" + event
	if !br.Hooks.MessagePublish.Empty() {
		return name
	}
	b.routes = br.index.Match(name, b.routes[:0])
	heard := len(b.routes) > 0
	clear(b.routes)
	if c := br.cluster.Load(); c != nil && !heard {
		heard, _ = c.Peers.Wanted(b, name)
	}
	if !heard {
		return ""
	}
	return name
}

func (br *Broker) publishPresence(b *Batch, name string, event any) {
	payload, err := json.Marshal(event)
	if err != nil {
		br.log.Error("a presence event can't be written as JSON", "topic", name, "err", err)
		return
	}
	br.publishSys(b, name, payload, mqtt.QoS(br.modules.PresenceQoS), false)
}
