package node

import (
	"fmt"
	"net/netip"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// keepSessions keeps the records of durable sessions as those of devices that are
// away: with one subscription each, and a state.
func keepSessions(n *Node, count int) error {
	sessions, err := n.kept.engine.BigMap("sessions")
	if err != nil {
		return err
	}
	states, err := n.kept.engine.BigMap("states")
	if err != nil {
		return err
	}
	id := func(i int) string { return fmt.Sprintf("device-%07d", i) }
	const created = 1_700_000_000_000
	since := []uint64{1}
	if err := putAll(sessions, count, func(i int) (string, []byte) {
		return durable.SessionKey(id(i)), durable.AppendSession(nil, &durable.Session{
			ClientID: id(i), Created: created, OfflineAt: created, ExpiryInterval: 1<<32 - 1, Node: n.kept.engine.Self().ID, Epoch: 1,
			Zone: "external", Listener: "tcp:external", Protocol: "mqtt:tcp", Username: "device", Peer: netip.MustParseAddrPort("192.0.2.1:40000"),
			ConnectedAt: created, KeepAlive: 300, ReceiveMaximum: 65535, Version: mqtt.V5,
			Subscriptions: []durable.Subscription{{Filter: "site/" + id(i) + "/commands/#", SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}, Since: since}},
		})
	}); err != nil {
		return err
	}
	return putAll(states, count, func(i int) (string, []byte) {
		s := session.New(&session.Config{}, created)
		s.SetDurable(true)
		s.SetRead(0, 1)
		record, _ := s.Save(nil)
		return id(i), record
	})
}

func putAll(m *engine.Map, count int, record func(i int) (string, []byte)) error {
	return m.PutAll(func(yield func(string, []byte) bool) {
		for i := range count {
			if !yield(record(i)) {
				return
			}
		}
	})
}
